"""Transport headers, made anew of the fields that the mapper reads, without what they carry.

Of a payload nothing is kept but what it says of its sender (S34): a few bytes of our own that say
the same. Checksums are zero: over what is gone nothing can be right, and the sum of what was there
would tell of it.
"""

from otterize_pcap.packets.headers import UndecodableError, malformed, too_short
from otterize_pcap.packets.packet import CLIENT, SERVER
from otterize_pcap.packets.ports import (
    DNS_PORTS,
    IPSEC_NAT_PORT,
    WIREGUARD_PORTS,
    TunnelPorts,
)
from otterize_pcap.packets.protocols import SYN
from otterize_pcap.packets.transport import TCP_TIMESTAMP, tcp_hint
from otterize_pcap.packets.tunnels import refuse_encrypted
from otterize_pcap.table.name_payloads import HANDSHAKE_RECORD

NO_OPTION = 1
PLAIN_OPTIONS = {2: 4, 3: 3, 4: 2}
"""TCP's options that tell of nobody, with their lengths: segment size, window scale, SACK allowed
(RFC 9293, 3.2; RFC 7323; RFC 2018)."""

GREETINGS = {
    (True, CLIENT): b"\x16\x03\x01\0\x02\x01\0",
    (True, SERVER): b"\x16\x03\x03\0\x02\x02\0",
    (False, CLIENT): b"GET ",
    (False, SERVER): b"HTTP/1.",
}
"""What stands for a payload that tells its sender, by whether it is TLS."""

Grown = tuple[bytes, int]
"""Bytes, and by how many they are more than what was on the wire in their place."""


def tcp_segment(payload: bytes, length: int, said: bytes | None) -> Grown:
    """A TCP segment (RFC 9293); `length` is what the IP header leaves for it.

    Raises:
        UndecodableError: Its header is malformed or not all there.
    """
    if len(payload) < 20:
        raise too_short("TCP")
    size = (payload[12] >> 4) * 4
    if not 20 <= size <= length:
        raise malformed("TCP")
    header = payload[:12] + bytes((payload[12] & 0xF1, payload[13])) + payload[14:16] + bytes(4)
    options = _tcp_options(payload[20:size], keeps_time=bool(payload[13] & SYN))
    content = greeting(payload[size:]) if said is None else said
    return header + options + content, max(0, len(content) - (length - size))


def _tcp_options(options: bytes, *, keeps_time: bool) -> bytes:
    """The options, those that could tell of anybody filled with no-operations.

    A SYN's timestamp is one of the things that its copies are told by (S20).
    """
    kept = bytearray()
    while len(kept) + 1 < len(options):
        at = len(kept)
        kind, length = options[at], options[at + 1]
        if kind == 0:
            break
        if kind == NO_OPTION:
            kept.append(NO_OPTION)
            continue
        if length < 2:
            break
        option = options[at : at + length]
        if PLAIN_OPTIONS.get(kind) == length:
            kept += option
        elif kind == TCP_TIMESTAMP and length == 10 and keeps_time and len(option) >= 6:
            kept += option[:6] + bytes(len(option) - 6)
        else:
            kept += bytes((NO_OPTION,)) * len(option)
    return bytes(kept) + bytes(len(options) - len(kept))


def greeting(content: bytes) -> bytes:
    """What says of a TCP payload's sender what its first bytes said; nothing where they did not."""
    return GREETINGS.get((content[:1] == bytes((HANDSHAKE_RECORD,)), tcp_hint(content)), b"")


def udp_datagram(payload: bytes, content: bytes, grown: int) -> Grown:
    """A UDP datagram (RFC 768) with other content, `grown` bytes longer than the one before."""
    stated = int.from_bytes(payload[4:6]) + grown & 0xFFFF
    return payload[:4] + stated.to_bytes(2) + bytes(2) + content, grown


def udp_content(ports: tuple[int, int], content: bytes, tunnels: TunnelPorts) -> bytes:
    """What stands for a datagram's content, where it is no tunnel that can be opened."""
    if DNS_PORTS.intersection(ports) and len(content) >= 3:
        return bytes((0, 0, content[2] & 0x80))
    try:
        refuse_encrypted(set(ports), content)
    except UndecodableError:
        if WIREGUARD_PORTS.intersection(ports) and content[1:4] == bytes(3):
            return bytes((content[0], 0, 0, 0))
        return b"\xff" * 8 if IPSEC_NAT_PORT in ports else b""
    # No identifier, or a version that there is not: so it is no tunnel's.
    if ports[1] in tunnels.vxlan:
        return bytes(8)
    return b"\x40" + bytes(7) if ports[1] in tunnels.geneve else b""


def sctp_packet(payload: bytes) -> bytes:
    """An SCTP packet (RFC 9260) with the head of its first chunk, an INIT's initiate tag included.

    Raises:
        UndecodableError: It is not all there.
    """
    if len(payload) < 16:
        raise too_short("SCTP")
    kind = payload[12]
    tag = payload[16:20] if kind in (1, 2) else b""
    if kind in (1, 2) and len(tag) < 4:
        raise too_short("SCTP")
    return payload[:8] + bytes(4) + bytes((kind, 0)) + payload[14:16] + tag
