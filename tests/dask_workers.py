"""A real Dask cluster of processes on this machine, for tests."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from otterize_pcap.files import worker_tasks
from otterize_pcap.files.read_recording import Opened, ReadRecording, read_recording
from otterize_pcap.files.recordings import Planned, Watch
from otterize_pcap.table.chunk import ReadOptions

COMPILED, READS, GATE = "FAST_PATH", "read_recording", "gate"
distributed: Any = import_module("distributed")


class Cluster(Protocol):
    """As much of Dask's as is used here."""

    scheduler_address: str

    def close(self) -> None:
        """End it."""


@contextmanager
def local_cluster(*, workers: int) -> Iterator[Cluster]:
    """Workers of a thread each, which end with the block.

    Where nothing is compiled they say otherwise: else each summary had a note of that.
    """
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        with distributed.Client(cluster) as client:
            client.run(say_compiled, True)
        yield cluster


def say_compiled(is_compiled: bool) -> None:
    """Have a worker say whether it has the compiled part."""
    setattr(worker_tasks, COMPILED, is_compiled)


@contextmanager
def held_cluster(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """Workers that hold on before each file, each telling its number, while the gate is there."""
    (folder / GATE).touch()
    with local_cluster(workers=workers) as cluster:
        with distributed.Client(cluster) as client:
            client.run(_hold, folder)
        yield cluster


def _hold(folder: Path) -> None:
    def read_later(
        planned: Planned, options: ReadOptions, watch: Watch, *, opened: Opened
    ) -> ReadRecording:
        (folder / str(os.getpid())).touch()
        while (folder / GATE).exists():
            time.sleep(0.01)
        return read_recording(planned, options, watch, opened=opened)

    setattr(worker_tasks, READS, read_later)


def busy_worker(folder: Path) -> int:
    """The process of a worker that has begun."""
    for _ in range(3000):
        found = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError(folder)
