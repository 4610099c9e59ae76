"""ICMP errors: which packet they say was not delivered (RFC 792, RFC 4443)."""

from otterize_pcap.packets.headers import IcmpHeader, UndecodableError, parse_header
from otterize_pcap.packets.network import IpHeader, parse_ip
from otterize_pcap.packets.packet import ICMP, Packet, Tunnel
from otterize_pcap.packets.protocols import ICMP_V6, SCTP, TCP, UDP


def undelivered(error: IpHeader, tunnels: tuple[Tunnel, ...]) -> Packet:
    """The packet that a destination-unreachable error quotes.

    The ports are in the first 4 of the 8 bytes that RFC 792 asks a router to quote.

    Raises:
        UndecodableError: It is another ICMP message, or quotes no such packet.
    """
    quote = _quote(error.protocol, error.payload)
    try:
        header = parse_ip(quote, 0)
    except UndecodableError as undecodable:
        raise UndecodableError(ICMP) from undecodable
    if header.protocol not in (TCP, UDP, SCTP) or header.fragment_offset:
        raise UndecodableError(ICMP)
    if len(header.payload) < 4 or _is_zeroed(header):
        raise UndecodableError(ICMP)
    return Packet(
        protocol=header.protocol,
        source=header.source,
        destination=header.destination,
        source_port=int.from_bytes(header.payload[:2]),
        destination_port=int.from_bytes(header.payload[2:4]),
        length=header.length,
        tunnels=tunnels,
        unreachable=True,
    )


def _quote(protocol: int, payload: bytes) -> bytes:
    """What an error quotes; "fragmentation needed" is one in IPv4, but refuses no connection."""
    header = parse_header(IcmpHeader, payload, "ICMP")
    unreachable = header.type == 1 if protocol == ICMP_V6 else header.type == 3 and header.code != 4
    if not unreachable:
        raise UndecodableError(ICMP)
    return payload[8:]


def _is_zeroed(header: IpHeader) -> bool:
    """Whether zeros took the place of what follows the ports: TCP's number, UDP's length."""
    follows = header.payload[4:8]
    return header.protocol in (TCP, UDP) and len(follows) == 4 and not any(follows)
