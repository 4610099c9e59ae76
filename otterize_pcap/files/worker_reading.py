"""Files read by the workers of a Dask cluster: a task a file, and their tables joined here.

Workers open the files by the same paths. What they send back are columns, so that a table takes 220
bytes a row on the way and none of its packets. distributed is an extra of its own
(`otterize-pcap[dask]`), and this module alone uses it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from otterize_pcap.errors import CaptureError, ClusterError, TooManyConnections, UsageError
from otterize_pcap.files.joined_tables import joined_table
from otterize_pcap.files.opening import STDIN, path_text
from otterize_pcap.files.read_recording import ReadRecording, read_recording, unwatched
from otterize_pcap.files.recordings import Planned
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import FAST_PATH
from otterize_pcap.table.columns import Columns
from otterize_pcap.table.read import CaptureTable, ReadOptions
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import columns_of, restore
from otterize_pcap.version import __version__

LOCAL = "local:"
PATIENCE = "10s"
"""How long a scheduler is waited for."""
ONLY_FATAL = 50
"""The level of Python's logging at which workers speak: errors come back as values."""
MAX_CACHED_ENDS = 1 << 16
FAILED = "error"
SLOW = "files were read by workers without the compiled part, some 300 times slower"


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was listed: its size and when it was changed, in ns."""

    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class SentTable:
    """A file's table on its way: `CaptureTable`, its rows as columns."""

    columns: Columns
    counts: CaptureCounts
    payloads: tuple[Payload, ...]
    part_times: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker made of a file, which otterize it has, and whether with the compiled part."""

    version: str
    is_compiled: bool
    table: SentTable | None = None
    error: CaptureError | None = None


def read_by_workers(plans: Sequence[Planned], options: ReadOptions) -> list[ReadRecording]:
    """Read recordings by the cluster that `options.scheduler` names.

    Raises:
        ClusterError: The scheduler is not reached or lost, a file is not read whoever tries, or a
            worker has another version.
        TooManyConnections: There is no room for one of them.
        UsageError: distributed is not installed, or that is no scheduler.
    """
    files = [(planned.node, path) for planned in plans for path in planned.paths]
    if any(path == STDIN or path.is_fifo() for _, path in files):
        message = (
            f"--scheduler {options.scheduler}: workers cannot read what is piped in; name files"
        )
        raise UsageError(message)
    with _client(options.scheduler) as client:
        found = iter(_answers(client, files, options))
        return [
            _recording(planned, [next(found) for _ in planned.paths], options) for planned in plans
        ]


def read_file(
    node: str, path: Path, state: FileState | None, options: ReadOptions, opens: OuterEnds | None
) -> Answer:
    """A worker's part: one file → its columns. `state` is the file's where it was listed."""
    cached = None if opens is None else lru_cache(MAX_CACHED_ENDS)(opens)
    answer = partial(Answer, __version__, FAST_PATH)
    try:
        if state != state_of(path):
            return answer(error=_changed(path))
        found = read_recording(Planned(node, (path,)), replace(options, opens=cached), unwatched)
        if state != state_of(path):
            return answer(error=_changed(path))
    except CaptureError as error:
        return answer(error=error)
    if found.table is None:
        return answer(error=found.errors[path])
    table = found.table
    columns = columns_of(table.table)
    values = {name: bytes(column) for name, column in columns.values.items()}
    sent = Columns(columns.rows, values, columns.paths)
    return answer(SentTable(sent, table.counts, table.payloads, table.part_times))


def state_of(path: Path) -> FileState | None:
    """How a file is now; None where it is none."""
    if not path.is_file():
        return None
    found = path.stat()
    return FileState(found.st_size, found.st_mtime_ns)


def _changed(path: Path) -> CaptureError:
    return CaptureError(
        f"{path_text(path)}: another file than the one that was listed, or changed while it was "
        "read; wait until it is whole"
    )


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """A client of a scheduler, or of one that lives as long as it.

    Raises:
        ClusterError: It is not reached, or lost.
        UsageError: distributed is not installed, or that is no scheduler.
    """
    distributed = _distributed(scheduler)
    workers = scheduler.removeprefix(LOCAL)
    try:
        if scheduler == workers:
            with distributed.Client(scheduler, timeout=PATIENCE) as client:
                yield client
            return
        with (
            distributed.LocalCluster(
                n_workers=int(workers),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=ONLY_FATAL,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
    except (OSError, TimeoutError) as error:
        message = f"--scheduler {scheduler}: no answer, or lost on the way; is it running there?"
        raise ClusterError(message) from error


def _distributed(scheduler: str) -> Any:  # noqa: ANN401 - it has no types of its own
    try:
        # An optional extra, and half a second of start-up.
        return import_module("distributed")
    except ImportError as error:
        message = (
            f"--scheduler {scheduler}: needs distributed; install it with `pip install distributed`"
        )
        raise UsageError(message) from error


def _answers(
    client: Any,  # noqa: ANN401 - distributed has no types of its own
    files: Sequence[tuple[str, Path]],
    options: ReadOptions,
) -> list[Answer]:
    """What workers made of files, in order."""
    distributed = _distributed(options.scheduler)
    plain = replace(options, opens=None, threads=1, scheduler="")
    # Whoever is at the ends of tunnels is the snapshot's to say: it goes to each worker once.
    opens = None if options.opens is None else getattr(options.opens, "__wrapped__", options.opens)
    ends = client.scatter(opens, broadcast=True, hash=False)
    tasks = [
        client.submit(read_file, node, path.absolute(), state_of(path), plain, ends, pure=False)
        for node, path in files
    ]
    try:
        found: list[Answer] = client.gather(tasks)
    except distributed.scheduler.KilledWorker as error:
        died = (
            path_text(path)
            for (_, path), task in zip(files, tasks, strict=True)
            if task.status == FAILED
        )
        message = f"{', '.join(died)}: every worker that read it died; give them more memory"
        raise ClusterError(message) from error
    except (distributed.client.FutureCancelledError, OSError) as error:
        message = f"--scheduler {options.scheduler}: lost while files were read; run it again"
        raise ClusterError(message) from error
    for answer in found:
        if answer.version != __version__:
            message = f"a worker has otterize {answer.version}, and this is {__version__}"
            raise ClusterError(f"{message}; install one version everywhere")
        if isinstance(answer.error, TooManyConnections):
            raise answer.error
    return found


def _recording(planned: Planned, answers: Sequence[Answer], options: ReadOptions) -> ReadRecording:
    errors: dict[Path, CaptureError] = {}
    tables: list[CaptureTable] = []
    for path, answer in zip(planned.paths, answers, strict=True):
        if answer.error is not None:
            said = str(answer.error).replace(path_text(path.absolute()), path_text(path))
            errors[path] = CaptureError(said)
        elif answer.table is not None:
            tables.append(_table(planned.node, path, answer.table, options))
    notes = () if all(answer.is_compiled for answer in answers) else (SLOW,)
    joined = joined_table(tables, options) if tables else None
    return ReadRecording(planned.node, joined, errors, notes)


def _table(name: str, path: Path, sent: SentTable, options: ReadOptions) -> CaptureTable:
    """A table that was sent, under the path by which its file was named here."""
    table = Reading(options, None).table
    restore(table, sent.columns)
    files = (path_text(path),)
    return CaptureTable(name, files, table, sent.counts, sent.payloads, sent.part_times)
