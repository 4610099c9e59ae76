"""Files, and pieces of big ones, read in threads and joined in the order of the recording."""

from collections.abc import Sequence
from concurrent.futures import Future, wait
from threading import Event, current_thread

from msgspec import Struct

from otterize_pcap.crew import Crew
from otterize_pcap.errors import CaptureError
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.ranged_file import Ranged, ranged_file
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.table.chunk import Chunk
from otterize_pcap.table.chunk_boundaries import boundaries, capture_from
from otterize_pcap.table.reading import Reading

SMALLEST_PIECE = 32 << 20
"""Bytes of a file below which another thread costs more than it saves."""
SECONDS_BETWEEN_REPORTS = 0.1


class _File(Struct, frozen=True):
    """One file in threads: its chunks and what will come of them."""

    name: str
    part: int
    file: Ranged | None
    chunks: list[Chunk]


def read_in_threads(reading: Reading, parts: Sequence[tuple[str, ByteStream]], before: int) -> None:
    """Read all files, big ones in pieces, and join what the threads made of them, in order.

    `before` is how many files the recording had before these.
    """
    files = _plan(reading, parts, before)
    chunks = [chunk for file in files for chunk in file.chunks]
    cancelled = Event()
    here = current_thread()

    def run(chunk: Chunk) -> None:
        for _ in chunk.run():
            if cancelled.is_set():
                return
            if current_thread() is here:
                # No thread could be had.
                reading.report(chunks)

    with Crew(reading.options.threads) as crew:
        futures = {chunk: crew.submit(run, chunk) for chunk in chunks}
        try:
            while wait(futures.values(), SECONDS_BETWEEN_REPORTS).not_done:
                reading.report(chunks)
            for file in files:
                _join(reading, file, futures)
        finally:
            cancelled.set()


def _plan(reading: Reading, parts: Sequence[tuple[str, ByteStream]], before: int) -> list[_File]:
    known = [ranged_file(stream) for _, stream in parts]
    total = sum(file.length for file in known if file)
    piece = max(SMALLEST_PIECE, total // reading.options.threads)
    files: list[_File] = []
    for part, ((name, stream), file) in enumerate(zip(parts, known, strict=True), before):
        capture = open_capture(stream, name)
        starts: list[int] = []
        if file is not None:
            pieces = -(-file.length // piece)
            starts = boundaries(capture, file, pieces)
        table = reading.new_table() if files else None
        chunks = [reading.begin(capture, name, part, table)]
        if file is not None:
            chunks += [
                Chunk(
                    capture_from(capture, name, file, start),
                    reading.new_table(),
                    reading.options,
                    part,
                    start,
                )
                for start in starts
            ]
        for chunk, stop in zip(chunks, starts, strict=False):
            chunk.capture.reader.stop = stop
        files.append(_File(name, part, file, chunks))
    return files


def _join(reading: Reading, file: _File, futures: dict[Chunk, Future[None]]) -> None:
    """Make one of a file's chunks; one that began at a wrong place is read again."""
    first, *others = file.chunks
    error = futures[first].exception()
    if isinstance(error, CaptureError) and file.part and file.file is not None:
        # Alone it needs more rows than where earlier files' connections take some of them up.
        again = open_capture(file.file.from_offset(0), file.name)
        first = reading.begin(again, file.name, file.part)
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
