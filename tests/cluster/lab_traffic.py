"""Traffic for the lab, run inside a node's namespace: `lab_traffic.py serve` or `call`.

The caller keeps one connection that was there before the capture and says something now and
then, makes a short connection four times a second by IPv4 and IPv6, and sends datagrams.
With `chat` it also asks 200 times a second on one connection, with `bulk` it moves 16 MB a
second.
"""

import socket
import sys
import threading
import time

HOSTS = ("10.244.2.1", "fd00:2::1")
PORT, DNS, BULK = 8080, 53, 9090


def serve() -> None:
    """Answer everything."""
    for port, answer in ((PORT, True), (BULK, False)):
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=accept, args=(listener, answer), daemon=True).start()
    responder = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    responder.bind(("::", DNS))
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    while True:
        question, peer = responder.recvfrom(4096)
        responder.sendto(question * 20, peer)


def accept(listener: socket.socket, answer: bool) -> None:
    """Serve each connection in a thread."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection, answer), daemon=True).start()


def converse(connection: socket.socket, answer: bool) -> None:
    """Echo four-fold, or swallow."""
    while question := connection.recv(1 << 20):
        if answer:
            connection.sendall(question * 4)


def call(bulk: bool, chat: bool) -> None:
    """Talk until killed."""
    quiet = socket.create_connection((HOSTS[0], PORT))
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    if bulk:
        threading.Thread(target=pump, daemon=True).start()
    if chat:
        threading.Thread(target=talk, daemon=True).start()
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for turn in range(1_000_000):
        for host in HOSTS:
            with socket.create_connection((host, PORT)) as short:
                short.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
                short.recv(4096)
        if turn % 8 == 7:
            quiet.sendall(b"still here")
            quiet.recv(4096)
        resolver.sendto(b"\x12\x34\x01\x00\x00\x01" + b"q" * 20, (HOSTS[0], DNS))
        time.sleep(0.25)


def talk() -> None:
    """Requests of 300 bytes and answers of 1200 on a kept connection, 200 a second."""
    with socket.create_connection((HOSTS[0], PORT)) as kept:
        while True:
            kept.sendall(b"r" * 300)
            kept.recv(4096)
            time.sleep(0.005)


def pump() -> None:
    """Move data at a bounded rate, 16 MB a second."""
    with socket.create_connection((HOSTS[0], BULK)) as bulk:
        while True:
            bulk.sendall(b"b" * 1_600_000)
            time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        call("bulk" in sys.argv, "chat" in sys.argv)
