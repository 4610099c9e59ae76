"""Servers that speak first: they keep their peers, and push when told, long after the last request.

That is what turns a connection round for whoever looks at one end of it only: a conntrack entry
made anew by the server's datagram, a table that was flushed, a request down a reverse tunnel.
"""

import contextlib
import socket
import threading

from agent import Answer, Command, accept_with, family, sockets

# What a port's server can push to, the latest peer last: one sender for each.
_peers: dict[tuple[str, int], list[tuple[socket.socket, tuple[str, int] | None]]] = {}


def serve(command: Command) -> Answer:
    """Answer every request with itself, and remember who asked."""
    known = _peers.setdefault((command["protocol"], command["port"]), [])
    if command["protocol"] == "UDP":
        server = socket.socket(family(command["address"]), socket.SOCK_DGRAM)
        server.bind((command["address"], command["port"]))
        threading.Thread(target=_datagrams, args=(server, known), daemon=True).start()
        return {"ok": True}

    def keep(peer: socket.socket) -> None:
        known.append((peer, None))
        if command["echoes"]:
            with peer, contextlib.suppress(OSError):
                while request := peer.recv(65536):
                    peer.sendall(request)

    accept_with(command["address"], command["port"], keep)
    return {"ok": True}


def _datagrams(
    server: socket.socket, known: list[tuple[socket.socket, tuple[str, int] | None]]
) -> None:
    while True:
        request, peer = server.recvfrom(65536)
        if (server, peer) not in known:
            known.append((server, peer))
            server.sendto(request, peer)


def push(command: Command) -> Answer:
    """Send a text to every peer of a port; with `answered`, wait for what each says to it."""
    answers = []
    for sender, peer in _peers[command["protocol"], command["port"]]:
        if peer is not None:
            sender.sendto(command["text"].encode(), peer)
            continue
        sender.sendall(command["text"].encode())
        if command["answered"]:
            sender.settimeout(3.0)
            answers.append(sender.recv(65536).decode(errors="replace"))
    return {"ok": True, "answers": answers}


def answer(command: Command) -> Answer:
    """At the client: take what the server pushed, and send a text back where there is one."""
    client = sockets[command["id"]]
    client.recv(65536)
    if command["text"]:
        client.sendall(command["text"].encode())
    return {"ok": True}
