"""A reader's buffer, walked by the compiled table up to each record that it declines."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from otterize_pcap.packets.packet import ICMP, NOT_IP_ARP
from otterize_pcap.records.pcap import PcapReader
from otterize_pcap.records.pcapng import PcapngReader
from otterize_pcap.records.ranged_file import HAS_PREAD, FileSlice, RegularFile, ranged_file
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.table.capture_counts import Payload

if TYPE_CHECKING:
    from otterize_pcap.table._fastpath import FastTable

FIRST_SURE_VERSION = (2, 4)
"""The pcap version since which a record's captured length surely comes first."""


def is_walkable(reader: PcapReader | PcapngReader) -> bool:
    """Whether the compiled table reads records of that form."""
    return isinstance(reader, PcapngReader) or reader.header.version >= FIRST_SURE_VERSION


class CompiledWalk:
    """Walks one chunk; the reader stands behind what was walked, and may be read from between."""

    def __init__(self, reader: PcapReader | PcapngReader, table: "FastTable", part: int) -> None:
        self._reader = reader
        self._table = table
        self._part = part
        self._before = table.not_ip, table.icmp
        file = _at_offset(reader.window.stream)
        if file is not None:
            reader.window.go_on_in(file)

    def go_on(self) -> tuple[int, Sequence[Payload]]:
        """Why the walk ended, as `_fastpath` numbers it, and payloads that may name servers."""
        reader = self._reader
        window = reader.window
        stop = min(reader.stop - window.base, sys.maxsize)
        if isinstance(reader, PcapReader):
            ended, window.start, reader.number, kept = self._table.walk_pcap(
                window.data,
                window.start,
                window.end,
                stop,
                reader.header,
                reader.number,
                self._part,
                window.at_end,
                window,
            )
        else:
            ended, window.start, reader.number, kept = self._table.walk_pcapng(
                window.data,
                window.start,
                window.end,
                stop,
                reader.order,
                reader.interfaces,
                reader.first_interface,
                reader.number,
                self._part,
                window,
            )
        return ended, kept

    def skipped(self) -> Counter[str]:
        """How many frames the table passed over meanwhile, by reason."""
        not_ip, icmp = self._before
        return +Counter(
            {
                NOT_IP_ARP.reason: self._table.not_ip - not_ip,
                ICMP.reason: self._table.icmp - icmp,
            }
        )


def _at_offset(stream: ByteStream) -> FileSlice | None:
    """What is left of a stream, by descriptor and offset, where it is a regular file."""
    if isinstance(stream, FileSlice):
        return stream
    file = ranged_file(stream) if HAS_PREAD else None
    return file.from_offset(0) if isinstance(file, RegularFile) else None
