"""What a worker of a Dask cluster does: one file, or one piece of a large one → its columns.

A worker opens files by the same paths, or URLs. What it sends back are columns, so that a table
takes 220 bytes a row on the way and none of its packets.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.errors import CaptureError, OtterizeError
from otterize_pcap.files.manifest_files import ListedFile, checking, difference
from otterize_pcap.files.object_store import changed
from otterize_pcap.files.opening import open_stream, path_text
from otterize_pcap.files.read_recording import read_recording, unwatched
from otterize_pcap.files.recordings import Planned
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.ranged_file import ranged_file
from otterize_pcap.resolve.tunnel_ends import MAX_CACHED_ENDS
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import FAST_PATH, Chunk, EndedChunk
from otterize_pcap.table.chunk_boundaries import capture_from, is_divisible
from otterize_pcap.table.columns import Columns
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import columns_of
from otterize_pcap.version import __version__


class FileState(Struct, frozen=True):
    """A file as it was when it was listed: its size and when it was changed, in ns."""

    size: int
    changed_ns: int


class Piece(Struct, frozen=True):
    """From where to where a file is read."""

    begin: int
    stop: int


class Task(Struct, frozen=True):
    """A file to read, of a node; `state` is what it was where it was listed.

    `listed` is what a manifest says of it, None for one that need not be compared with that here.
    """

    node: str
    path: Path
    state: FileState | None
    listed: ListedFile | None = None


class SentTable(Struct, frozen=True):
    """A file's table on its way: `CaptureTable`, its rows as columns."""

    columns: Columns
    counts: CaptureCounts
    payloads: tuple[Payload, ...]
    part_times: tuple[tuple[int, int] | None, ...]


class SentPiece(Struct, frozen=True):
    """What a piece of a file came to, its rows as columns."""

    columns: Columns
    chunk: EndedChunk


class Answer(Struct, frozen=True):
    """What a worker made of a file, which otterize it has, and whether with the compiled part.

    `difference` is in what the file is not what its manifest lists.
    """

    version: str
    is_compiled: bool
    table: SentTable | None = None
    piece: SentPiece | None = None
    error: OtterizeError | None = None
    difference: str | None = None


def read_file(task: Task, options: ReadOptions, opens: OuterEnds | None) -> Answer:
    """One file → its columns, hashed meanwhile where a manifest lists it."""
    reading = replace(options, opens=_cached(opens))
    return _answered(task, lambda: _read_whole(task, reading))


def read_piece(task: Task, piece: Piece, options: ReadOptions, opens: OuterEnds | None) -> Answer:
    """A piece of a file → its columns, and what the piece before it has to end with."""
    reading = replace(options, opens=_cached(opens))
    return _answered(task, lambda: replace(_blank(), piece=_read_piece(task, piece, reading)))


def compare_file(task: Task) -> Answer:
    """Whether a file that is read in pieces is what its manifest lists."""
    return _answered(task, lambda: replace(_blank(), difference=_difference(task)))


def _difference(task: Task) -> str | None:
    return None if task.listed is None else difference(task.listed, Event())


def state_of(path: Path) -> FileState | None:
    """How a file is now; None where it is none."""
    if not path.is_file():
        return None
    found = path.stat()
    return FileState(found.st_size, found.st_mtime_ns)


def _blank() -> Answer:
    return Answer(__version__, FAST_PATH)


def _cached(opens: OuterEnds | None) -> OuterEnds | None:
    return None if opens is None else lru_cache(MAX_CACHED_ENDS)(opens)


def _answered(task: Task, read: Callable[[], Answer]) -> Answer:
    """What reading came to, of a file that is the same before and afterwards."""
    try:
        if task.state != state_of(task.path):
            return replace(_blank(), error=_changed(task.path))
        answer = read()
        if task.state != state_of(task.path):
            return replace(_blank(), error=_changed(task.path))
    except OtterizeError as error:
        return replace(_blank(), error=error)
    return answer


def _changed(path: Path) -> CaptureError:
    return CaptureError(str(changed(path_text(path))))


def _read_whole(task: Task, options: ReadOptions) -> Answer:
    planned = Planned(task.node, (task.path,))
    with checking([] if task.listed is None else [task.listed], 1) as check:
        found = read_recording(planned, options, unwatched, opened=check.opened)
        broken = check.broken()
    if found.table is None:
        return replace(_blank(), error=found.errors[task.path])
    table = found.table
    sent = SentTable(_sent(columns_of(table.table)), table.counts, table.payloads, table.part_times)
    return replace(_blank(), table=sent, difference=broken[0].reason if broken else None)


def _read_piece(task: Task, piece: Piece, options: ReadOptions) -> SentPiece:
    """Read from one boundary to the next one.

    Raises:
        CaptureError: It cannot be read from there.
    """
    name = path_text(task.path)
    with ExitStack() as stack:
        file = ranged_file(open_stream(stack, task.path))
        if file is None:
            raise _changed(task.path)
        whole = open_capture(file.from_offset(0), name)
        reading = Reading(options, None)
        if not piece.begin:
            chunk = reading.begin(whole, name, 0)
        else:
            is_divisible(whole)
            capture = capture_from(whole, name, file, piece.begin)
            chunk = Chunk(capture, reading.table, options, begin=piece.begin)
        chunk.capture.reader.stop = piece.stop
        for _ in chunk.run():
            pass
    return SentPiece(_sent(columns_of(reading.table)), chunk.ended())


def in_parts(read: Callable[..., Answer], *arguments: object) -> list[object]:
    """What a task answers, its columns before the rest: Dask sends each as it is.

    As one message, what is above 64 MiB would be cut and put together again, twice: of three
    million rows that cost the one who asks a third of all.
    """
    answer = read(*arguments)
    sent = answer.table or answer.piece
    if sent is None:
        return [answer]
    values = sent.columns.values
    rest = replace(sent, columns=replace(sent.columns, values=dict.fromkeys(values, b"")))
    if isinstance(rest, SentTable):
        return [*values.values(), replace(answer, table=rest)]
    return [*values.values(), replace(answer, piece=rest)]


def of_parts(parts: list[Any]) -> Answer:
    """The answer that was sent in parts."""
    answer: Answer
    *columns, answer = parts
    sent: SentTable | SentPiece | None = answer.table or answer.piece
    if sent is None:
        return answer
    values = dict(zip(sent.columns.values, columns, strict=True))
    whole = replace(sent, columns=replace(sent.columns, values=values))
    if isinstance(whole, SentTable):
        return replace(answer, table=whole)
    return replace(answer, piece=whole)


def _sent(columns: Columns) -> Columns:
    values = {name: bytes(column) for name, column in columns.values.items()}
    return Columns(columns.rows, values, columns.paths)
