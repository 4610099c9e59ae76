"""Capture streams → connection table: the whole way, with everything counted that was not taken.

Input: binary streams of one node's recording. Output: its rows, what was skipped and why, and the
few payloads that names can be read from. Nothing here opens files or prints.

Files, and parts of big ones, are read in threads where the compiled path is there, and joined in
order: a table's `concat` makes the result the same as that of one thread.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from otterize_pcap.errors import CaptureError
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.ranged_file import ranged_file
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions, Table, Unfinished
from otterize_pcap.table.reading import Progress, Reading, refuse_link_type
from otterize_pcap.table.rows import MOST_PARTS, Row

__all__ = [
    "FAST_PATH",
    "CaptureCounts",
    "CaptureTable",
    "Payload",
    "Progress",
    "ReadOptions",
    "first_time",
    "read_batches",
    "read_capture",
    "read_parts",
]

SMALLEST_FOR_THREADS = 1 << 20
"""Bytes of a recording that are read sooner than what threads need is imported."""


class CaptureTable(Struct, frozen=True):
    """The connection table of one recording.

    `files` names its parts in order; `Row.part` and `Payload.part` index it. `part_times` are from
    when to when each goes, in ns, None for one without packets.
    """

    name: str
    files: tuple[str, ...]
    table: Table
    counts: CaptureCounts
    payloads: tuple[Payload, ...] = ()
    part_times: tuple[tuple[int, int] | None, ...] = ()

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


def read_on(
    stream: ByteStream, name: str, options: ReadOptions, before: Unfinished | None
) -> tuple[CaptureTable, Unfinished]:
    """Read a capture file that goes on with a recording, and say what it leaves unfinished.

    Args:
        stream: The file.
        name: Names it.
        options: How to read; in one thread.
        before: What the file before it left unfinished, None for the first.

    Raises:
        CaptureError: As `read_batches`.
    """
    reading = Reading(options, None)
    chunk = reading.begin(open_capture(stream, name), name, 0)
    if before is not None:
        chunk.go_on(before)
    for _ in chunk.run():
        continue
    reading.finish(chunk, name)
    payloads, times = tuple(reading.total.payloads), tuple(reading.part_times)
    table = CaptureTable(name, (name,), reading.table, reading.counts(), payloads, times)
    return table, chunk.unfinished()


def read_parts(
    parts: Sequence[tuple[str, ByteStream]],
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read the files of one node's recording as one, in the order given; see `read_batches`."""
    return read_batches((parts,), name, options, progress)


def read_batches(
    batches: Iterable[Sequence[tuple[str, ByteStream]]],
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read the files of one node's recording as one, some at a time.

    Args:
        batches: Name and stream of each file, earliest first. The streams of a batch are not used
            any more when the next one is asked for, so that a recording may have more files than
            a process may open.
        name: Names the recording.
        options: How to read.
        progress: Told the bytes and packets read so far, now and then.

    Raises:
        CaptureError: A file is no capture, or its header is broken, or there are more connections
            than `options.max_connections`.
        UnsupportedLinkType: No packet of a file has a link type that is decoded here.
    """
    reading = Reading(options, progress)
    files: list[str] = []
    # A ClientHello that goes on in the next segment is only told from what came before it.
    in_threads = options.threads > 1 and options.fast and FAST_PATH and not options.collect_names
    for parts in batches:
        if len(files) + len(parts) > MOST_PARTS:
            message = (
                f"{name}: more than {MOST_PARTS:,} files are one recording; read fewer at once"
            )
            raise CaptureError(message)
        if in_threads and _is_worth_threads(parts):
            # With concurrent.futures, and logging that it brings along, this takes 5 ms.
            from otterize_pcap.table.read_threads import read_in_threads  # noqa: PLC0415

            read_in_threads(reading, parts, len(files))
        else:
            _read_one_by_one(reading, parts, len(files))
        files += [part_name for part_name, _ in parts]
    payloads = tuple(reading.total.payloads)
    times = tuple(reading.part_times)
    return CaptureTable(name, tuple(files), reading.table, reading.counts(), payloads, times)


def _read_one_by_one(
    reading: Reading, parts: Sequence[tuple[str, ByteStream]], before: int
) -> None:
    """Read files in this thread; `before` is how many the recording had before these."""
    for index, (part_name, stream) in enumerate(parts, before):
        chunk = reading.begin(open_capture(stream, part_name), part_name, index)
        for _ in chunk.run():
            reading.report([chunk])
        reading.finish(chunk, part_name)


def _is_worth_threads(parts: Sequence[tuple[str, ByteStream]]) -> bool:
    """Whether a recording is big, or may be as a pipe."""
    files = [ranged_file(stream) for _, stream in parts]
    sizes = [file.length for file in files if file is not None]
    return len(sizes) < len(files) or sum(sizes) >= SMALLEST_FOR_THREADS


def first_time(stream: ByteStream, name: str) -> int | None:
    """When the first packet of a file was, in ns; the stream is left where it stood.

    None is for a file without packets, and for a stream that cannot be read twice.

    Raises:
        CaptureError: It is no capture.
        UnsupportedLinkType: Its packets are not decoded.
    """
    file = ranged_file(stream)
    if file is None:
        return None
    capture = open_capture(file.from_offset(0), name)
    refuse_link_type(capture, name)
    record = capture.reader.next()
    return None if record is None else record.time_ns
