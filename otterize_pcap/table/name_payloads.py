"""Which payloads names are read from: DNS, and what clients say first to servers outside (S50).

A ClientHello may go on in the next segments; those are kept as far as its record reaches.
"""

from otterize_pcap.addresses import is_private
from otterize_pcap.packets.packet import CLIENT, Packet
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import TCP, UDP

HANDSHAKE_RECORD = 22
MAX_UNFINISHED = 4096


class NamePayloads:
    """Decides packet by packet, in file order; of DNS alone, in any order."""

    def __init__(self, *, only_dns: bool = False) -> None:
        self._only_dns = only_dns
        self._ends: dict[tuple[bytes, int, bytes, int], int] = {}

    def wants(self, packet: Packet, content: bytes) -> bool:
        """Whether to keep a packet's payload."""
        if packet.protocol not in (TCP, UDP):
            return False
        if DNS_PORTS & {packet.source_port, packet.destination_port}:
            return True
        if self._only_dns or packet.protocol == UDP or is_private(packet.destination):
            return False
        return self._begins(packet, content) or self._goes_on(packet, content)

    def _begins(self, packet: Packet, content: bytes) -> bool:
        if packet.hint != CLIENT:
            return False
        if content[0] == HANDSHAKE_RECORD and len(content) >= 5:
            reach = 5 + int.from_bytes(content[3:5])
            if reach > len(content):
                if len(self._ends) >= MAX_UNFINISHED:
                    del self._ends[next(iter(self._ends))]
                self._ends[_stream(packet)] = (packet.seq + reach) & 0xFFFFFFFF
        return True

    def _goes_on(self, packet: Packet, content: bytes) -> bool:
        end = self._ends.get(_stream(packet))
        if end is None:
            return False
        left = (end - packet.seq) & 0xFFFFFFFF
        return 0 < left < 1 << 16 and bool(content)


def _stream(packet: Packet) -> tuple[bytes, int, bytes, int]:
    return (packet.source, packet.source_port, packet.destination, packet.destination_port)
