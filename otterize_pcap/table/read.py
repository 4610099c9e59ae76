"""Capture streams → connection table: the whole way, with everything counted that was not taken.

Input: binary streams of one node's recording. Output: its rows, what was skipped and why, and the
few payloads that names can be read from. Nothing here opens files or prints.

Files, and parts of big ones, are read in threads where the compiled path is there, and joined in
order: a table's `concat` makes the result the same as that of one thread.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event

from otterize_pcap.errors import CaptureError, UnsupportedLinkType
from otterize_pcap.packets.link_layer import LINK_TYPES
from otterize_pcap.records.containers import OpenCapture, open_capture
from otterize_pcap.records.link_names import link_type_name
from otterize_pcap.records.pcap import PcapReader
from otterize_pcap.records.stream import NO_STOP, ByteStream
from otterize_pcap.table.capture_counts import CaptureCounts, Payload, RunningCounts
from otterize_pcap.table.chunk import FAST_PATH, Chunk, ReadOptions, Table, new_table
from otterize_pcap.table.chunk_boundaries import (
    FileSlice,
    RegularFile,
    boundaries,
    capture_from,
    regular_file,
)
from otterize_pcap.table.rows import Row

__all__ = [
    "FAST_PATH",
    "CaptureCounts",
    "CaptureTable",
    "Payload",
    "Progress",
    "ReadOptions",
    "ordered_parts",
    "read_capture",
    "read_parts",
]

Progress = Callable[[int, int], None]
"""Called now and then with the bytes and packets read so far."""

SECRET_BYTES = 56
SMALLEST_PIECE = 32 << 20
"""Bytes of a file below which another thread costs more than it saves."""
SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True, slots=True)
class CaptureTable:
    """The connection table of one recording.

    `files` names its parts in order; `Row.part` and `Payload.part` index it.
    """

    name: str
    files: tuple[str, ...]
    table: Table
    counts: CaptureCounts
    payloads: tuple[Payload, ...] = ()

    def rows(self) -> Iterator[Row]:
        """The rows, in the order in which their first packets came."""
        return self.table.rows()

    def __len__(self) -> int:
        return len(self.table)


def read_capture(
    stream: ByteStream,
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read one capture file; see `read_parts`."""
    return read_parts([(name, stream)], name, options, progress)


def read_parts(
    parts: Sequence[tuple[str, ByteStream]],
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read the files of one node's recording as one, in the order given.

    Args:
        parts: Name and stream of each file, earliest first (`ordered_parts` sorts them).
        name: Names the recording.
        options: How to read.
        progress: Told the bytes and packets read so far, now and then.

    Raises:
        CaptureError: A file is no capture, or its header is broken, or there are more connections
            than `options.max_connections`.
        UnsupportedLinkType: No packet of a file has a link type that is decoded here.
    """
    reading = _Reading(options, progress)
    # A ClientHello that goes on in the next segment is only told from what came before it.
    if options.threads > 1 and options.fast and FAST_PATH and not options.collect_names:
        _read_in_threads(reading, parts)
    else:
        for index, (part_name, stream) in enumerate(parts):
            stretch = reading.begin(open_capture(stream, part_name), part_name, index)
            for _ in stretch.run():
                reading.report([stretch])
            reading.finish(stretch, part_name)
    files = tuple(part_name for part_name, _ in parts)
    payloads = tuple(reading.tally.payloads)
    return CaptureTable(name, files, reading.table, reading.counts(), payloads)


def ordered_parts(parts: Sequence[tuple[str, ByteStream]]) -> list[tuple[str, ByteStream]]:
    """The files of one recording by the time of their first packet; those without one come last.

    Each is left where it stood. A stream that cannot be read twice keeps its place, and so do all
    where one cannot.

    Raises:
        CaptureError: A file is no capture.
    """
    if len(parts) < 2:
        return list(parts)
    files = [regular_file(stream) for _, stream in parts]
    times: list[tuple[int, str, int]] = []
    for index, ((name, _), file) in enumerate(zip(parts, files, strict=True)):
        if file is None:
            return list(parts)
        capture = open_capture(FileSlice(file.descriptor, file.start), name)
        record = capture.reader.next()
        times.append((NO_STOP if record is None else record.time_ns, name, index))
    return [parts[index] for _, _, index in sorted(times)]


class _Reading:
    """The table and counts of a recording, file by file."""

    def __init__(self, options: ReadOptions, progress: Progress | None) -> None:
        self.options = options
        self.tally = RunningCounts()
        self._progress = progress
        self._secret = os.urandom(SECRET_BYTES)
        self._truncated = 0
        self._damage: list[str] = []
        self._dropped: int | None = None
        self.table = self.new_table()

    def new_table(self) -> Table:
        """A table under the secret of this reading."""
        return new_table(self.options, self._secret)

    def begin(
        self, capture: OpenCapture, name: str, part: int, table: Table | None = None
    ) -> Chunk:
        """A file's first stretch, into a table of its own if one is given.

        Raises:
            UnsupportedLinkType: It is a pcap file of a link type that is not decoded.
        """
        reader = capture.reader
        if isinstance(reader, PcapReader):
            link_type = reader.header.link_type
            if link_type not in LINK_TYPES and reader.window.has(1):
                raise _unsupported(name, link_type)
        return Chunk(capture, self.table if table is None else table, self.options, part)

    def report(self, running: Sequence[Chunk]) -> None:
        """Tell the progress, what is being read included."""
        if self._progress:
            self._progress(
                self.tally.bytes + sum(stretch.bytes_read for stretch in running),
                self.tally.packets + sum(stretch.packets_read for stretch in running),
            )

    def finish(self, stretch: Chunk, name: str) -> None:
        """Add the counts of a file that was read to its end."""
        tally, ending = stretch.tally, stretch.capture.reader.ending
        if tally.unsupported and tally.unsupported.total() == tally.packets:
            raise _unsupported(name, min(tally.unsupported))
        for link_type, packets in tally.unsupported.items():
            tally.skipped[f"link type {link_type_name(link_type)}"] += packets
        self.tally.append(tally)
        self._truncated += ending.truncated
        if stretch.capture.damage:
            self._damage.append(stretch.capture.damage)
        if ending.dropped is not None:
            self._dropped = (self._dropped or 0) + ending.dropped
        self.report([])

    def counts(self) -> CaptureCounts:
        """What was counted so far."""
        tally = self.tally
        return CaptureCounts(
            packets=tally.packets,
            bytes=tally.bytes,
            first_ns=tally.first_ns,
            last_ns=tally.last_ns,
            skipped=dict(sorted(tally.skipped.items())),
            declined=tally.declined,
            truncated=self._truncated,
            damage=tuple(self._damage),
            dropped=self._dropped,
            payloads_left_out=tally.payloads_left_out,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """One file in threads: its stretches and what will come of them."""

    name: str
    part: int
    file: RegularFile | None
    stretches: list[Chunk]


def _read_in_threads(reading: _Reading, parts: Sequence[tuple[str, ByteStream]]) -> None:
    """Read all files, big ones in pieces, and join what the threads made of them, in order."""
    files = _plan(reading, parts)
    stretches = [stretch for file in files for stretch in file.stretches]
    cancelled = Event()
    with ThreadPoolExecutor(reading.options.threads) as pool:
        futures = {stretch: pool.submit(_run, stretch, cancelled) for stretch in stretches}
        try:
            while wait(futures.values(), SECONDS_BETWEEN_REPORTS).not_done:
                reading.report(stretches)
            for file in files:
                _join(reading, file, futures)
        finally:
            cancelled.set()


def _run(stretch: Chunk, cancelled: Event) -> None:
    for _ in stretch.run():
        if cancelled.is_set():
            return


def _plan(reading: _Reading, parts: Sequence[tuple[str, ByteStream]]) -> list[_File]:
    known = [regular_file(stream) for _, stream in parts]
    total = sum(file.size - file.start for file in known if file)
    piece = max(SMALLEST_PIECE, total // reading.options.threads)
    files: list[_File] = []
    for part, ((name, stream), file) in enumerate(zip(parts, known, strict=True)):
        capture = open_capture(stream, name)
        starts: list[int] = []
        if file is not None:
            pieces = -(-(file.size - file.start) // piece)
            starts = boundaries(capture, file, pieces)
        table = reading.new_table() if files else None
        stretches = [reading.begin(capture, name, part, table)]
        if file is not None:
            stretches += [
                Chunk(
                    capture_from(capture, name, file, start),
                    reading.new_table(),
                    reading.options,
                    part,
                    start,
                )
                for start in starts
            ]
        for stretch, stop in zip(stretches, starts, strict=False):
            stretch.capture.reader.stop = stop
        files.append(_File(name, part, file, stretches))
    return files


def _join(reading: _Reading, file: _File, futures: dict[Chunk, Future[None]]) -> None:
    """Make one of a file's stretches; one that began at a wrong place is read again."""
    first, *others = file.stretches
    error = futures[first].exception()
    if isinstance(error, CaptureError) and file.part and file.file is not None:
        # Alone it needs more rows than where earlier files' connections take some of them up.
        again = FileSlice(file.file.descriptor, file.file.start)
        first = reading.begin(open_capture(again, file.name), file.name, file.part)
        others = []
        for _ in first.run():
            reading.report([first])
    else:
        futures[first].result()
    for other in others:
        if futures[other].exception() is None and first.is_followed_by(other):
            first.join(other)
            continue
        first.capture.reader.stop = other.capture.reader.stop
        for _ in first.run():
            reading.report([first])
    if first.table is not reading.table:
        reading.table.concat(first.table)
    reading.finish(first, file.name)


def _unsupported(name: str, link_type: int) -> UnsupportedLinkType:
    return UnsupportedLinkType(
        f"{name}: link type {link_type_name(link_type)} is not supported; "
        "capture again with tcpdump -i any, or on an Ethernet interface"
    )
