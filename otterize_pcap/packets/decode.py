"""Record → packet headers: the readable reference decoder.

`Packet` is what the connection table needs to know of the innermost IP packet of a frame. A frame
without one, or with one that cannot be trusted, is `Skipped` with the reason, never guessed at.
`_fastpath` decodes the common frames to the same packets and leaves the rest to this module.
"""

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.packets.fragments import (
    MOST_HELD,
    FirstFragment,
    FragmentKey,
    FragmentMemory,
    fragment_key,
    may_tell,
    part_of,
    with_payload,
)
from otterize_pcap.packets.headers import UndecodableError
from otterize_pcap.packets.icmp import undelivered
from otterize_pcap.packets.link_layer import open_link, station_of
from otterize_pcap.packets.network import IpHeader, parse_ip
from otterize_pcap.packets.packet import (
    CLOSED,
    ENCRYPTED,
    ICMP,
    NOT_TRANSPORT,
    ORPHAN_FRAGMENT,
    SMALL_FRAGMENT,
    TOO_DEEP,
    TUNNEL_FRAGMENT,
    Packet,
    Skipped,
    Tunnel,
)
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.packets.protocols import ESP, GRE, ICMP_V4, ICMP_V6, IP6IP, IPIP, SCTP, TCP, UDP
from otterize_pcap.packets.transport import Segment, parse_segment
from otterize_pcap.packets.tunnels import (
    OuterEnds,
    open_ip_tunnel,
    open_udp_tunnel,
    refuse_encrypted,
)
from otterize_pcap.records.stream import Record

__all__ = ["Decoded", "Decoder", "Packet", "Skipped", "Tunnel"]

MAX_TUNNELS = 8
IP_TUNNELS = frozenset({IPIP, IP6IP, GRE})


class Decoded(Struct, frozen=True):
    """A packet, the interface it was seen on, and its payload as far as it was captured.

    `interface` is one number of pcapng's interface (high half) and what the link header adds to
    it (low half): the index in Linux cooked v2, in or out in v1.
    """

    packet: Packet
    interface: int
    payload: bytes


class Decoder:
    """Decodes the records of one file in order; only IP fragments need memory.

    Args:
        ports: Where tunnels are looked for.
        opens: Whether a tunnel between two outer addresses is opened (S25); None opens all.
        closed: Where tunnels that were left closed are noted.
    """

    def __init__(
        self,
        ports: TunnelPorts,
        opens: OuterEnds | None = None,
        closed: ClosedTunnels | None = None,
    ) -> None:
        self.fragments = FragmentMemory()
        self.closed = ClosedTunnels() if closed is None else closed
        self._ports = ports
        self._opens = opens
        # Whether a tunnel that is left closed holds something that is not all there.
        self._is_short = False
        # Whether what is decoded is inside such a tunnel.
        self._is_inside_closed = False

    def decode(self, record: Record) -> Decoded | Skipped:
        """Decode one frame; its link type must be one that `link_layer` knows."""
        missing = max(record.original_length - len(record.data), 0)
        try:
            packet, link_interface = open_link(record.link_type, record.data)
            decoded, payload = self._open(packet, missing, record.number)
            if not decoded.tunnels:
                decoded = replace(decoded, station=station_of(record.link_type, record.data))
        except UndecodableError as undecodable:
            if undecodable.short_of and missing:
                return Skipped(f"cut off in {undecodable.short_of}")
            return undecodable.skipped
        return Decoded(decoded, record.interface << 32 | link_interface, payload)

    def _open(
        self, packet: bytes, missing: int, number: int, tunnels: tuple[Tunnel, ...] = ()
    ) -> tuple[Packet, bytes]:
        """Walk from tunnel to tunnel to the innermost packet."""
        header = parse_ip(packet, missing)
        if header.fragment_id is None:
            return self._follow(header, missing, number, tunnels)
        key = fragment_key(header, header.fragment_id, tunnels)
        if header.fragment_offset:
            return self._later_fragment(key, header, number, tunnels)
        return self._first_fragment(key, header, missing, number, tunnels)

    def _follow(
        self, header: IpHeader, missing: int, number: int, tunnels: tuple[Tunnel, ...]
    ) -> tuple[Packet, bytes]:
        """What is behind an IP header: a segment, or another packet."""
        opened = self._open_ip(header, number) if header.protocol in IP_TUNNELS else None
        segment = None
        if opened is None and header.protocol in (TCP, UDP, SCTP):
            segment = parse_segment(header.protocol, header.payload, header.payload_length)
            if header.protocol == UDP and self._ports.may_hold(
                segment.source_port, segment.destination_port
            ):
                opened = self._open_udp(header, segment, number)
        if opened is None:
            return self._innermost(header, segment, tunnels)
        if len(tunnels) == MAX_TUNNELS:
            raise UndecodableError(TOO_DEEP)
        kind, packet = opened
        return self._open(packet, missing, number, (*tunnels, _tunnel(kind, header)))

    def _first_fragment(
        self,
        key: FragmentKey,
        header: IpHeader,
        missing: int,
        number: int,
        tunnels: tuple[Tunnel, ...],
    ) -> tuple[Packet, bytes]:
        """A packet's beginning: what it is part of is that of the fragments to come."""
        is_whole = len(header.payload) == header.payload_length
        held = header.payload if is_whole and len(header.payload) <= MOST_HELD else None
        self._is_short = False
        try:
            packet, payload = self._follow(header, missing, number, tunnels)
        except UndecodableError as undecodable:
            is_short = undecodable.short_of is not None and is_whole
            is_wanted = is_short or self._is_short
            found = SMALL_FRAGMENT if is_short else undecodable.skipped
            longer = self._remember(key, header, FirstFragment(number, found), is_wanted, held)
            if longer is not None:
                return self._first_fragment(key, longer, 0, number, tunnels)
            raise UndecodableError(found, None if is_short else undecodable.short_of) from None
        longer = self._remember(key, header, FirstFragment(number, packet), self._is_short, held)
        if longer is not None:
            return self._first_fragment(key, longer, 0, number, tunnels)
        return packet, payload

    def _remember(
        self,
        key: FragmentKey,
        header: IpHeader,
        first: FirstFragment,
        is_wanted: bool,
        held: bytes | None,
    ) -> IpHeader | None:
        """Remember a first fragment; the packet as far as it is there, where more of it waits."""
        is_closed = self._is_inside_closed or (
            (self._is_short or header.protocol in IP_TUNNELS) and not self._is_open(header)
        )
        is_whole = len(header.payload) == header.payload_length
        first = replace(
            first,
            held=held if is_wanted else None,
            is_unclear=is_wanted and is_whole and is_closed,
        )
        self.fragments.remember(key, first, header.payload)
        self.closed.is_full |= self.fragments.is_lost
        if first.held is None:
            return None
        together = self.fragments.together(key, first.number, first.held)
        return with_payload(header, together) if len(together) > len(first.held) else None

    def _open_ip(self, header: IpHeader, number: int) -> tuple[str, bytes] | None:
        opened = open_ip_tunnel(header.protocol, header.payload)
        if opened is None or self._is_open(header):
            return opened
        self._leave_closed(header, *opened, number)
        raise UndecodableError(CLOSED)

    def _open_udp(
        self, header: IpHeader, segment: Segment, number: int
    ) -> tuple[str, bytes] | None:
        """Open a tunnel in UDP; between others than nodes it is a datagram like any other."""
        ports = segment.source_port, segment.destination_port
        if self._is_open(header):
            refuse_encrypted(set(ports), segment.payload)
            return open_udp_tunnel(self._ports, *ports, segment.payload)
        try:
            opened = open_udp_tunnel(self._ports, *ports, segment.payload)
        except UndecodableError as undecodable:
            self._is_short |= undecodable.short_of is not None
        else:
            if opened is not None:
                self._leave_closed(header, *opened, number)
        return None

    def _is_open(self, outer: IpHeader | Packet) -> bool:
        return self._opens is None or self._opens(outer.source, outer.destination)

    def _leave_closed(self, header: IpHeader, kind: str, packet: bytes, number: int) -> None:
        """Note a tunnel that is not opened, and what is inside of it all the same."""
        tunnel = _tunnel(kind, header)
        decoder = Decoder(self._ports)
        decoder.fragments = self.fragments
        decoder.closed = self.closed
        decoder._is_inside_closed = True
        inside = None
        try:
            inside, _ = decoder._open(packet, 0, number, (tunnel,))
        except UndecodableError as undecodable:
            self._is_short |= undecodable.short_of is not None
        self.closed.note(tunnel, inside)

    def _innermost(
        self,
        header: IpHeader,
        segment: Segment | None,
        tunnels: tuple[Tunnel, ...],
    ) -> tuple[Packet, bytes]:
        """The packet that holds no other one."""
        if segment is None:
            if header.protocol in (ICMP_V4, ICMP_V6):
                return self._undelivered(header, tunnels), b""
            raise UndecodableError(ENCRYPTED if header.protocol == ESP else NOT_TRANSPORT)
        packet = Packet(
            protocol=header.protocol,
            source=header.source,
            destination=header.destination,
            source_port=segment.source_port,
            destination_port=segment.destination_port,
            length=header.length,
            flags=segment.flags,
            seq=segment.seq,
            ack=segment.ack,
            timestamp=segment.timestamp,
            hint=segment.hint,
            tunnels=tunnels,
        )
        return packet, segment.payload

    def _later_fragment(
        self, key: FragmentKey, header: IpHeader, number: int, tunnels: tuple[Tunnel, ...]
    ) -> tuple[Packet, bytes]:
        """A fragment without headers: it is part of what its first one is part of."""
        first = self.fragments.find(key, number)
        if may_tell(first, header.fragment_offset):
            self.fragments.wait(key, number, header.fragment_offset, header.payload)
            self.closed.is_full |= self.fragments.is_lost
        if first is None:
            raise UndecodableError(ORPHAN_FRAGMENT)
        found = first.found
        if first.held is not None:
            together = self.fragments.together(key, number, first.held)
            if len(together) > len(first.held):
                whole = with_payload(header, together)
                packet, payload = self._first_fragment(key, whole, 0, number, tunnels)
                if isinstance(found, Skipped):
                    return packet, payload
                found = packet
        if isinstance(found, Skipped):
            raise UndecodableError(found)
        if len(found.tunnels) > len(tunnels):
            # A tunnel's outer packet: the inner one is counted with the first.
            raise UndecodableError(TUNNEL_FRAGMENT)
        return part_of(found, header.length), b""

    def _undelivered(self, error: IpHeader, tunnels: tuple[Tunnel, ...]) -> Packet:
        """The packet that an ICMP error quotes."""
        quoted = undelivered(error, tunnels)
        if (
            quoted.protocol == UDP
            and self._ports.carries(quoted.destination_port)
            and self._is_open(quoted)
        ):
            raise UndecodableError(ICMP)
        return quoted


def _tunnel(kind: str, header: IpHeader) -> Tunnel:
    low, high = sorted((header.source, header.destination))
    return Tunnel(kind, low, high)
