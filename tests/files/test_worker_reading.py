"""Files read by the workers of a real Dask cluster of processes: the same, whatever befalls one."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest

from otterize_pcap.errors import CaptureError, ClusterError, UsageError
from otterize_pcap.files import worker_reading
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.read_recording import ReadRecording, Watch, read_recording
from otterize_pcap.files.recordings import Planned
from otterize_pcap.files.worker_reading import read_by_workers, read_file, state_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, TUTORIAL, WHOLE, graph_of

COMPILED, READS, GATE = "FAST_PATH", "read_recording", "gate"
FORCED = Rules(force=True)
distributed: Any = import_module("distributed")


class Cluster(Protocol):
    """As much of Dask's as is used here."""

    scheduler_address: str

    def close(self) -> None:
        """End it."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two workers, each a process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def by_workers(cluster: Cluster) -> ReadOptions:
    """How to read by them."""
    return ReadOptions(scheduler=cluster.scheduler_address)


@pytest.mark.parametrize("capture", WHOLE, ids=lambda path: path.name)
def test_every_scenario_maps_as_without_workers(capture: Path, by_workers: ReadOptions) -> None:
    """Byte for byte, tunnels, coverage and names from payloads too."""
    options = replace(by_workers, collect_names=True)
    assert graph_of([capture], (), options, EVERYTHING) == graph_of(
        [capture], (), ALL_NAMES, EVERYTHING
    )


def test_parts_of_one_recording_and_damage(tmp_path: Path, by_workers: ReadOptions) -> None:
    """Rotated files are joined here; one that is none costs itself, in the same words."""
    content = (TUTORIAL / "pcap" / "node-a.pcap").read_bytes()
    (tmp_path / "node-a_00001.pcap").write_bytes(content[: len(content) // 2])
    (tmp_path / "node-a_00002.pcap").write_bytes(content[:24] + b"no record at all")
    (tmp_path / "node-a_00003.pcap").write_bytes(b"nothing known")
    snapshot = [TUTORIAL / "snapshot.json"]
    assert graph_of([tmp_path], snapshot, by_workers) == graph_of([tmp_path], snapshot)


def test_a_worker_of_another_version_is_named(
    by_workers: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules of decoding may be others."""
    monkeypatch.setattr(worker_reading, "__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"and this is 0\.0\.1; install one version everywhere"):
        graph_of([TUTORIAL], (), by_workers)


def test_workers_without_the_compiled_part_are_told_of(
    cluster: Cluster, by_workers: ReadOptions
) -> None:
    """All is right, only slower."""
    with distributed.Client(cluster) as client:
        client.run(_say_compiled, False)
        try:
            (capture,) = open_captures([TUTORIAL], None, by_workers)
        finally:
            client.run(_say_compiled, FAST_PATH)
    coverage = graph_capture(capture, FORCED).coverage
    assert coverage is not None
    assert worker_reading.SLOW in coverage.notes


def _say_compiled(is_compiled: bool) -> None:
    setattr(worker_reading, COMPILED, is_compiled)


def test_a_file_that_changes_is_an_error(tmp_path: Path) -> None:
    """Whatever was listed is what is read."""
    path = tmp_path / "a.pcap"
    path.write_bytes((TUTORIAL / "pcap" / "node-a.pcap").read_bytes())
    listed = state_of(path)
    os.utime(path, ns=(0, 0))
    answer = read_file("node-a", path, listed, ReadOptions(), None)
    assert isinstance(answer.error, CaptureError)
    assert "another file than the one that was listed" in str(answer.error)


def test_nobody_answers() -> None:
    """A scheduler that is not there is one line, and what to look at."""
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9: no answer"):
        graph_of([TUTORIAL], (), ReadOptions(scheduler="tcp://127.0.0.1:9"))


def test_standard_input_is_nobodys_but_ours(by_workers: ReadOptions) -> None:
    """Workers have another one."""
    with pytest.raises(UsageError, match="workers cannot read what is piped in"):
        read_by_workers([Planned("node-a", (STDIN,))], by_workers)


def test_a_worker_that_is_killed_is_done_without(tmp_path: Path) -> None:
    """Another one reads its file from the beginning."""
    with held_cluster(tmp_path, workers=2) as cluster, ThreadPoolExecutor(1) as pool:
        options = ReadOptions(scheduler=cluster.scheduler_address)
        result = pool.submit(graph_of, [TUTORIAL], (), options, FORCED)
        os.kill(busy_worker(tmp_path), signal.SIGKILL)
        (tmp_path / GATE).unlink()
        assert result.result(timeout=60) == graph_of([TUTORIAL])


def test_a_scheduler_that_is_lost_is_a_clear_error(tmp_path: Path) -> None:
    """In the middle of a file; nothing waits for ever."""
    with held_cluster(tmp_path, workers=1) as cluster, ThreadPoolExecutor(1) as pool:
        options = ReadOptions(scheduler=cluster.scheduler_address)
        result = pool.submit(graph_of, [TUTORIAL], (), options, FORCED)
        busy_worker(tmp_path)
        cluster.close()
        with pytest.raises(ClusterError, match=f"--scheduler {cluster.scheduler_address}: "):
            result.result(timeout=60)


@contextmanager
def held_cluster(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """Workers that hold on before each file, each telling its number, while the gate is there."""
    (folder / GATE).touch()
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        with distributed.Client(cluster) as client:
            client.run(_hold, folder)
        yield cluster


def _hold(folder: Path) -> None:
    def read_later(planned: Planned, options: ReadOptions, watch: Watch) -> ReadRecording:
        (folder / str(os.getpid())).touch()
        while (folder / GATE).exists():
            time.sleep(0.01)
        return read_recording(planned, options, watch)

    setattr(worker_reading, READS, read_later)


def busy_worker(folder: Path) -> int:
    """The process of a worker that has begun."""
    for _ in range(3000):
        found = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError(folder)
