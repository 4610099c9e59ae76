"""A recording's packets, file by file → blocks of its table.

Which tunnels are to be opened is for the snapshot to say (S25), and a node has none. All are; where
one may be that is not, packets are read a second time with it closed, and the block has both.
"""

import io
from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.files.believed_rows import rows_between
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.reduced.saved_capture import saved_reading
from otterize_pcap.reduced.table_blocks import TableBlock, encode_block
from otterize_pcap.table.chunk import ReadOptions, Unfinished
from otterize_pcap.table.read import CaptureTable, read_on
from otterize_pcap.table.table_columns import columns_of


class ReducedBlock(Struct, frozen=True):
    """A block as it is written, and the packets that it stands for: how many, and their bytes."""

    content: bytes
    packets: int
    bytes: int


class BlockMaker:
    """Makes blocks of the files of one recording, in order.

    Args:
        options: How to read them.
        ends: Addresses that are surely ends of tunnels.
        packets: How many packets came before: numbers go on from there.
    """

    def __init__(
        self, options: ReadOptions, ends: Collection[bytes] = (), packets: int = 0
    ) -> None:
        self._options = replace(options, collect_names=True, threads=1)
        self._ends = ends
        self._packets = packets
        self._open: Unfinished | None = None
        self._closed: Unfinished | None = None

    def block(self, content: bytes) -> ReducedBlock:
        """The next pcap file as a block.

        Raises:
            CaptureError: It cannot be read.
        """
        doubtful: set[tuple[bytes, bytes]] = set()

        def opens(one: bytes, other: bytes) -> bool:
            if not self._is_sure(one, other):
                doubtful.add((min(one, other), max(one, other)))
            return True

        within, self._open = self._read(content, opens, self._open)
        around, counts = None, None
        if doubtful:
            closed, self._closed = self._read(content, self._is_sure, self._closed)
            around, counts = rows_between(columns_of(closed.table), doubtful), closed.counts
        else:
            self._closed = self._open
        (span,) = within.part_times
        payloads = (each._replace(number=each.number + self._packets) for each in within.payloads)
        block = TableBlock(
            within=columns_of(within.table),
            around=around,
            closed=counts,
            counts=within.counts,
            span=span,
            payloads=tuple(payloads),
            reading=saved_reading(self._options),
        )
        self._packets += within.counts.packets
        return ReducedBlock(encode_block(block), within.counts.packets, within.counts.bytes)

    def _is_sure(self, one: bytes, other: bytes) -> bool:
        return one in self._ends and other in self._ends

    def _read(
        self, content: bytes, opens: OuterEnds, before: Unfinished | None
    ) -> tuple[CaptureTable, Unfinished]:
        """Read a file with some tunnels opened, packet numbers as they are in the recording."""
        options = replace(self._options, opens=opens)
        table, unfinished = read_on(io.BytesIO(content), "recording", options, before)
        table.table.shift_numbers(self._packets)
        return table, unfinished
