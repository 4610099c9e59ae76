"""Record → packet headers: the readable reference decoder.

`Packet` is what the connection table needs to know of the innermost IP packet of a frame. A frame
without one, or with one that cannot be trusted, is `Skipped` with the reason, never guessed at.
`_fastpath` decodes the common frames to the same packets and leaves the rest to this module.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.packets.fragments import FirstFragment, FragmentKey, FragmentMemory
from otterize_pcap.packets.headers import UndecodableError
from otterize_pcap.packets.icmp import quoted_packet
from otterize_pcap.packets.link_layer import open_link, station_of
from otterize_pcap.packets.network import IpHeader, parse_ip
from otterize_pcap.packets.packet import (
    CLOSED,
    ENCRYPTED,
    ICMP,
    NOT_TRANSPORT,
    ORPHAN_FRAGMENT,
    TOO_DEEP,
    TUNNEL_FRAGMENT,
    Packet,
    Skipped,
    Tunnel,
)
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.packets.protocols import (
    ESP,
    GRE,
    ICMP_V4,
    ICMP_V6,
    IP6IP,
    IPIP,
    SCTP,
    TCP,
    UDP,
)
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


@dataclass(frozen=True, slots=True)
class Decoded:
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

    def _open(self, packet: bytes, missing: int, number: int) -> tuple[Packet, bytes]:
        """Walk from tunnel to tunnel to the innermost packet."""
        tunnels: tuple[Tunnel, ...] = ()
        while True:
            header = parse_ip(packet, missing)
            if header.fragment_id is not None and header.fragment_offset:
                key = _fragment_key(header, header.fragment_id, tunnels)
                return self._later_fragment(key, header, number), b""
            opened = self._open_ip(header, number) if header.protocol in IP_TUNNELS else None
            segment = None
            if opened is None and header.protocol in (TCP, UDP, SCTP):
                segment = parse_segment(header.protocol, header.payload, header.payload_length)
                if header.protocol == UDP and self._ports.may_hold(
                    segment.source_port, segment.destination_port
                ):
                    opened = self._open_udp(header, segment, number)
            if opened is None:
                return self._innermost(header, segment, tunnels, number)
            if len(tunnels) == MAX_TUNNELS:
                raise UndecodableError(TOO_DEEP)
            if header.fragment_id is not None:
                outer = _fragment_key(header, header.fragment_id, tunnels)
                self.fragments.remember(outer, FirstFragment(number, 0, 0, in_tunnel=True))
            kind, packet = opened
            tunnels += (_tunnel(kind, header),)

    def _open_ip(self, header: IpHeader, number: int) -> tuple[str, bytes] | None:
        if self._is_open(header):
            return open_ip_tunnel(header.protocol, header.payload)
        self._leave_closed(header, open_ip_tunnel(header.protocol, header.payload), number)
        raise UndecodableError(CLOSED)

    def _open_udp(
        self, header: IpHeader, segment: Segment, number: int
    ) -> tuple[str, bytes] | None:
        """Open a tunnel in UDP; between others than nodes it is a datagram like any other."""
        ports = segment.source_port, segment.destination_port
        if self._is_open(header):
            refuse_encrypted(set(ports), segment.payload)
            return open_udp_tunnel(self._ports, *ports, segment.payload)
        with suppress(UndecodableError):
            self._leave_closed(
                header, open_udp_tunnel(self._ports, *ports, segment.payload), number
            )
        return None

    def _is_open(self, header: IpHeader) -> bool:
        return self._opens is None or self._opens(header.source, header.destination)

    def _leave_closed(
        self, header: IpHeader, opened: tuple[str, bytes] | None, number: int
    ) -> None:
        """Note a tunnel that is not opened, and what is inside of it all the same."""
        if opened is None:
            return
        kind, packet = opened
        inside = None
        with suppress(UndecodableError):
            inside, _ = Decoder(self._ports)._open(packet, 0, number)
        self.closed.note(_tunnel(kind, header), inside)

    def _innermost(
        self,
        header: IpHeader,
        segment: Segment | None,
        tunnels: tuple[Tunnel, ...],
        number: int,
    ) -> tuple[Packet, bytes]:
        """The packet that holds no other one."""
        if segment is None:
            if header.protocol in (ICMP_V4, ICMP_V6):
                return self._quoted(quoted_packet(header.protocol, header.payload), tunnels), b""
            raise UndecodableError(ENCRYPTED if header.protocol == ESP else NOT_TRANSPORT)
        if header.fragment_id is not None:
            self.fragments.remember(
                _fragment_key(header, header.fragment_id, tunnels),
                FirstFragment(number, segment.source_port, segment.destination_port),
            )
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

    def _later_fragment(self, key: FragmentKey, header: IpHeader, number: int) -> Packet:
        """A fragment without a transport header: the first one's ports are its ports."""
        first = self.fragments.find(key, number)
        if first is None:
            raise UndecodableError(ORPHAN_FRAGMENT)
        if first.in_tunnel:
            raise UndecodableError(TUNNEL_FRAGMENT)
        return Packet(
            protocol=header.protocol,
            source=header.source,
            destination=header.destination,
            source_port=first.source_port,
            destination_port=first.destination_port,
            length=header.length,
            tunnels=key[-1],
            fragment=True,
        )

    def _quoted(self, quote: bytes, tunnels: tuple[Tunnel, ...]) -> Packet:
        """The packet that an ICMP error quotes: its ports are in the first 4 bytes (RFC 792)."""
        try:
            header = parse_ip(quote, 0)
        except UndecodableError as undecodable:
            raise UndecodableError(ICMP) from undecodable
        if header.protocol not in (TCP, UDP, SCTP) or header.fragment_offset:
            raise UndecodableError(ICMP)
        if len(header.payload) < 4:
            raise UndecodableError(ICMP)
        source_port = int.from_bytes(header.payload[:2])
        destination_port = int.from_bytes(header.payload[2:4])
        if (
            header.protocol == UDP
            and self._ports.carries(destination_port)
            and self._is_open(header)
        ):
            raise UndecodableError(ICMP)
        return Packet(
            protocol=header.protocol,
            source=header.source,
            destination=header.destination,
            source_port=source_port,
            destination_port=destination_port,
            length=header.length,
            tunnels=tunnels,
            unreachable=True,
        )


def _tunnel(kind: str, header: IpHeader) -> Tunnel:
    low, high = sorted((header.source, header.destination))
    return Tunnel(kind, low, high)


def _fragment_key(header: IpHeader, fragment_id: int, tunnels: tuple[Tunnel, ...]) -> FragmentKey:
    return (header.source, header.destination, header.protocol, fragment_id, tunnels)
