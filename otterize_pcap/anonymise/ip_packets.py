"""IP packet → the same with other addresses, outside of tunnels and inside, without payload.

Every header is made anew of the fields that the mapper reads: options and extension headers are
filled with zeros, tunnel headers written in their plainest form. Lengths stay those of the wire, so
that traffic is counted as before.
"""

import struct

from msgspec import Struct

from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.anonymise.link_headers import ethernet_header
from otterize_pcap.anonymise.transport import (
    Grown,
    sctp_packet,
    tcp_segment,
    udp_content,
    udp_datagram,
)
from otterize_pcap.anonymise.tunnel_headers import (
    broken_udp_tunnel,
    ethernet_in,
    gre_header,
    udp_tunnel_header,
    udp_tunnel_kind,
)
from otterize_pcap.packets.decode import IP_TUNNELS, MAX_TUNNELS
from otterize_pcap.packets.headers import UndecodableError, malformed, too_short
from otterize_pcap.packets.network import (
    FRAGMENT,
    MAX_EXTENSIONS,
    OPTION_HEADERS,
    pass_authentication,
)
from otterize_pcap.packets.packet import NOT_IP, TOO_DEEP
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.packets.protocols import AH, ICMP_V4, ICMP_V6, SCTP, TCP, UDP
from otterize_pcap.packets.tunnels import open_ip_tunnel, open_udp_tunnel

ICMP_HEADER = 8


class _Within(Struct, frozen=True):
    """Where a packet was found: how many tunnels deep, whether an ICMP error quotes it.

    `said` takes the place of the innermost payload, None where nothing does.
    """

    depth: int = 0
    is_quoted: bool = False
    said: bytes | None = None


class IpAnonymiser:
    """Rewrites IP packets one by one."""

    def __init__(self, addresses: AddressMap, tunnels: TunnelPorts) -> None:
        self._addresses = addresses
        self._tunnels = tunnels

    def rewrite(self, packet: bytes, missing: int, said: bytes | None = None) -> Grown:
        """A packet without anybody's data.

        Args:
            packet: Captured bytes, from the IP header on.
            missing: How many bytes of the frame the capture left out.
            said: What takes the place of the innermost payload.

        Raises:
            UndecodableError: It is malformed.
        """
        return self._ip(packet, missing, _Within(said=said))

    def _ip(self, packet: bytes, missing: int, within: _Within) -> Grown:
        version = packet[0] >> 4 if packet else None
        if version == 4:
            return self._ipv4(packet, missing, within)
        if version == 6:
            return self._ipv6(packet, missing, within)
        raise UndecodableError(NOT_IP) if packet else too_short("IP")

    def _ipv4(self, packet: bytes, missing: int, within: _Within) -> Grown:
        """RFC 791; options become zeros, which end their list."""
        if len(packet) < 20:
            raise too_short("IPv4")
        start, stated = (packet[0] & 15) * 4, int.from_bytes(packet[2:4])
        length = stated or len(packet) + missing
        if start < 20 or length < start:
            raise malformed("IPv4")
        if len(packet) < start:
            raise too_short("IPv4")
        packet = packet[:length]
        is_later = bool(int.from_bytes(packet[6:8]) & 0x1FFF)
        protocol, behind = packet[9], start
        if protocol == AH and not is_later:
            protocol, behind = pass_authentication(packet, start)
        body, grown = (
            (b"", 0)
            if is_later
            else self._carried(protocol, packet[behind:], length - behind, within)
        )
        header = bytearray(packet[:20]) + bytes(start - 20)
        header[2:4] = _stated(length + grown)
        header[10:12] = bytes(2)
        header[12:20] = self._ends(packet[12:16], packet[16:20])
        header[10:12] = _checksum(header)
        return bytes(header) + _zeroed(packet, start, behind) + body, grown

    def _ipv6(self, packet: bytes, missing: int, within: _Within) -> Grown:
        """RFC 8200; extension headers keep kind and length, those of fragments their numbers."""
        if len(packet) < 40:
            raise too_short("IPv6")
        stated = int.from_bytes(packet[4:6])
        length = stated + 40 if stated else len(packet) + missing
        packet = packet[:length]
        protocol, behind, passed, is_later = _pass_extensions(packet)
        body, grown = (
            (b"", 0)
            if is_later
            else self._carried(protocol, packet[behind:], length - behind, within)
        )
        size = length - 40 + grown
        ends = self._ends(packet[8:24], packet[24:40])
        return b"\x60\0\0\0" + _stated(size) + packet[6:8] + ends + passed + body, grown

    def _ends(self, source: bytes, target: bytes) -> bytes:
        return self._addresses.packed(source) + self._addresses.packed(target)

    def _carried(self, protocol: int, payload: bytes, length: int, within: _Within) -> Grown:
        """What an IP header carries; nothing where no rule reads it."""
        if within.is_quoted:
            return (payload[:4] if protocol in (TCP, UDP, SCTP) else b""), 0
        if protocol == TCP:
            return tcp_segment(payload, length, within.said)
        if protocol == UDP:
            return self._udp(payload, length, within)
        if protocol == SCTP:
            return sctp_packet(payload), 0
        if protocol in IP_TUNNELS:
            return self._ip_tunnel(protocol, payload, within)
        if protocol in (ICMP_V4, ICMP_V6):
            return self._icmp(protocol, payload, within), 0
        return b"", 0

    def _icmp(self, protocol: int, payload: bytes, within: _Within) -> bytes:
        """Type and code, and of the packet that an error quotes its addresses and ports."""
        if len(payload) < ICMP_HEADER:
            raise too_short("ICMP")
        header = payload[:2] + bytes(ICMP_HEADER - 2)
        if payload[0] != (1 if protocol == ICMP_V6 else 3):
            return header
        try:
            quoted, _ = self._ip(payload[ICMP_HEADER:], 0, _Within(within.depth, is_quoted=True))
        except UndecodableError:
            return header
        return header + quoted

    def _udp(self, payload: bytes, length: int, within: _Within) -> Grown:
        if len(payload) < 8:
            raise too_short("UDP")
        ports = int.from_bytes(payload[:2]), int.from_bytes(payload[2:4])
        content = payload[8:]
        if not self._tunnels.may_hold(*ports):
            stands = udp_content(ports, content, self._tunnels)
        else:
            try:
                opened = open_udp_tunnel(self._tunnels, *ports, content)
            except UndecodableError:
                # Nothing in it can be followed; it still is a tunnel's.
                kind = udp_tunnel_kind(self._tunnels, *ports)
                return udp_datagram(payload, broken_udp_tunnel(kind), 0)
            if opened is not None:
                inner, grown = self._inside(opened[1], within)
                header = udp_tunnel_header(opened[0], content)
                frame = ethernet_in(opened[0], content)
                if frame is not None:
                    header += ethernet_header(self._addresses, frame, opened[1])
                return udp_datagram(payload, header + inner, grown)
            stands = udp_content(ports, content, self._tunnels)
        if within.said is not None:
            stands = within.said
        return udp_datagram(payload, stands, max(0, len(stands) - (length - 8)))

    def _ip_tunnel(self, protocol: int, payload: bytes, within: _Within) -> Grown:
        """IP in IP as it is; of GRE the plainest header that is the same kind of tunnel."""
        try:
            opened = open_ip_tunnel(protocol, payload)
        except UndecodableError:
            return b"", 0
        if opened is None:
            return b"", 0
        inner, grown = self._inside(opened[1], within)
        return gre_header(opened[0], opened[1]) + inner, grown

    def _inside(self, packet: bytes, within: _Within) -> Grown:
        """The packet in a tunnel; nothing where it cannot be followed."""
        if within.depth == MAX_TUNNELS:
            return b"", 0
        try:
            return self._ip(packet, 0, _Within(within.depth + 1, said=within.said))
        except UndecodableError:
            return b"", 0


def _pass_extensions(packet: bytes) -> tuple[int, int, bytes, bool]:
    """What follows the extension headers, where, these without content, and if it is a fragment."""
    protocol, at, passed = packet[6], 40, b""
    for _ in range(MAX_EXTENSIONS):
        if protocol == FRAGMENT:
            if len(packet) < at + 8:
                raise too_short("IPv6 fragment header")
            passed += packet[at : at + 1] + b"\0" + packet[at + 2 : at + 8]
            is_later = bool(int.from_bytes(packet[at + 2 : at + 4]) >> 3)
            protocol, at = packet[at], at + 8
            if is_later:
                return protocol, at, passed, True
            continue
        if protocol == AH:
            following, behind = pass_authentication(packet, at)
        elif protocol in OPTION_HEADERS:
            if len(packet) < at + 8:
                raise too_short("IPv6 extension header")
            following, behind = packet[at], at + (packet[at + 1] + 1) * 8
        else:
            return protocol, at, passed, False
        passed += _zeroed(packet, at, behind)
        protocol, at = following, behind
    raise UndecodableError(TOO_DEEP)


def _stated(length: int) -> bytes:
    """A length field; 0 stands for one that has no room in it, as offloading leaves it."""
    return (length if length <= 0xFFFF else 0).to_bytes(2)


def _zeroed(packet: bytes, start: int, end: int) -> bytes:
    """An extension header's kind and length, and zeros as far as it was captured."""
    captured = packet[start:end]
    return captured[:2] + bytes(max(0, len(captured) - 2))


def _checksum(header: bytes | bytearray) -> bytes:
    """RFC 1071."""
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2)
