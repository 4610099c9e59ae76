"""The files of one node → its recording; several nodes' one after the other, or side by side."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from otterize_pcap.errors import CaptureError, TooManyConnections
from otterize_pcap.files.joined_tables import joined_table
from otterize_pcap.files.opening import open_stream, path_text
from otterize_pcap.files.recordings import Planned, Watch
from otterize_pcap.files.table_files import is_table_file, read_table
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.table.read import CaptureTable, Progress, ReadOptions, read_batches

MOST_UNEVEN = 1.2
"""How many times as long as the ideal reading recordings side by side may take."""
MOST_OPEN = 64
"""Files that are open at a time for one recording: more hold nothing up."""
OTHERWISE_OPEN = 32
"""File descriptors that are left to everything else."""

"""Told a recording's name and files before it is read; says who wants to know how far it is."""


class Opened(Protocol):
    """Told of each file that is opened; gives the stream to read instead."""

    def __call__(self, path: Path, stream: ByteStream, *, alone: bool) -> ByteStream:
        """`alone` says that the stream is read from its beginning on, and by nobody else."""


def as_it_is(path: Path, stream: ByteStream, *, alone: bool) -> ByteStream:  # noqa: ARG001
    """Nobody wants to see what is read."""
    return stream


def unwatched(_name: str, _paths: Sequence[Path]) -> AbstractContextManager[Progress | None]:
    """Nobody wants to know how far reading is."""
    return nullcontext()


class ReadRecording(Struct, frozen=True):
    """What reading a node's files came to; `table` is None where none could be read.

    `notes` are what is to be said of who read them. `differences` are of files that their readers
    compared with a manifest: in what each is another one, None where it is not.
    """

    node: str
    table: CaptureTable | None
    errors: dict[Path, CaptureError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    differences: dict[Path, str | None] = field(default_factory=dict)


def read_planned(
    plans: Sequence[Planned], options: ReadOptions, watch: Watch, opened: Opened = as_it_is
) -> list[ReadRecording]:
    """Read recordings, side by side where that is faster.

    Raises:
        TooManyConnections: There is no room for one of them.
    """
    parts = [planned.paths for planned in plans]
    if len(plans) > 1 and options.threads > 1 and _are_balanced(parts, options.threads):
        # With concurrent.futures, and logging that it brings along, this takes 5 ms.
        from otterize_pcap.files.read_side_by_side import read_side_by_side  # noqa: PLC0415

        at_once = min(options.threads, len(plans), max(1, _descriptors()))
        one = partial(read_recording, opened=opened)
        return read_side_by_side(plans, options, watch, one, at_once)
    return [read_recording(planned, options, watch, opened=opened) for planned in plans]


def _are_balanced(recordings: Iterable[Sequence[Path]], threads: int) -> bool:
    """Whether a recording a thread takes hardly longer than all threads on one after the other.

    Where a recording is cut for several threads, what they made has to be joined again, which
    takes a twelfth of the time and half of the memory more.
    """
    sizes = [
        sum(path.stat().st_size if path.is_file() else 0 for path in paths) for paths in recordings
    ]
    loads = [0] * threads
    for size in sorted(sizes, reverse=True):
        loads[loads.index(min(loads))] += size
    return max(loads) * threads <= MOST_UNEVEN * sum(sizes)


def read_recording(
    planned: Planned,
    options: ReadOptions,
    watch: Watch,
    at_once: int = 1,
    opened: Opened = as_it_is,
) -> ReadRecording:
    """Read a node's files as one recording; those that break it are left out and named.

    `at_once` is how many recordings are read at a time.

    Raises:
        TooManyConnections: There is no room for it.
    """
    if any(map(is_table_file, planned.paths)):
        return _read_with_tables(planned, options, watch, at_once, opened)
    try:
        return ReadRecording(planned.node, _read(planned, options, watch, at_once, opened))
    except TooManyConnections:
        raise
    except CaptureError as error:
        if len(planned.paths) == 1:
            return ReadRecording(planned.node, None, {planned.paths[0]: error})
    errors: dict[Path, CaptureError] = {}
    for path in planned.paths:
        alone = Planned(planned.node, (path,))
        errors |= read_recording(alone, options, unwatched, at_once, opened).errors
    rest = replace(planned, paths=tuple(path for path in planned.paths if path not in errors))
    table = _read(rest, options, watch, at_once, opened) if rest.paths else None
    return ReadRecording(planned.node, table, errors)


def _read_with_tables(
    planned: Planned, options: ReadOptions, watch: Watch, at_once: int, opened: Opened
) -> ReadRecording:
    """Read files of which some are tables that the node made, and put them together."""
    tables: list[CaptureTable] = []
    errors: dict[Path, CaptureError] = {}
    for path in planned.paths:
        if not is_table_file(path):
            alone = Planned(planned.node, (path,))
            found = read_recording(alone, options, watch, at_once, opened)
            tables += [found.table] if found.table else []
            errors |= found.errors
            continue
        name = path_text(path)
        try:
            with ExitStack() as stack, watch(path_text(planned.node), (path,)) as progress:
                stream = opened(path, open_stream(stack, path), alone=True)
                tables.append(read_table(stream, name, planned.node, options, progress))
        except TooManyConnections:
            raise
        except CaptureError as error:
            errors[path] = error
    joined = joined_table(tables, options) if tables else None
    return ReadRecording(planned.node, joined, errors)


def _read(
    planned: Planned, options: ReadOptions, watch: Watch, at_once: int, opened: Opened
) -> CaptureTable:
    size = max(1, min(MOST_OPEN, _descriptors() // at_once))
    seen = partial(opened, alone=options.threads == 1)
    with watch(path_text(planned.node), planned.paths) as progress:
        return read_batches(_batches(planned.paths, size, seen), planned.node, options, progress)


def _batches(
    paths: Sequence[Path], size: int, opened: Callable[[Path, ByteStream], ByteStream]
) -> Iterator[list[tuple[str, ByteStream]]]:
    """Open some files at a time, and close them when the next ones are asked for."""
    for begin in range(0, len(paths), size):
        with ExitStack() as stack:
            yield [
                (path_text(path), opened(path, open_stream(stack, path)))
                for path in paths[begin : begin + size]
            ]


def _descriptors() -> int:
    """How many files may be open at a time for reading captures (`ulimit -n`)."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return MOST_OPEN
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, limit - OTHERWISE_OPEN) if limit != resource.RLIM_INFINITY else MOST_OPEN * 16
