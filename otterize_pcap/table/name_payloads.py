"""Which payloads names are read from: DNS, and what clients say first to servers outside (S50).

A ClientHello may go on in the next segments; those are kept as far as its record reaches.
"""

from collections.abc import Collection

from otterize_pcap.addresses import is_private
from otterize_pcap.packets.packet import CLIENT, Packet
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import TCP, UDP

HANDSHAKE_RECORD = 22
MAX_UNFINISHED = 4096


class NamePayloads:
    """Decides packet by packet, in file order.

    With `labels`, in lower case, only DNS is wanted that has one of them, in any order and case
    (RFC 4343): a label is written out at least once, however a message's names are compressed
    (RFC 1035, 4.1.4).
    """

    def __init__(self, labels: Collection[bytes] = ()) -> None:
        self._labels = labels
        self._ends: dict[tuple[bytes, int, bytes, int], int] = {}

    def wants(self, packet: Packet, content: bytes) -> bool:
        """Whether to keep a packet's payload."""
        if packet.protocol not in (TCP, UDP):
            return False
        if DNS_PORTS & {packet.source_port, packet.destination_port}:
            if not self._labels:
                return True
            lowered = content.lower()
            return any(label in lowered for label in self._labels)
        if self._labels or packet.protocol == UDP or is_private(packet.destination):
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
