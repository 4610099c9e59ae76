"""Files read by the workers of a Dask cluster: a task a file, or a piece of a large one.

Their tables are joined here. distributed is an extra of its own (`otterize-pcap[dask]`), and this
module alone uses it.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.errors import CaptureError, ClusterError, TooManyConnections, UsageError
from otterize_pcap.extras import how_to_have
from otterize_pcap.files.file_pieces import joined_pieces, pieces_of
from otterize_pcap.files.manifest_files import ListedFile
from otterize_pcap.files.opening import STDIN, path_text
from otterize_pcap.files.read_recording import ReadRecording
from otterize_pcap.files.recordings import Planned
from otterize_pcap.files.worker_tasks import (
    Answer,
    SentTable,
    Task,
    compare_file,
    in_parts,
    of_parts,
    read_file,
    read_piece,
    state_of,
)
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.table.read import CaptureTable, ReadOptions
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import restore
from otterize_pcap.threads import ADVICE, are_to_be_had, is_lack_of_threads
from otterize_pcap.version import __version__

LOCAL = "local:"
PATIENCE = "10s"
"""How long a scheduler is waited for."""
ONLY_FATAL = 50
"""The level of Python's logging at which workers, and the client here, speak: errors are values."""
LOGS = ("distributed", "distributed.client", "tornado.application")
"""Who says on stderr, with a traceback, that a scheduler is lost; those below take their level."""
FAILED = "error"
NO_CERTIFICATE = (
    "tls:// needs certificates; name them in Dask's configuration (distributed.comm.tls), "
    "or by DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY"
)
AT_ONCE = 32
"""Answers that are fetched at a time: the others wait where they were made."""
OWN_THREADS, THREADS_A_WORKER = 6, 8
"""Processes and threads of a cluster that is begun here: those of the worker, and of its nanny."""
SLOW = "files were read by workers without the compiled part, some 300 times slower"


class _Asked(Struct, frozen=True):
    """What workers are asked for of a file: all of it, or pieces and how it differs."""

    task: Task
    path: Path
    pieces: list[Any]
    comparing: list[Any]

    @property
    def futures(self) -> list[Any]:
        """All that is waited for."""
        return [*self.pieces, *self.comparing]


def read_by_workers(
    plans: Sequence[Planned],
    options: ReadOptions,
    listed: Mapping[Path, ListedFile] = MappingProxyType({}),
) -> list[ReadRecording]:
    """Read recordings, of one file each, by the cluster that `options.scheduler` names.

    Args:
        plans: Whose file each is.
        options: How to read.
        listed: What manifests say of some files; workers hash those while they read.

    Raises:
        ClusterError: The scheduler is not reached or lost, a file is not read whoever tries, or a
            worker has another version.
        StoreError: An object that a URL names cannot be fetched.
        TooManyConnections: There is no room for one of them.
        UsageError: distributed or, on a worker, obstore is not installed, or that is no scheduler.
    """
    files = [(planned.node, path) for planned in plans for path in planned.paths]
    if any(path == STDIN or path.is_fifo() for _, path in files):
        message = (
            f"--scheduler {options.scheduler}: workers cannot read what is piped in; name files"
        )
        raise UsageError(message)
    with _client(options.scheduler) as client:
        workers = _Workers(client, options)
        asked = deque(workers.ask(node, path, listed.get(path)) for node, path in files)
        found: list[ReadRecording] = []
        while asked:
            some = [asked.popleft() for _ in range(min(AT_ONCE, len(asked)))]
            # What was sent of one is let go when its table is made.
            answers = deque(workers.answers([(e.path, f) for e in some for f in e.futures]))
            for each in some:
                own = [answers.popleft() for _ in each.futures]
                found.append(workers.recording(each, own[: len(each.pieces)], own[-1]))
        return found


class _Workers:
    """A cluster, as far as files are read by it."""

    def __init__(self, client: Any, options: ReadOptions) -> None:  # noqa: ANN401 - untyped
        self._client = client
        self._options = options
        self._plain = replace(options, opens=None, threads=1, scheduler="")
        # Whoever is at the ends of tunnels is the snapshot's to say: it goes to each worker once.
        opens: OuterEnds | None = getattr(options.opens, "__wrapped__", options.opens)
        self._ends = client.scatter(opens, broadcast=True, hash=False)

    def ask(self, node: str, path: Path, listed: ListedFile | None) -> _Asked:
        """Have a file read, in pieces where it is large."""
        there = path.absolute()
        if listed is not None:
            listed = replace(listed, path=there, expected=listed.expected.absolute())
        task = Task(node, there, state_of(path), listed)
        pieces = pieces_of(path, self._options)
        if not pieces:
            return _Asked(task, path, [self._submit(read_file, task)], [])
        comparing = [] if listed is None else [self._submit_plain(compare_file, task)]
        return _Asked(
            task, path, [self._submit(read_piece, task, piece) for piece in pieces], comparing
        )

    def _submit(self, read: Callable[..., Answer], *arguments: object) -> Any:  # noqa: ANN401 - untyped
        return self._submit_plain(read, *arguments, self._plain, self._ends)

    def _submit_plain(self, read: Callable[..., Answer], *arguments: object) -> Any:  # noqa: ANN401 - untyped
        return self._client.submit(in_parts, read, *arguments, pure=False)

    def answers(self, asked: Sequence[tuple[Path, Any]]) -> list[Answer]:
        """What workers made of files, in order.

        Raises:
            OtterizeError: One was not read, and nothing is to be made of the others.
        """
        distributed = _distributed(self._options.scheduler)
        try:
            sent = self._client.gather([future for _, future in asked])
        except distributed.scheduler.KilledWorker as error:
            died = dict.fromkeys(
                path_text(path) for path, future in asked if future.status == FAILED
            )
            message = f"{', '.join(died)}: every worker that read it died; give them more memory"
            raise ClusterError(message) from error
        except (distributed.client.FutureCancelledError, OSError) as error:
            scheduler = self._options.scheduler
            message = f"--scheduler {scheduler}: lost while files were read; run it again"
            raise ClusterError(message) from error
        except RuntimeError as error:
            if is_lack_of_threads(error):
                raise _lacks_threads(self._options.scheduler) from error
            raise
        found = list(map(of_parts, sent))
        for answer in found:
            _refuse(answer)
        return found

    def recording(
        self, asked: _Asked, answers: Sequence[Answer], compared: Answer
    ) -> ReadRecording:
        """A file's recording, of what workers made of it; `compared` has compared it."""
        path, node = asked.path, asked.task.node
        sent = [answer.piece for answer in answers if answer.piece is not None]
        table = None
        if sent and len(sent) == len(answers):
            table = joined_pieces(node, path, sent, self._options)
        if table is None and len(answers) > 1:
            # It was cut where no record begins, or a piece of it is damaged.
            answers = self.answers([(path, self._submit(read_file, asked.task))])
        (*_, answer) = answers
        errors: dict[Path, CaptureError] = {}
        if isinstance(answer.error, CaptureError):
            errors[path] = CaptureError(_as_named(str(answer.error), path))
        elif answer.table is not None:
            table = _table(node, path, answer.table, self._options)
        notes = () if all(each.is_compiled for each in answers) else (SLOW,)
        differences = {} if asked.task.listed is None else {path: compared.difference}
        return ReadRecording(node, table, errors, notes, differences)


def _refuse(answer: Answer) -> None:
    """Stop at what concerns more than one file.

    Raises:
        OtterizeError: It does.
    """
    if answer.version != __version__:
        message = f"a worker has otterize {answer.version}, and this is {__version__}"
        raise ClusterError(f"{message}; install one version everywhere")
    if isinstance(answer.error, UsageError):
        message = f"on a worker: {answer.error}"
        raise UsageError(message)
    is_of_one = isinstance(answer.error, CaptureError)
    if answer.error is not None and (isinstance(answer.error, TooManyConnections) or not is_of_one):
        raise answer.error


def _as_named(text: str, path: Path) -> str:
    """A text in which a file is named as it was named here."""
    return text.replace(path_text(path.absolute()), path_text(path))


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """A client of a scheduler, or of one that lives as long as it.

    Raises:
        ClusterError: It is not reached, or lost, or cannot be begun here.
        UsageError: distributed is not installed, or that is no scheduler.
    """
    distributed = _distributed(scheduler)
    try:
        with _silenced(), ExitStack() as stack:
            try:
                client = _begun(distributed, scheduler, stack)
            except RuntimeError as error:
                raise _lacks_threads(scheduler) from error
            yield client
    except (OSError, TimeoutError) as error:
        message = f"--scheduler {scheduler}: no answer, or lost on the way; is it running there?"
        raise ClusterError(message) from error


@contextmanager
def _silenced() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(ONLY_FATAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _begun(distributed: Any, scheduler: str, stack: ExitStack) -> Any:  # noqa: ANN401 - untyped
    workers = scheduler.removeprefix(LOCAL)
    if scheduler == workers:
        lacks = scheduler.startswith("tls:") and not distributed.Security().tls_client_cert
        if lacks:
            message = f"--scheduler {scheduler}: {NO_CERTIFICATE}"
            raise UsageError(message)
        return stack.enter_context(distributed.Client(scheduler, timeout=PATIENCE))
    if not are_to_be_had(OWN_THREADS + int(workers) * THREADS_A_WORKER):
        # With some of them workers would be begun, and begun again, for ever.
        raise _lacks_threads(scheduler)
    cluster = distributed.LocalCluster(
        n_workers=int(workers),
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=ONLY_FATAL,
    )
    return stack.enter_context(distributed.Client(stack.enter_context(cluster)))


def _lacks_threads(scheduler: str) -> ClusterError:
    message = f"--scheduler {scheduler}: takes more threads than there may be here"
    return ClusterError(f"{message}; {ADVICE}, or read without --scheduler")


def _distributed(scheduler: str) -> Any:  # noqa: ANN401 - it has no types of its own
    try:
        # An optional extra, and half a second of start-up.
        return import_module("distributed")
    except ImportError as error:
        message = f"--scheduler {scheduler}: needs distributed; {how_to_have('distributed')}"
        raise UsageError(message) from error


def _table(name: str, path: Path, sent: SentTable, options: ReadOptions) -> CaptureTable:
    """A table that was sent, under the path by which its file was named here."""
    table = Reading(options, None).table
    restore(table, sent.columns)
    counts = replace(
        sent.counts, damage=tuple(_as_named(text, path) for text in sent.counts.damage)
    )
    return CaptureTable(name, (path_text(path),), table, counts, sent.payloads, sent.part_times)
