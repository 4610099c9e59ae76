"""Record → packet headers: the readable reference decoder.

`Packet` is what the connection table needs to know of the innermost IP packet of a frame. A frame
without one, or with one that cannot be trusted, is `Skipped` with the reason, never guessed at.
`_fastpath` decodes the common frames to the same packets and leaves the rest to this module.
"""

from dataclasses import dataclass

from otterize_pcap.packets.fragments import FirstFragment, FragmentKey, FragmentMemory
from otterize_pcap.packets.headers import UndecodableError
from otterize_pcap.packets.icmp import quoted_packet
from otterize_pcap.packets.link_layer import open_link
from otterize_pcap.packets.network import IpHeader, parse_ip
from otterize_pcap.packets.packet import (
    ENCRYPTED,
    ICMP,
    NOT_TRANSPORT,
    ORPHAN_FRAGMENT,
    TOO_DEEP,
    Packet,
    Skipped,
    Tunnel,
)
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.packets.protocols import ESP, ICMP_V4, ICMP_V6, SCTP, TCP, UDP
from otterize_pcap.packets.transport import Segment, parse_segment
from otterize_pcap.packets.tunnels import (
    open_ip_tunnel,
    open_udp_tunnel,
    refuse_encrypted,
)
from otterize_pcap.records.stream import Record

__all__ = ["Decoded", "Decoder", "Packet", "Skipped", "Tunnel"]

MAX_TUNNELS = 8


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
    """Decodes the records of one file in order; only IP fragments need memory."""

    def __init__(self, ports: TunnelPorts) -> None:
        self.fragments = FragmentMemory()
        self._ports = ports

    def decode(self, record: Record) -> Decoded | Skipped:
        """Decode one frame; its link type must be one that `link_layer` knows."""
        missing = max(record.original_length - len(record.data), 0)
        try:
            packet, link_interface = open_link(record.link_type, record.data)
            decoded, payload = self._open(packet, missing, record.number)
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
            opened = open_ip_tunnel(header.protocol, header.payload)
            segment = None
            if opened is None and header.protocol in (TCP, UDP, SCTP):
                segment = parse_segment(header.protocol, header.payload, header.payload_length)
                if header.protocol == UDP:
                    opened = self._open_udp(segment)
            if opened is None:
                return self._innermost(header, segment, tunnels, number)
            if len(tunnels) == MAX_TUNNELS:
                raise UndecodableError(TOO_DEEP)
            kind, packet = opened
            low, high = sorted((header.source, header.destination))
            tunnels += (Tunnel(kind, low, high),)

    def _open_udp(self, segment: Segment) -> tuple[str, bytes] | None:
        refuse_encrypted({segment.source_port, segment.destination_port}, segment.payload)
        return open_udp_tunnel(
            self._ports, segment.source_port, segment.destination_port, segment.payload
        )

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
        if header.protocol == UDP and self._ports.carries(destination_port):
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


def _fragment_key(header: IpHeader, fragment_id: int, tunnels: tuple[Tunnel, ...]) -> FragmentKey:
    return (header.source, header.destination, header.protocol, fragment_id, tunnels)
