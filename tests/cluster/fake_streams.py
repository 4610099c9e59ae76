"""How the fake API server answers: documents, pieces of watches, and exec's WebSocket frames."""

import base64
import hashlib
import json
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.cluster.fake_store import Json

if TYPE_CHECKING:
    from tests.cluster.fake_api import FakeApi

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Streams(BaseHTTPRequestHandler):
    """One connection, and what can be said on it."""

    api: "FakeApi"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Be known to the server, which may cut it."""
        super().setup()
        self.api.track(self.connection)

    def finish(self) -> None:
        """Be forgotten, whatever became of the socket."""
        self.api.forget(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the base's
        """Tell the time by the server's own clock."""
        return super().date_time_string(time.time() + self.api.clock_ahead)

    def do_GET(self) -> None:
        """Serve it."""
        self._serve("GET")

    def do_POST(self) -> None:
        """Serve it."""
        self._serve("POST")

    def do_DELETE(self) -> None:
        """Serve it."""
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        """What `fake_requests.Handler` does."""
        raise NotImplementedError

    def _log(self, where: Json, pairs: list[tuple[str, str]]) -> None:
        lines = self.api.kubelet.log(where["name"]).splitlines(keepends=True)
        tail = int(dict(pairs).get("tailLines", "1000"))
        self._send(200, "text/plain", "".join(lines[-tail:]).encode())

    def _exec(self, where: Json, pairs: list[tuple[str, str]]) -> None:
        command = [value for key, value in pairs if key == "command"]
        if ("pods", where["namespace"], where["name"]) not in self.api.objects:
            self._not_found(where)
            return
        if not self.api.kubelet.is_running(where["name"]):
            self._send(500, "text/plain; charset=utf-8", b'container not found ("tcpdump")')
            return
        key = self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest())  # noqa: S324 - RFC 6455
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("Sec-WebSocket-Protocol", self.api.subprotocol)
        self.end_headers()
        self.close_connection = True
        given = [self._pieces()] if ("stdin", "true") in pairs else []
        self._stream(where["name"], command, *given)

    def _pieces(self) -> Iterator[bytes]:
        """What a client sends on channel 0, frame by frame (RFC 6455, 5.2), until it hangs up."""
        while len(head := self.rfile.read(2)) == 2:
            size = head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self.rfile.read(2 if size == 126 else 8))
            mask = self.rfile.read(4)
            content = self.rfile.read(size)
            key = int.from_bytes((mask * (size // 4 + 1))[:size])
            plain = (int.from_bytes(content) ^ key).to_bytes(size)
            if head[0] & 0x0F == 8:
                return
            if plain[:1] == b"\0":
                yield plain[1:]

    def _stream(self, pod: str, command: list[str], *given: Iterator[bytes]) -> None:
        faults = self.api.faults
        budget = faults.exec_cuts.pop(0) if faults.exec_cuts and command[0] == "dd" else None
        self._frame(2, b"\x01")
        for channel, content in self.api.kubelet.execute(pod, command, *given):
            if budget is not None and channel == 1:
                self._frame(2, bytes([channel]) + content[:budget])
                budget -= len(content)
                if budget <= 0:
                    if faults.cut_cleanly:
                        self._frame(8, struct.pack("!H", 1000))
                    return
            else:
                self._frame(2, bytes([channel]) + content)
        self._frame(8, struct.pack("!H", 1000))

    def _frame(self, opcode: int, content: bytes) -> None:
        size = len(content)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += b"\x7e" + struct.pack("!H", size)
        else:
            head += b"\x7f" + struct.pack("!Q", size)
        self.wfile.write(head + content)
        self.wfile.flush()

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _not_found(self, where: Json) -> None:
        self._status(404, "NotFound", f'{where["plural"]} "{where["name"]}" not found')

    def _status(self, code: int, reason: str, message: str) -> None:
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        self._json(code, status)

    def _json(self, code: int, document: Json) -> None:
        self._send(code, "application/json", json.dumps(document).encode())

    def _send(self, code: int, content_type: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
