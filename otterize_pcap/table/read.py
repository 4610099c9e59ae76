"""Capture streams → connection table: the whole way, with everything counted that was not taken.

Input: binary streams of one node's recording. Output: its rows, what was skipped and why, and the
few payloads that names can be read from. Nothing here opens files or prints.

Files, and parts of big ones, are read in threads where the compiled path is there, and joined in
order: a table's `concat` makes the result the same as that of one thread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.stream import NO_STOP, ByteStream
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions, Table
from otterize_pcap.table.chunk_boundaries import FileSlice, regular_file
from otterize_pcap.table.reading import Progress, Reading
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

SMALLEST_FOR_THREADS = 1 << 20
"""Bytes of a recording that are read sooner than what threads need is imported."""


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
    reading = Reading(options, progress)
    # A ClientHello that goes on in the next segment is only told from what came before it.
    in_threads = options.threads > 1 and options.fast and FAST_PATH and not options.collect_names
    if in_threads and _is_worth_threads(parts):
        # With concurrent.futures, and logging that it brings along, this takes 5 ms.
        from otterize_pcap.table.read_threads import read_in_threads  # noqa: PLC0415

        read_in_threads(reading, parts)
    else:
        for index, (part_name, stream) in enumerate(parts):
            stretch = reading.begin(open_capture(stream, part_name), part_name, index)
            for _ in stretch.run():
                reading.report([stretch])
            reading.finish(stretch, part_name)
    files = tuple(part_name for part_name, _ in parts)
    payloads = tuple(reading.tally.payloads)
    return CaptureTable(name, files, reading.table, reading.counts(), payloads)


def _is_worth_threads(parts: Sequence[tuple[str, ByteStream]]) -> bool:
    """Whether a recording is big, or may be as a pipe."""
    files = [regular_file(stream) for _, stream in parts]
    sizes = [file.size - file.start for file in files if file is not None]
    return len(sizes) < len(files) or sum(sizes) >= SMALLEST_FOR_THREADS


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
