"""What becomes of a recording while its files are read: one table, and counts over all files."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from otterize_pcap.errors import UnsupportedLinkType
from otterize_pcap.packets.link_layer import LINK_TYPES
from otterize_pcap.records.containers import OpenCapture
from otterize_pcap.records.link_names import link_type_advice, link_type_name
from otterize_pcap.records.pcap import PcapReader
from otterize_pcap.table.capture_counts import CaptureCounts, RunningCounts
from otterize_pcap.table.chunk import Chunk, ReadOptions, Table, new_table

Progress = Callable[[int, int], None]
"""Called now and then with the bytes and packets read so far."""

SECRET_BYTES = 56
ETHERTYPE = "not IP (EtherType"
MOST_ETHERTYPES = 16
"""EtherTypes without a name that are told apart; a capture can be made to have any number."""


class Reading:
    """The table and counts of a recording, file by file."""

    def __init__(self, options: ReadOptions, progress: Progress | None) -> None:
        self.options = options
        self.total = RunningCounts()
        self._progress = progress
        self._secret = os.urandom(SECRET_BYTES)
        self._truncated = 0
        self._damage: list[str] = []
        self._dropped: int | None = None
        self.part_times: list[tuple[int, int] | None] = []
        self.table = self.new_table()

    def new_table(self) -> Table:
        """A table under the secret of this reading."""
        return new_table(self.options, self._secret)

    def begin(
        self, capture: OpenCapture, name: str, part: int, table: Table | None = None
    ) -> Chunk:
        """A file's first chunk, into a table of its own if one is given.

        Raises:
            UnsupportedLinkType: It is a pcap file of a link type that is not decoded.
        """
        refuse_link_type(capture, name)
        return Chunk(capture, self.table if table is None else table, self.options, part)

    def report(self, running: Sequence[Chunk]) -> None:
        """Tell the progress, what is being read included."""
        if self._progress:
            self._progress(
                self.total.bytes + sum(chunk.bytes_read for chunk in running),
                self.total.packets + sum(chunk.packets_read for chunk in running),
            )

    def finish(self, chunk: Chunk, name: str) -> None:
        """Add the counts of a file that was read to its end."""
        chunk.settle()
        counts, ending = chunk.counts, chunk.capture.reader.ending
        if counts.unsupported and counts.unsupported.total() == counts.packets:
            raise _unsupported(name, min(counts.unsupported))
        for link_type, packets in counts.unsupported.items():
            counts.skipped[f"link type {link_type_name(link_type)}"] += packets
        self.total.append(counts)
        self.part_times.append(counts.times.span())
        self._truncated += ending.truncated
        if chunk.capture.damage:
            self._damage.append(chunk.capture.damage)
        if ending.dropped is not None:
            self._dropped = (self._dropped or 0) + ending.dropped
        self.report([])

    def counts(self) -> CaptureCounts:
        """What was counted so far."""
        total = self.total
        first_ns, last_ns = total.times.span() or (None, None)
        return CaptureCounts(
            packets=total.packets,
            bytes=total.bytes,
            first_ns=first_ns,
            last_ns=last_ns,
            skipped=_few_ethertypes(total.skipped),
            declined=total.declined,
            truncated=self._truncated,
            damage=tuple(self._damage),
            dropped=self._dropped,
            payloads_left_out=total.payloads_left_out,
            closed=total.closed,
        )


def refuse_link_type(capture: OpenCapture, name: str) -> None:
    """Stop at a pcap file with packets that are not decoded; pcapng says so packet by packet.

    Raises:
        UnsupportedLinkType: It is one.
    """
    reader = capture.reader
    if isinstance(reader, PcapReader):
        link_type = reader.header.link_type
        if link_type not in LINK_TYPES and reader.window.has(1):
            raise _unsupported(name, link_type)


def _unsupported(name: str, link_type: int) -> UnsupportedLinkType:
    return UnsupportedLinkType(
        f"{name}: link type {link_type_name(link_type)} is not supported; "
        + link_type_advice(link_type)
    )


def _few_ethertypes(skipped: Mapping[str, int]) -> dict[str, int]:
    """Reasons with their packets, the rarest EtherTypes put together."""
    found = Counter(skipped)
    unnamed = [reason for reason in found if reason.startswith(ETHERTYPE)]
    for reason in sorted(unnamed, key=lambda each: (-found[each], each))[MOST_ETHERTYPES:]:
        found["not IP (other EtherTypes)"] += found.pop(reason)
    return dict(sorted(found.items()))
