"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers, extension headers and fragments included."""

from msgspec import Struct

from otterize_pcap.addresses import MAPPED
from otterize_pcap.packets.headers import (
    Ipv4Header,
    Ipv6Fragment,
    Ipv6Header,
    UndecodableError,
    malformed,
    parse_header,
    too_short,
)
from otterize_pcap.packets.packet import NOT_IP, TOO_DEEP
from otterize_pcap.packets.protocols import AH

NO_NEXT_HEADER = 59
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION, MOBILITY, HIP, SHIM6 = 0, 43, 44, 60, 135, 139, 140
OPTION_HEADERS = frozenset({HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY, HIP, SHIM6})

MAX_EXTENSIONS = 16


class IpHeader(Struct, frozen=True):
    """An IP header and what is behind it, extension headers and AH already passed.

    `length` is the packet's size by its own header, `payload_length` that of what is behind it,
    and `payload` what was captured of that.
    `fragment_id` is None in a packet that is whole; `fragment_offset` counts from its first byte.
    """

    source: bytes
    destination: bytes
    protocol: int
    length: int
    payload: bytes
    payload_length: int
    fragment_id: int | None = None
    fragment_offset: int = 0


def parse_ip(packet: bytes, missing: int) -> IpHeader:
    """Parse the IP header at the start of `packet`, by its version.

    Args:
        packet: Captured bytes, from the IP header on.
        missing: How many bytes of the frame the capture left out.

    Raises:
        UndecodableError: It is malformed, or holds nothing that could be followed.
    """
    version = packet[0] >> 4 if packet else None
    if version == 4:
        return _parse_ipv4(packet, missing)
    if version == 6:
        return _parse_ipv6(packet, missing)
    raise UndecodableError(NOT_IP) if packet else too_short("IP")


def _parse_ipv4(packet: bytes, missing: int) -> IpHeader:
    header = parse_header(Ipv4Header, packet, "IPv4")
    start = header.hl * 4
    # A total length of 0 is left by segmentation offload: the frame's own length tells.
    length = header.len or len(packet) + missing
    if length < start:
        raise malformed("IPv4")
    if len(packet) < start:
        raise too_short("IPv4")
    protocol = header.p
    if protocol == AH and not header.offset:
        protocol, start = pass_authentication(packet[:length], start)
    return IpHeader(
        source=MAPPED + header.src,
        destination=MAPPED + header.dst,
        protocol=protocol,
        length=length,
        payload=packet[start:length],
        payload_length=length - start,
        fragment_id=header.id if header.mf or header.offset else None,
        fragment_offset=header.offset * 8,
    )


def pass_authentication(packet: bytes, start: int) -> tuple[int, int]:
    """Next protocol and where it begins, behind an Authentication Header (RFC 4302).

    That header leaves what it protects readable.
    """
    if len(packet) < start + 12:
        raise too_short("AH")
    return packet[start], start + (packet[start + 1] + 2) * 4


def _parse_ipv6(packet: bytes, missing: int) -> IpHeader:
    header = parse_header(Ipv6Header, packet, "IPv6")
    # A payload length of 0 is a jumbogram's or left by segmentation offload.
    length = header.plen + 40 if header.plen else len(packet) + missing
    protocol, start = header.nxt, 40
    fragment_id, fragment_offset = None, 0
    packet = packet[:length]
    for _ in range(MAX_EXTENSIONS):
        if protocol in OPTION_HEADERS:
            if len(packet) < start + 8:
                raise too_short("IPv6 extension header")
            protocol, start = packet[start], start + (packet[start + 1] + 1) * 8
        elif protocol == FRAGMENT:
            fragment = parse_header(Ipv6Fragment, packet[start:], "IPv6 fragment header")
            protocol, start = fragment.nxt, start + 8
            if fragment.frag_off or fragment.m_flag:
                fragment_id, fragment_offset = fragment.id, fragment.frag_off * 8
            if fragment_offset:
                break
        elif protocol == AH:
            protocol, start = pass_authentication(packet, start)
        else:
            break
    else:
        raise UndecodableError(TOO_DEEP)
    return IpHeader(
        source=header.src,
        destination=header.dst,
        protocol=protocol,
        length=length,
        payload=packet[start:],
        payload_length=length - start,
        fragment_id=fragment_id,
        fragment_offset=fragment_offset,
    )
