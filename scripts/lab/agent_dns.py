"""A small DNS server and client (RFC 1035; AAAA from RFC 3596), over UDP and TCP.

The server answers from a fixed table and puts a CNAME's target records behind it, as a resolver
does. Message names are compressed where the answer repeats the question's name.
"""

import socket
import struct
import threading

from agent import Answer, Command, accept_with, family

_TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}
_NO_SUCH_NAME = 3
_QUESTION_AT = 12
Records = dict[str, list[tuple[str, str]]]


def serve(command: Command) -> Answer:
    """Answer from `records` (name → [[type, value], …]) on UDP and TCP port `port`."""
    records, address, port = command["records"], command["address"], command["port"]
    datagrams = socket.socket(family(address), socket.SOCK_DGRAM)
    datagrams.bind((address, port))

    def answer_datagrams() -> None:
        while True:
            query, peer = datagrams.recvfrom(4096)
            datagrams.sendto(_response(query, records), peer)

    def answer_stream(peer: socket.socket) -> None:
        with peer:
            while length := peer.recv(2):
                query = peer.recv(struct.unpack("!H", length)[0])
                response = _response(query, records)
                peer.sendall(struct.pack("!H", len(response)) + response)

    threading.Thread(target=answer_datagrams, daemon=True).start()
    accept_with(address, port, answer_stream)
    return {"ok": True}


def lookup(command: Command) -> Answer:
    """Ask for `name` and `type`; returns the response code and the number of answers."""
    query = struct.pack("!HHHHHH", command["id"] & 0xFFFF, 0x0100, 1, 0, 0, 0)
    query += _name(command["name"]) + struct.pack("!HH", _TYPES[command["type"]], 1)
    kind = socket.SOCK_STREAM if command["protocol"] == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family(command["server"]), kind) as client:
        client.settimeout(3)
        client.connect((command["server"], command["port"]))
        if command["protocol"] == "TCP":
            client.sendall(struct.pack("!H", len(query)) + query)
            response = client.recv(4096)[2:]
        else:
            client.sendall(query)
            response = client.recv(4096)
    _, flags, _, answers = struct.unpack("!HHHH", response[:8])
    return {"ok": True, "code": flags & 0xF, "answers": answers}


def _name(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _question(query: bytes) -> tuple[str, int, bytes]:
    """The name and type asked for, and the question's bytes."""
    labels, at = [], _QUESTION_AT
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    return ".".join(labels), kind, query[_QUESTION_AT : at + 5]


def _response(query: bytes, records: Records) -> bytes:
    name, kind, question = _question(query)
    answers = [
        _record(owner, name, record, value)
        for owner, record, value in _resolve(name, records)
        if record == "CNAME" or _TYPES[record] == kind
    ]
    code = 0 if name in records else _NO_SUCH_NAME
    header = struct.pack("!2sHHHHH", query[:2], 0x8180 | code, 1, len(answers), 0, 0)
    return header + question + b"".join(answers)


def _resolve(name: str, records: Records) -> list[tuple[str, str, str]]:
    """The records of a name, then those of what its CNAME leads to."""
    found = []
    for record, value in records.get(name, []):
        found.append((name, record, value))
        if record == "CNAME":
            found += _resolve(value, records)
    return found


def _record(owner: str, asked: str, record: str, value: str) -> bytes:
    where = struct.pack("!H", 0xC000 | _QUESTION_AT) if owner == asked else _name(owner)
    content = _name(value) if record == "CNAME" else socket.inet_pton(family(value), value)
    return where + struct.pack("!HHIH", _TYPES[record], 1, 30, len(content)) + content
