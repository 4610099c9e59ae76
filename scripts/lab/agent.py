"""The process in a lab pod: it serves and calls as told by JSON lines on stdin.

One answer line per command: `{"ok": …}` or `{"error": "refused" | "timeout" | …}`. A command
`dns.lookup` is the function `lookup` of agent_dns.py; those without a dot are here. Servers run in
threads; client sockets stay open under a number until a command closes them. Uses the standard
library only, and starts as `ip netns exec POD python3 agent.py LABEL`.
"""

import contextlib
import errno
import importlib
import json
import socket
import struct
import sys
import threading
import time
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


def family(address: str) -> socket.AddressFamily:
    """The address family of an address as text."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _reply(style: str, request: bytes) -> bytes:
    """What a server of this style answers: HTTP, its pod's name, or the request again."""
    if style == "http":
        return _HTTP_REPLY
    return f"{sys.argv[1]}\n".encode() if style == "name" else request


def serve_tcp(command: Command) -> None:
    """Listen; answer whatever comes with `reply`; `closes` says who sends the first FIN.

    A server that `lingers` closes its side so many seconds after the client's FIN.
    """

    def answer(peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            while request := peer.recv(65536):
                peer.sendall(_reply(command["reply"], request))
                if command["closes"] == "server":
                    peer.shutdown(socket.SHUT_WR)
            time.sleep(command["lingers"])

    accept_with(command["address"], command["port"], answer)


def proxy(command: Command) -> Answer:
    """Listen; for each connection open one to the upstream and relay between the two."""

    def relay(peer: socket.socket) -> None:
        upstream = (command["upstream"], command["upstream_port"])
        with peer, contextlib.suppress(OSError), socket.create_connection(upstream) as onward:
            while request := peer.recv(65536):
                onward.sendall(request)
                peer.sendall(onward.recv(65536))

    accept_with(command["address"], command["port"], relay)
    return {"ok": True}


def accept_with(address: str, port: int, handler: Callable[[socket.socket], None]) -> None:
    """Listen, and run `handler` on every accepted connection in a thread of its own."""
    listener = socket.socket(family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)

    def accept() -> None:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=handler, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def serve_udp(command: Command) -> None:
    """Answer each datagram, or swallow it when `reply` is `none`."""
    server = socket.socket(family(command["address"]), socket.SOCK_DGRAM)
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
    client = socket.socket(family(command["address"]), kind)
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
    """Send a request and, where an answer is expected, return what comes at once."""
    client = sockets[command["id"]]
    client.sendall(command["request"].encode("latin-1"))
    if not command["answered"]:
        return {"ok": True}
    return {"ok": True, "answer": client.recv(65536).decode(errors="replace")}


def close(command: Command) -> Answer:
    """Close as asked: FIN and wait for the other's, FIN alone, or RST (SO_LINGER 0)."""
    client = sockets.pop(command["id"])
    if command["reset"]:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif client.type == socket.SOCK_STREAM and not command["at_once"]:
        if command["waits"]:
            client.recv(65536)  # the other side closes first
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    client.close()
    return {"ok": True}


COMMANDS = {"serve": serve, "proxy": proxy, "open": open_socket, "send": send, "close": close}


def obey(command: Command) -> Answer:
    """Carry out one command."""
    module, _, name = command["do"].rpartition(".")
    if not module:
        return COMMANDS[name](command)
    answer: Answer = getattr(importlib.import_module(f"agent_{module}"), name)(command)
    return answer


def main() -> None:
    """Obey until stdin closes."""
    for line in sys.stdin:
        try:
            answer = obey(json.loads(line))
        except TimeoutError:
            answer = {"error": "timeout"}
        except OSError as error:
            answer = {"error": _ERRORS.get(error.errno or 0, str(error))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # agent_*.py import this module by its name; without this they would load a second copy.
    sys.modules["agent"] = sys.modules["__main__"]
    main()
