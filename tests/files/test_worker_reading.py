"""Files read by the workers of a real Dask cluster of processes: the same, whatever befalls one."""

import logging
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.errors import CaptureError, ClusterError, UsageError
from otterize_pcap.files import file_pieces, manifest_files, worker_reading
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.file_pieces import joined_pieces
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.recordings import Planned
from otterize_pcap.files.worker_reading import read_by_workers
from otterize_pcap.files.worker_tasks import SentPiece, Task, read_file, state_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureTable
from tests.command_tree import run_here
from tests.dask_workers import (
    GATE,
    Cluster,
    busy_worker,
    distributed,
    held_cluster,
    local_cluster,
    say_compiled,
)
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, TUTORIAL, WHOLE, graph_here, graph_of

FORCED = Rules(force=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two workers, each a process."""
    with local_cluster(workers=2) as cluster:
        yield cluster


@pytest.fixture
def by_workers(cluster: Cluster) -> ReadOptions:
    """How to read by them."""
    return ReadOptions(scheduler=cluster.scheduler_address)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Cut files at every KB or so; says of each cut one whether its pieces fitted."""
    fitted: list[bool] = []

    def joined(
        name: str, path: Path, sent: Sequence[SentPiece], options: ReadOptions
    ) -> CaptureTable | None:
        found = joined_pieces(name, path, sent, options)
        fitted.append(found is not None)
        return found

    monkeypatch.setattr(file_pieces, "PIECE", 1 << 10)
    monkeypatch.setattr(worker_reading, "joined_pieces", joined)
    return fitted


@pytest.mark.parametrize("capture", WHOLE, ids=lambda path: path.name)
def test_every_scenario_maps_as_without_workers(capture: Path, by_workers: ReadOptions) -> None:
    """Byte for byte, tunnels, coverage and names from payloads too."""
    options = replace(by_workers, collect_names=True)
    assert graph_of([capture], (), options, EVERYTHING) == graph_here(
        capture, ALL_NAMES, EVERYTHING
    )


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("capture", WHOLE, ids=lambda path: path.name)
def test_every_scenario_maps_in_pieces(capture: Path, by_workers: ReadOptions) -> None:
    """Byte for byte, wherever its files are cut, and with all rules that need no payload."""
    assert graph_of([capture], (), by_workers, EVERYTHING) == graph_here(
        capture, ReadOptions(), EVERYTHING
    )


def test_scenarios_are_really_cut(by_workers: ReadOptions, small_pieces: list[bool]) -> None:
    """Most of their files; where a guess was wrong, the file was read again at once."""
    some = WHOLE[::10]
    for capture in some:
        graph_of([capture], (), by_workers, FORCED)
    assert small_pieces.count(True) >= len(some)


@pytest.mark.parametrize("piece", [1 << 10, 1 << 30])
def test_workers_hash_what_they_read(
    tmp_path: Path, by_workers: ReadOptions, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a manifest lists is compared by them, also of a file in pieces; here nothing is read."""
    shutil.copytree(TUTORIAL, tmp_path / "cap")
    changed = tmp_path / "cap" / "pcap" / "node-a.pcap"
    content = bytearray(changed.read_bytes())
    content[40] ^= 1
    changed.write_bytes(content)
    here = graph_of([tmp_path / "cap"], (), ReadOptions(), FORCED)
    assert "another content than manifest.json lists (SHA-256)" in here
    monkeypatch.setattr(file_pieces, "PIECE", piece)
    monkeypatch.setattr(manifest_files, "difference", None)
    assert graph_of([tmp_path / "cap"], (), by_workers, FORCED) == here


@pytest.mark.parametrize(
    "words",
    [("connections",), ("connections", "--legs"), ("connections", "-n", "default"), ("graph",)],
    ids=" ".join,
)
def test_commands_take_a_scheduler(
    words: tuple[str, ...], by_workers: ReadOptions, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same output and summary, also of the table itself."""
    line = (*words, str(TUTORIAL))
    assert run_here(*line) == 0
    here = capfd.readouterr()
    assert run_here(*line, "--scheduler", by_workers.scheduler) == 0
    assert capfd.readouterr() == here


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
        client.run(say_compiled, False)
        try:
            (capture,) = open_captures([TUTORIAL], None, by_workers)
        finally:
            client.run(say_compiled, True)
    coverage = graph_capture(capture, FORCED).coverage
    assert coverage is not None
    assert worker_reading.SLOW in coverage.notes


def test_a_file_that_changes_is_an_error(tmp_path: Path) -> None:
    """Whatever was listed is what is read."""
    path = tmp_path / "a.pcap"
    path.write_bytes((TUTORIAL / "pcap" / "node-a.pcap").read_bytes())
    listed = state_of(path)
    os.utime(path, ns=(0, 0))
    answer = read_file(Task("node-a", path, listed), ReadOptions(), None)
    assert isinstance(answer.error, CaptureError)
    assert "another file than the one that was listed" in str(answer.error)


def test_nobody_answers() -> None:
    """A scheduler that is not there is one line, and what to look at."""
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9: no answer"):
        graph_of([TUTORIAL], (), ReadOptions(scheduler="tcp://127.0.0.1:9"))


@pytest.mark.parametrize(
    "address",
    ["tcp://scheduler", "tcp://scheduler:x", "tcp://:8786", "tcp://me:secret@host:1", "http://h:1"],
)
def test_what_is_no_address_of_a_scheduler(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what is; who wrote a password sees it nowhere again."""
    assert run_here("intents", "list", str(TUTORIAL), "--scheduler", address) == 2
    told = capsys.readouterr().err
    assert told.endswith(": expected local:N, as local:4, or tcp://HOST:PORT\n")
    assert told.count("\n") == 1
    assert "secret" not in told


def test_tls_without_certificates_is_a_clear_error() -> None:
    """Dask's own configuration names them."""
    with pytest.raises(UsageError, match=r"tls://127\.0\.0\.1:9: tls:// needs certificates"):
        graph_of([TUTORIAL], (), ReadOptions(scheduler="tls://127.0.0.1:9"))


def test_a_client_logs_nothing_and_then_as_before(
    by_workers: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that is lost is one line of ours, and no traceback of Dask's beside it."""
    loggers = [logging.getLogger(name) for name in worker_reading.LOGS]
    before = [logger.level for logger in loggers]
    during: list[bool] = []

    def begun(*_: object) -> None:
        during.extend(logger.isEnabledFor(logging.ERROR) for logger in loggers)
        raise OSError

    monkeypatch.setattr(worker_reading, "_begun", begun)
    with pytest.raises(ClusterError, match="no answer, or lost on the way"):
        graph_of([TUTORIAL], (), by_workers)
    assert during == [False] * len(loggers)
    assert [logger.level for logger in loggers] == before
    assert logging.getLogger("distributed.client").isEnabledFor(logging.ERROR)


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


def test_a_slow_worker_is_waited_for(tmp_path: Path) -> None:
    """What it makes counts as all else does; the others go on meanwhile."""
    with held_cluster(tmp_path, workers=2) as cluster, ThreadPoolExecutor(1) as pool:
        options = ReadOptions(scheduler=cluster.scheduler_address)
        result = pool.submit(graph_of, [TUTORIAL], (), options, FORCED)
        busy_worker(tmp_path)
        wait([result], timeout=1)
        assert not result.done()
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
