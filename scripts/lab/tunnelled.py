"""Payloads that look like tunnels: what a program may send in a datagram of its own.

As text of one byte per character (latin-1), which is how agents take what they send. Headers as in
RFC 7348 (VXLAN), RFC 8926 (Geneve) and RFC 3948 (ESP in UDP).
"""

import struct

from agent_raw import header, syn

_ETHERNET = bytes.fromhex("0a580a0000020a580a0000010800")
_VNI = b"\x00\x00\x2a\x00"


def vxlan(source: str, destination: str, port: int) -> str:
    """A VXLAN datagram with a whole TCP SYN between two addresses in it."""
    return (b"\x08\x00\x00\x00" + _VNI + _frame(source, destination, port)).decode("latin-1")


def geneve(source: str, destination: str, port: int) -> str:
    """The same in Geneve."""
    return (b"\x00\x00\x65\x58" + _VNI + _frame(source, destination, port)).decode("latin-1")


def esp() -> str:
    """An ESP packet in UDP: an SPI, a sequence number, and what nobody can read."""
    return (struct.pack("!II", 0xC0FFEE01, 1) + b"opaque payload..").decode("latin-1")


def wireguard() -> str:
    """A WireGuard transport packet: type 4, receiver, counter, and what nobody can read."""
    return (struct.pack("<IIQ", 4, 7, 1) + bytes(32)).decode("latin-1")


def _frame(source: str, destination: str, port: int) -> bytes:
    tcp = syn(source, destination, 40000, port)
    return _ETHERNET + header(source, destination, tcp) + tcp
