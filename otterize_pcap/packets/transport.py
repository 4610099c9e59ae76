"""TCP, UDP and SCTP headers, and what a payload's first bytes say about who is the client (S34)."""

import struct

from msgspec import Struct

from otterize_pcap.packets.headers import (
    SctpHeader,
    TcpHeader,
    UdpHeader,
    malformed,
    parse_header,
    too_short,
)
from otterize_pcap.packets.packet import CLIENT, SERVER
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import ACK, RST, SYN, TCP, UDP

UDP_HEADER = 8
"""Bytes of a UDP header."""
TCP_TIMESTAMP = 8
"""The kind of TCP's timestamps option."""

_SCTP_FLAGS = {1: SYN, 2: SYN | ACK, 6: RST}
METHODS = (
    b"GET ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"HEAD ",
    b"OPTIONS ",
    b"PATCH ",
    b"TRACE ",
    b"CONNECT ",
)


class Segment(Struct, frozen=True):
    """The transport header's part of a `Packet`, in the same terms; `payload` as captured."""

    source_port: int
    destination_port: int
    flags: int = 0
    seq: int = 0
    ack: int = 0
    timestamp: int | None = None
    hint: int = 0
    payload: bytes = b""


def parse_segment(protocol: int, payload: bytes, length: int) -> Segment:
    """Parse a transport header.

    Args:
        protocol: 6 (TCP), 17 (UDP) or 132 (SCTP).
        payload: What was captured of the IP packet's payload.
        length: How long that payload is by the IP header.

    Raises:
        UndecodableError: The header is malformed or not all there.
    """
    if protocol == TCP:
        return _parse_tcp(payload, length)
    if protocol == UDP:
        return _parse_udp(payload)
    return _parse_sctp(payload)


def _parse_tcp(payload: bytes, length: int) -> Segment:
    """RFC 9293, 3.1."""
    header = parse_header(TcpHeader, payload, "TCP")
    if header.off * 4 > length:
        raise malformed("TCP")
    return Segment(
        source_port=header.sport,
        destination_port=header.dport,
        flags=header.flags,
        seq=header.seq,
        ack=header.ack,
        timestamp=_timestamp(header.opts) if header.flags & SYN else None,
        hint=tcp_hint(header.data),
        payload=header.data,
    )


def _timestamp(options: bytes) -> int | None:
    """TSval of the timestamps option (RFC 7323, 3.2)."""
    position = 0
    while position + 1 < len(options):
        kind = options[position]
        if kind == 0:
            return None
        if kind == 1:
            position += 1
            continue
        length = options[position + 1]
        if kind == TCP_TIMESTAMP and length == 10 and position + 6 <= len(options):
            return int.from_bytes(options[position + 2 : position + 6])
        if length < 2:
            return None
        position += length
    return None


def tcp_hint(payload: bytes) -> int:
    """TLS ClientHello or ServerHello (RFC 8446, 4 and 5.1), HTTP/1 request or status line."""
    if len(payload) >= 6 and payload[0] == 0x16 and payload[1] == 3:
        return {1: CLIENT, 2: SERVER}.get(payload[5], 0)
    if payload.startswith(b"HTTP/1."):
        return SERVER
    return CLIENT if payload.startswith(METHODS) else 0


def _parse_udp(payload: bytes) -> Segment:
    """RFC 768: no length is less than the header's own, but where zeros took its place."""
    header = parse_header(UdpHeader, payload, "UDP")
    if int.from_bytes(payload[4:6]) < UDP_HEADER:
        raise malformed("UDP")
    hint = 0
    if DNS_PORTS & {header.sport, header.dport} and len(header.data) >= 3:
        hint = SERVER if header.data[2] & 0x80 else CLIENT
    return Segment(header.sport, header.dport, hint=hint, payload=header.data)


def _parse_sctp(payload: bytes) -> Segment:
    """RFC 9260: the first chunk decides, read as the TCP segment that does the same.

    A sender names the peer's initiate tag in each packet, as TCP acknowledges the peer's initial
    sequence number: `ack` is that tag plus one, so that both read alike.
    """
    header = parse_header(SctpHeader, payload, "SCTP")
    if len(header.data) < 4:
        raise too_short("SCTP")
    flags = _SCTP_FLAGS.get(header.data[0], ACK)
    seq = 0
    if flags & SYN:
        if len(header.data) < 8:
            raise too_short("SCTP")
        (seq,) = struct.unpack_from(">I", header.data, 4)
    ack = (header.vtag + 1) & 0xFFFFFFFF if flags & ACK else 0
    return Segment(header.sport, header.dport, flags=flags, seq=seq, ack=ack)
