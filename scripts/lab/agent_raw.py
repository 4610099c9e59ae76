"""Packets that no socket call sends: a SYN whose SYN-ACK the kernel answers with RST.

That is what a half-open port scan looks like. TCP header and checksum as in RFC 9293.
"""

import random
import socket
import struct
import time

from agent import Answer, Command

_SYN = 0x02


def half_open(command: Command) -> Answer:
    """Send one SYN from a raw socket; the kernel knows nothing of it and resets the answer.

    With a `source` that is not its own, whoever has that address does.
    """
    address, port = command["address"], command["port"]
    source = command["source"] or _own_address(address)
    source_port = random.randrange(40000, 60000)
    segment = syn(source, address, source_port, port)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        if command["source"]:
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            segment = header(source, address, segment) + segment
        raw.sendto(segment, (address, 0))
        time.sleep(0.2)
    return {"ok": True}


def _own_address(towards: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((towards, 1))
        return str(route.getsockname()[0])


def header(source: str, destination: str, segment: bytes) -> bytes:
    """An IPv4 header for a TCP segment; the kernel fills in the checksum."""
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    length = 20 + len(segment)
    fields = (0x45, 0, length, 0, 0, 64, socket.IPPROTO_TCP, 0)
    return struct.pack("!BBHHHBBH", *fields) + ends


def syn(source: str, destination: str, source_port: int, port: int) -> bytes:
    """A TCP header of a SYN, with its checksum."""
    number = random.getrandbits(32)
    fields = (source_port, port, number, 0, 5 << 4, _SYN, 1024)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination)
    pseudo += struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20)
    unsummed = struct.pack("!HHIIBBHHH", *fields, 0, 0)
    return struct.pack("!HHIIBBHHH", *fields, _checksum(pseudo + unsummed), 0)


def _checksum(content: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(content) // 2}H", content))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
