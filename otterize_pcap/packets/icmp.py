"""ICMP errors: which packet they say was not delivered (RFC 792, RFC 4443)."""

import dpkt

from otterize_pcap.packets.headers import UndecodableError, parse_header
from otterize_pcap.packets.packet import ICMP

ICMP_V4, ICMP_V6 = 1, 58


class _Icmp(dpkt.icmp.ICMP):  # type: ignore[misc]  # dpkt is untyped
    """Type, code and checksum alone."""

    def unpack(self, buf: bytes) -> None:
        dpkt.Packet.unpack(self, buf)


def quoted_packet(protocol: int, payload: bytes) -> bytes:
    """The start of the IP packet that a destination-unreachable error quotes.

    "Fragmentation needed" is a type of that error in IPv4, but refuses no connection.

    Raises:
        UndecodableError: It is another ICMP message.
    """
    header = parse_header(_Icmp, payload, "ICMP")
    unreachable = header.type == 1 if protocol == ICMP_V6 else header.type == 3 and header.code != 4
    if not unreachable:
        raise UndecodableError(ICMP)
    return payload[8:]
