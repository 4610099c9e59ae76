"""Traffic whose payloads are marked, run inside a node's namespace until killed.

Of each kind of payload the lab knows: TCP by IPv4 and IPv6 through the VXLAN and beside it, with
data in the last segment, HTTP, TLS with a server name, UDP answered and refused, and DNS.
"""

import contextlib
import socket
import ssl
import sys
import time

NEAR = "MARK-near-{}-"
FAR = "MARK-far-{}-"
FAR_AT = 400
SERVERS = ("10.244.2.1", "fd00:2::1", "192.0.2.2")
ECHO, SWALLOW, DNS, NOBODY = 8080, 9090, 53, 9999
SERVER_NAME = "mark-sni.example"


def marked(kind: str, first: bytes = b"") -> bytes:
    """A payload with one mark at its beginning and one far behind."""
    near = first + NEAR.format(kind).encode()
    return near.ljust(FAR_AT, b".") + FAR.format(kind).encode()


def say(server: str) -> None:
    """One round of everything to a server."""
    with socket.create_connection((server, ECHO)) as plain:
        plain.sendall(marked("tcp"))
        plain.recv(4096)
    with socket.create_connection((server, ECHO)) as http:
        http.sendall(marked("http", b"POST "))
        http.recv(4096)
    with socket.create_connection((server, SWALLOW)) as last:
        # Held back until the connection is closed: it travels with the FIN.
        last.send(marked("fin"), socket.MSG_MORE)
    with socket.create_connection((server, SWALLOW)) as tls:
        tls.sendall(client_hello())
        tls.sendall(b"\x17\x03\x03\x04\x00" + marked("tls"))
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(marked("udp"), (server, NOBODY))
        datagrams.sendto(b"\x12\x34\x01\x00\x00\x01" + marked("dns"), (server, DNS))


def client_hello() -> bytes:
    """What OpenSSL says first to a server of this name."""
    written = ssl.MemoryBIO()
    context = ssl.create_default_context()
    session = context.wrap_bio(ssl.MemoryBIO(), written, server_hostname=SERVER_NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return written.read()


if __name__ == "__main__":
    kept = socket.create_connection((SERVERS[0], ECHO))
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    while True:
        kept.sendall(marked("kept"))
        kept.recv(1 << 16)
        for each in SERVERS:
            say(each)
        time.sleep(0.1)
