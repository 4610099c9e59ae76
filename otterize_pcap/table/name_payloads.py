"""Which payloads names are read from: DNS, and ClientHellos to servers outside (S50).

A ClientHello may go on in the next segments; those are kept as far as its record reaches.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from otterize_pcap.addresses import is_not_a_call, is_private
from otterize_pcap.packets.packet import CLIENT, Packet
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import TCP, UDP
from otterize_pcap.table.capture_counts import Payload

HANDSHAKE_RECORD = 22
MAX_UNFINISHED = 4096

Stream = tuple[bytes, int, bytes, int]
"""Source, its port, destination, its port."""


class Expecting(Protocol):
    """Who must hand over the segments of some streams, and of others need not."""

    def expect(self, stream: Stream, end: int, /) -> None:
        """A stream's ClientHello goes on up to a sequence number."""

    def forget(self, stream: Stream, /) -> None:
        """It is not waited for any longer."""


class NamePayloads:
    """Decides packet by packet, in file order.

    With `labels`, in lower case, only DNS is wanted that has one of them, in any order and case
    (RFC 4343): a label is written out at least once, however a message's names are compressed
    (RFC 1035, 4.1.4). Whoever is `expecting` is told of ClientHellos that go on.
    """

    def __init__(self, labels: Collection[bytes] = (), expecting: Expecting | None = None) -> None:
        self._labels = labels
        self._expecting = expecting
        self._ends: dict[Stream, int] = {}

    def wants(self, packet: Packet, content: bytes) -> bool:
        """Whether to keep a packet's payload.

        Addresses that are no calls (S15) need no names, nor do servers inside.
        """
        if packet.protocol not in (TCP, UDP):
            return False
        if is_not_a_call(packet.source) or is_not_a_call(packet.destination):
            return False
        if DNS_PORTS & {packet.source_port, packet.destination_port}:
            return self.has_label(content)
        if self._labels or packet.protocol == UDP or is_private(packet.destination):
            return False
        return self._begins(packet, content) or self._goes_on(packet, content)

    def has_label(self, content: bytes) -> bool:
        """Whether one of the labels, where there are any, is in a DNS message."""
        if not self._labels:
            return True
        lowered = content.lower()
        return any(label in lowered for label in self._labels)

    def end(self) -> dict[Stream, int]:
        """The file is over; returns what would have gone on, and up to which sequence numbers."""
        unfinished = dict(self._ends)
        while self._ends:
            self._forget(next(iter(self._ends)))
        return unfinished

    def go_on(self, unfinished: Mapping[Stream, int]) -> None:
        """Go on where what came before had ended."""
        for stream, end in unfinished.items():
            self._expect(stream, end)

    def _begins(self, packet: Packet, content: bytes) -> bool:
        if packet.hint != CLIENT or content[0] != HANDSHAKE_RECORD:
            return False
        if len(content) >= 5:
            reach = 5 + int.from_bytes(content[3:5])
            if reach > len(content):
                self._expect(_stream(packet), (packet.seq + reach) & 0xFFFFFFFF)
        return True

    def _expect(self, stream: Stream, end: int) -> None:
        if stream in self._ends:
            self._forget(stream)
        elif len(self._ends) >= MAX_UNFINISHED:
            self._forget(next(iter(self._ends)))
        self._ends[stream] = end
        if self._expecting is not None:
            self._expecting.expect(stream, end)

    def _forget(self, stream: Stream) -> None:
        del self._ends[stream]
        if self._expecting is not None:
            self._expecting.forget(stream)

    def _goes_on(self, packet: Packet, content: bytes) -> bool:
        end = self._ends.get(_stream(packet))
        if end is None:
            return False
        left = (end - packet.seq) & 0xFFFFFFFF
        return 0 < left < 1 << 16 and bool(content)


def wanted_payloads(
    payloads: Sequence[Payload], *, everything: bool, labels: Collection[bytes]
) -> tuple[Payload, ...]:
    """Of all payloads that names are read from, those that reading with less would have kept.

    `labels` are as `NamePayloads` has them; without any, nothing is wanted.
    """
    if everything:
        return tuple(payloads)
    if not labels:
        return ()
    names = NamePayloads(labels)
    return tuple(
        payload
        for payload in payloads
        if DNS_PORTS & {payload.source[1], payload.target[1]} and names.has_label(payload.content)
    )


def _stream(packet: Packet) -> Stream:
    return (packet.source, packet.source_port, packet.destination, packet.destination_port)
