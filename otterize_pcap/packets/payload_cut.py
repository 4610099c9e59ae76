"""How much of a frame are headers: where to cut it, so that nothing of its payload is kept.

A snaplen cuts every frame at one place, and headers are of many lengths: options, tunnels and IPv6
differ by a hundred bytes and more. Kept behind the headers is what the rules read: DNS, a TLS
ClientHello, and the words by which a protocol tells its client (S34). A frame is followed through
the same layers as `decode` follows it, by offsets alone: it is asked of every packet of a capture.
What cannot be followed is cut where that begins.
"""

from collections.abc import Callable

from otterize_pcap.packets.ethertypes import IPV4, IPV6
from otterize_pcap.packets.headers import UndecodableError
from otterize_pcap.packets.link_layer import LINK_TYPES, open_ethertype, open_link
from otterize_pcap.packets.network import FRAGMENT, MAX_EXTENSIONS, OPTION_HEADERS
from otterize_pcap.packets.ports import DNS_PORTS, IPSEC_NAT_PORT, TunnelPorts
from otterize_pcap.packets.protocols import (
    AH,
    GRE,
    ICMP_V4,
    ICMP_V6,
    IP6IP,
    IPIP,
    SCTP,
    TCP,
    UDP,
)
from otterize_pcap.packets.transport import METHODS, tcp_hint
from otterize_pcap.packets.tunnels import open_ip_tunnel, open_udp_tunnel, refuse_encrypted

ETHERNET, COOKED, COOKED_2 = 1, 113, 276
LINK_HEADERS = {ETHERNET: (14, 12), COOKED: (16, 14), COOKED_2: (20, 0)}
"""A link header's length, and where it says what follows."""
IP_TYPES = (IPV4.to_bytes(2), IPV6.to_bytes(2))

TLS_RECORD = 5
TLS_TOLD = 6
"""Bytes of a TLS record that tell which handshake message begins it."""
CLIENT_HELLO = 1
STATUS_LINE = b"HTTP/1."
VXLAN_HEADER = 22
"""VXLAN's own and the inner Ethernet header."""
TUNNEL_TOLD = 9
"""Bytes that tell that a datagram is a tunnel's, where what is inside cannot be followed."""
NO_TUNNEL_TOLD, WIREGUARD_TOLD, ESP_TOLD = 8, 4, 8
"""Bytes that tell that a datagram on a tunnel's port is none, and which kind is sealed."""
SCTP_TOLD, SCTP_INIT_TOLD = 16, 20
ICMP_ERRORS = frozenset({1, 2, 3, 4, 5, 11, 12})
"""Types that quote a packet, of ICMP (RFC 792) and of ICMPv6 (RFC 4443): none is another's echo."""
QUOTED_TRANSPORT = 8
"""Bytes behind the IP header that every ICMP error quotes (RFC 792)."""
MAX_DEPTH = 9


class PayloadCut:
    """Says of frames how many bytes to keep; tunnels are looked for at `tunnels`."""

    def __init__(self, tunnels: TunnelPorts) -> None:
        self._tunnels = tunnels
        self._layers: dict[int, Callable[[bytes, int, int, int], int]] = {
            TCP: self._tcp,
            UDP: self._udp,
            SCTP: self._sctp,
            ICMP_V4: self._icmp,
            ICMP_V6: self._icmp,
            IPIP: self._ip_in_ip,
            IP6IP: self._ip_in_ip,
            GRE: self._gre,
        }

    def kept(self, link_type: int, frame: bytes) -> int:
        """How many bytes of a captured frame are kept, from its beginning on."""
        header, told = LINK_HEADERS.get(link_type, (0, 0))
        at = header
        if not header or frame[told : told + 2] not in IP_TYPES:
            packet = _packet_in(link_type, frame)
            if packet is None:
                return min(header, len(frame))
            at = len(frame) - len(packet)
        return min(self._ip(frame, at, len(frame), 0), len(frame))

    def _ip(self, frame: bytes, at: int, end: int, depth: int, *, quoted: bool = False) -> int:
        """Through an IP packet at `at`, which ends at `end` at the latest."""
        version = frame[at] >> 4 if at < end and depth < MAX_DEPTH else 0
        if version == 4 and at + 20 <= end:
            protocol, behind, end = _ipv4(frame, at, end)
        elif version == 6 and at + 40 <= end:
            protocol, behind, end = _ipv6(frame, at, end)
        else:
            return at
        layer = self._layers.get(protocol)
        if layer is None or behind >= end:
            return min(behind, end)
        if quoted:
            return min(behind + QUOTED_TRANSPORT, end)
        return min(layer(frame, behind, end, depth), end)

    def _tcp(self, frame: bytes, at: int, end: int, _: int) -> int:
        if at + 20 > end:
            return end
        payload = at + max(20, (frame[at + 12] >> 4) * 4)
        if DNS_PORTS & _ports(frame, at):
            return end
        return payload + _told(frame[payload:end])

    def _udp(self, frame: bytes, at: int, end: int, depth: int) -> int:
        payload = at + 8
        if payload > end:
            return end
        source, target = _port_pair(frame, at)
        if source in DNS_PORTS or target in DNS_PORTS:
            return end
        if not self._tunnels.may_hold(source, target):
            return payload
        inner = payload + VXLAN_HEADER
        # By far the most common tunnel, without dpkt.
        is_vxlan = target in self._tunnels.vxlan and inner < end and frame[payload] & 0x08
        if is_vxlan and frame[inner - 2 : inner] in IP_TYPES:
            return self._ip(frame, inner, end, depth + 1)
        content = frame[payload:end]
        try:
            opened = open_udp_tunnel(self._tunnels, source, target, content)
        except UndecodableError:
            return payload + TUNNEL_TOLD
        if opened is not None:
            return self._ip(frame, end - len(opened[1]), end, depth + 1)
        return payload + self._sealed_or_not(source, target, content)

    def _sealed_or_not(self, source: int, target: int, content: bytes) -> int:
        """How many bytes tell that a datagram on such a port is sealed, or no tunnel's."""
        try:
            refuse_encrypted({source, target}, content)
        except UndecodableError:
            return WIREGUARD_TOLD if IPSEC_NAT_PORT not in (source, target) else ESP_TOLD
        return NO_TUNNEL_TOLD if self._tunnels.carries(target) else 0

    def _sctp(self, frame: bytes, at: int, end: int, _: int) -> int:
        is_init = at + 12 < end and frame[at + 12] in (1, 2)
        return at + (SCTP_INIT_TOLD if is_init else SCTP_TOLD)

    def _icmp(self, frame: bytes, at: int, end: int, depth: int) -> int:
        """An error's type, and of what it quotes as much as every error quotes."""
        if frame[at] not in ICMP_ERRORS:
            return at + 8
        return self._ip(frame, at + 8, end, depth, quoted=True)

    def _ip_in_ip(self, frame: bytes, at: int, end: int, depth: int) -> int:
        return self._ip(frame, at, end, depth + 1)

    def _gre(self, frame: bytes, at: int, end: int, depth: int) -> int:
        try:
            opened = open_ip_tunnel(GRE, frame[at:end])
        except UndecodableError:
            return at + TUNNEL_TOLD
        return at if opened is None else self._ip(frame, end - len(opened[1]), end, depth + 1)


def _packet_in(link_type: int, frame: bytes) -> bytes | None:
    """The IP packet of a frame whose link header does not announce one at once."""
    try:
        if link_type == ETHERNET:
            return open_ethertype(int.from_bytes(frame[12:14]), frame[14:])
        return open_link(link_type, frame)[0] if link_type in LINK_TYPES else None
    except UndecodableError:
        return None


def _ipv4(frame: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Protocol, where it begins, and where the packet ends; a later fragment has no header."""
    stated = int.from_bytes(frame[at + 2 : at + 4])
    end = min(end, at + stated) if stated else end
    behind = at + (frame[at] & 15) * 4
    if int.from_bytes(frame[at + 6 : at + 8]) & 0x1FFF:
        return -1, behind, end
    if frame[at + 9] == AH:
        return _behind_authentication(frame, behind, end)
    return frame[at + 9], behind, end


def _behind_authentication(frame: bytes, at: int, end: int) -> tuple[int, int, int]:
    if at + 12 > end:
        return -1, at, end
    return frame[at], at + (frame[at + 1] + 2) * 4, end


def _ipv6(frame: bytes, at: int, end: int) -> tuple[int, int, int]:
    """As `_ipv4`; extension headers are passed."""
    stated = int.from_bytes(frame[at + 4 : at + 6])
    end = min(end, at + 40 + stated) if stated else end
    protocol, behind = frame[at + 6], at + 40
    for _ in range(MAX_EXTENSIONS):
        if behind + 8 > end:
            break
        if protocol == FRAGMENT:
            is_later = int.from_bytes(frame[behind + 2 : behind + 4]) >> 3
            protocol, behind = -1 if is_later else frame[behind], behind + 8
        elif protocol in OPTION_HEADERS:
            protocol, behind = frame[behind], behind + (frame[behind + 1] + 1) * 8
        elif protocol == AH:
            protocol, behind, _ = _behind_authentication(frame, behind, end)
        else:
            break
    return protocol, behind, end


def _told(payload: bytes) -> int:
    """How many first bytes of a TCP payload tell who is the client, a whole ClientHello's."""
    hint = tcp_hint(payload)
    if not hint:
        return 0
    if payload[0] == 0x16:
        return TLS_RECORD + int.from_bytes(payload[3:5]) if _is_hello(payload) else TLS_TOLD
    words = (*METHODS, STATUS_LINE)
    return next(len(word) for word in words if payload.startswith(word))


def _is_hello(payload: bytes) -> bool:
    """Whether a TLS record goes on as a ClientHello (RFC 8446, 4.1.2): its length, its version.

    It is no longer than two fields of 64 KiB and a little; the version is 3, whatever it is.
    """
    return payload[5] == CLIENT_HELLO and payload[6:7] <= b"\x02" and payload[9:10] in (b"", b"\3")


def _ports(frame: bytes, at: int) -> set[int]:
    return set(_port_pair(frame, at))


def _port_pair(frame: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(frame[at : at + 2]), int.from_bytes(frame[at + 2 : at + 4])
