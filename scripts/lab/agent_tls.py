"""TLS with a self-signed certificate: a server, and a client that can split its ClientHello."""

import contextlib
import socket
import ssl
import time

from agent import Answer, Command, accept_with, family


def serve(command: Command) -> Answer:
    """Accept TLS on `port` and send back what comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(command["certificate"], command["key"])

    def answer(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as session:
            while request := session.recv(4096):
                session.sendall(request)

    accept_with(command["address"], command["port"], answer)
    return {"ok": True}


def call(command: Command) -> Answer:
    """Connect, greet with `sni`, exchange a line and close.

    The ClientHello goes out in pieces of `piece` bytes, each in a segment of its own; 0 sends it
    whole. Done with memory buffers because an SSL socket would send it in one piece.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=command["sni"] or None)
    with socket.socket(family(command["address"]), socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect((command["address"], command["port"]))
        piece = command["piece"]
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                _send_in_pieces(client, outgoing.read(), piece)
                piece = 0
                incoming.write(client.recv(65536))
        session.write(b"hello\n")
        client.sendall(outgoing.read())
        client.recv(65536)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    return {"ok": True}


def _send_in_pieces(client: socket.socket, content: bytes, piece: int) -> None:
    size = piece or max(len(content), 1)
    for start in range(0, len(content), size):
        client.sendall(content[start : start + size])
        if piece:
            time.sleep(0.02)
