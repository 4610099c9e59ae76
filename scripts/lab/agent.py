"""The process in a lab pod: it serves and calls as told by JSON lines on stdin.

One answer line per command: `{"ok": …}` or `{"error": "refused" | "timeout" | …}`. Servers run in
threads; client sockets stay open under a number until a command closes them. Runs alone (standard
library, nothing of the lab imported), as `ip netns exec POD python3 agent.py`.
"""

import contextlib
import errno
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

Command = dict[str, Any]
Answer = dict[str, Any]

_HTTP_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EACCES: "prohibited",
    errno.ECONNRESET: "reset",
    errno.EADDRINUSE: "address in use",
}

sockets: dict[int, socket.socket] = {}


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _reply(style: str, request: bytes) -> bytes:
    """What a server of this style answers: an HTTP response, or the request again."""
    return _HTTP_REPLY if style == "http" else request


def serve_tcp(command: Command) -> None:
    """Listen; answer whatever comes with `reply`; `closes` says who sends the first FIN."""
    listener = socket.socket(_family(command["address"]), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((command["address"], command["port"]))
    listener.listen(64)

    def answer(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            while request := peer.recv(65536):
                peer.sendall(_reply(command["reply"], request))
                if command["closes"] == "server":
                    peer.shutdown(socket.SHUT_WR)

    _accept_with(listener, answer)


def _accept_with(listener: socket.socket, handler: Callable[[socket.socket], None]) -> None:
    def accept() -> None:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=handler, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def serve_udp(command: Command) -> None:
    """Answer each datagram with itself, or swallow it when `reply` is `none`."""
    server = socket.socket(_family(command["address"]), socket.SOCK_DGRAM)
    server.bind((command["address"], command["port"]))

    def answer() -> None:
        while True:
            request, peer = server.recvfrom(65536)
            if command["reply"] != "none":
                server.sendto(_reply(command["reply"], request), peer)

    threading.Thread(target=answer, daemon=True).start()


def serve(command: Command) -> Answer:
    """Start a server; it lives as long as the agent."""
    (serve_udp if command["protocol"] == "UDP" else serve_tcp)(command)
    return {"ok": True}


def open_socket(command: Command) -> Answer:
    """Connect; for UDP this only fixes the peer."""
    kind = socket.SOCK_DGRAM if command["protocol"] == "UDP" else socket.SOCK_STREAM
    client = socket.socket(_family(command["address"]), kind)
    client.settimeout(command["timeout"])
    if command["source_port"]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", command["source_port"]))
    try:
        client.connect((command["address"], command["port"]))
    except OSError:
        client.close()
        raise
    sockets[command["id"]] = client
    return {"ok": True, "local": client.getsockname()[:2]}


def send(command: Command) -> Answer:
    """Send a request and, where an answer is expected, wait for all of it that comes at once."""
    client = sockets[command["id"]]
    client.sendall(command["request"].encode())
    if not command["answered"]:
        return {"ok": True}
    return {"ok": True, "bytes": len(client.recv(65536))}


def close(command: Command) -> Answer:
    """Close as asked: FIN and wait for the other's, or RST (SO_LINGER 0)."""
    client = sockets.pop(command["id"])
    if command["reset"]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif client.type == socket.SOCK_STREAM:
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    client.close()
    return {"ok": True}


COMMANDS = {"serve": serve, "open": open_socket, "send": send, "close": close}


def main() -> None:
    """Obey until stdin closes."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = COMMANDS[command["do"]](command)
        except TimeoutError:
            answer = {"error": "timeout"}
        except OSError as error:
            answer = {"error": _ERRORS.get(error.errno or 0, str(error))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
