"""ICMP errors: which packet they say was not delivered (RFC 792, RFC 4443)."""

from otterize_pcap.packets.headers import IcmpHeader, UndecodableError, parse_header
from otterize_pcap.packets.packet import ICMP
from otterize_pcap.packets.protocols import ICMP_V6


def quoted_packet(protocol: int, payload: bytes) -> bytes:
    """The start of the IP packet that a destination-unreachable error quotes.

    "Fragmentation needed" is a type of that error in IPv4, but refuses no connection.

    Raises:
        UndecodableError: It is another ICMP message.
    """
    header = parse_header(IcmpHeader, payload, "ICMP")
    unreachable = header.type == 1 if protocol == ICMP_V6 else header.type == 3 and header.code != 4
    if not unreachable:
        raise UndecodableError(ICMP)
    return payload[8:]
