"""Objects of a real S3 server read by a real Dask cluster's workers, whatever befalls either."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.errors import StoreError, UsageError
from otterize_pcap.files import file_pieces, object_path, object_store
from otterize_pcap.files.object_path import named_path
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.table.chunk import ReadOptions
from tests.command_tree import run_here
from tests.dask_workers import (
    GATE,
    Cluster,
    busy_worker,
    distributed,
    held_cluster,
    local_cluster,
)
from tests.object_servers import (
    Asked,
    Fault,
    Proxy,
    environment,
    https_server,
    no_fault,
    put,
    s3_server,
    upload,
)
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, TUTORIAL, WHOLE, graph_here, graph_of

FORCED = Rules(force=True)
CAPTURE = "s3://bkt/tutorial-before"
OTHER = "pcap/node-b.pcap"
SNAPSHOT = TUTORIAL / "snapshot.json"
SOME = [*WHOLE[::12], TUTORIAL]
PATIENCE, FIND, SHORT_S = "PATIENCE_S", "import_module", 4.0


@pytest.fixture(scope="module")
def store() -> Iterator[Proxy]:
    """Some scenarios in a bucket."""
    with s3_server() as proxy:
        put(proxy, "bkt")
        for scenario in SOME:
            upload(proxy, scenario, f"bkt/{scenario.name}")
        yield proxy


@pytest.fixture
def s3(store: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The store; it may be slow where much else runs, so that only who hangs is given up early."""
    for name, value in environment(store).items():
        monkeypatch.setenv(name, value)
    object_path.forget()
    store.meddler = no_fault
    return store


@pytest.fixture(scope="module")
def cluster(store: Proxy) -> Iterator[Cluster]:
    """Two workers that have the store in their environment."""
    with local_cluster(workers=2) as cluster:
        with distributed.Client(cluster) as client:
            client.run(_prepare, environment(store))
        yield cluster


def _prepare(variables: dict[str, str]) -> None:
    os.environ.update(variables)


def _wait_for(seconds: float) -> None:
    """How long a worker waits for the store from now on."""
    setattr(object_store, PATIENCE, seconds)
    object_path.forget()


@pytest.fixture
def by_workers(cluster: Cluster, s3: Proxy) -> ReadOptions:
    """How to read by them, from the store; nothing is left of other tests."""
    assert s3.meddler is no_fault
    with distributed.Client(cluster) as client:
        client.run(object_path.forget)
    return ReadOptions(scheduler=cluster.scheduler_address)


@pytest.mark.parametrize("capture", SOME, ids=lambda path: path.name)
@pytest.mark.parametrize("pieces", [4, 1], ids=["in pieces", "at once"])
def test_a_scenario_maps_as_its_files_do(
    capture: Path, by_workers: ReadOptions, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker opens the URL itself; names from payloads are read from files at once."""
    largest = max(path.stat().st_size for path in (capture / "pcap").iterdir())
    monkeypatch.setattr(file_pieces, "PIECE", largest // pieces)
    url = f"s3://bkt/{capture.name}"
    names = pieces == 1
    options = replace(by_workers, collect_names=names)
    found = graph_of([named_path(url)], (), options, EVERYTHING)
    assert found.replace(url, str(capture)) == graph_here(
        capture, ALL_NAMES if names else ReadOptions(), EVERYTHING
    )


def test_the_client_reads_beginnings_alone(
    cluster: Cluster, s3: Proxy, by_workers: ReadOptions, tmp_path: Path
) -> None:
    """What is behind them is for workers, pieces by their ranges; so is the hash."""
    content = (TUTORIAL / "pcap" / "node-a.pcap").read_bytes()
    content += content[24:] * 100
    (tmp_path / "node-a.pcap").write_bytes(content)
    put(s3, "bkt/big/node-a.pcap", content)
    s3.asked.clear()
    with distributed.Client(cluster) as client:
        client.run(_refuse_network)
        try:
            with pytest.raises(StoreError, match="no answer"):
                graph_of([named_path("s3://bkt/big/node-a.pcap")], [SNAPSHOT], by_workers)
            begins = {asked.begin for asked in s3.asked if asked.path.endswith("big/node-a.pcap")}
            assert begins <= {None, 0}
        finally:
            client.run(_allow_network, environment(s3))


def _refuse_network() -> None:
    os.environ["AWS_ENDPOINT"] = "http://127.0.0.1:9"
    object_path.forget()


def _allow_network(variables: dict[str, str]) -> None:
    os.environ.update(variables)
    object_path.forget()


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(cut_to=3), Fault(wait_s=0.2)],
    ids=["busy", "cut off", "slow"],
)
def test_faults_that_pass_change_nothing(s3: Proxy, by_workers: ReadOptions, fault: Fault) -> None:
    """Workers try again, each for itself."""
    times: dict[str, int] = {}

    def meddle(asked: Asked) -> Fault | None:
        times[asked.path] = times.get(asked.path, 0) + 1
        # The first one is the client's, which looks what it is.
        return fault if asked.path.endswith(".pcap") and times[asked.path] in (2, 3) else None

    s3.meddler = meddle
    found = graph_of([named_path(CAPTURE)], (), by_workers, FORCED)
    assert found.replace(CAPTURE, str(TUTORIAL)) == graph_of([TUTORIAL], (), ReadOptions(), FORCED)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=503), r"no whole answer \(status 503\)"),
        (Fault(cut_to=3), "no answer after 5 tries"),
        (Fault(status=403), "may not be read; set AWS_ACCESS_KEY_ID"),
        (Fault(headers={"etag": '"another"'}), "another file than the one that was listed"),
    ],
)
def test_an_object_that_cannot_be_read_ends_it(
    s3: Proxy, by_workers: ReadOptions, fault: Fault, reason: str
) -> None:
    """With the worker's reason, and nothing of its environment."""
    times: dict[str, int] = {}

    def meddle(asked: Asked) -> Fault | None:
        times[asked.path] = times.get(asked.path, 0) + 1
        return fault if asked.path.endswith(OTHER) and times[asked.path] > 1 else None

    s3.meddler = meddle
    with pytest.raises(StoreError, match=f"^{CAPTURE}/{OTHER}: {reason}"):
        graph_of([named_path(CAPTURE)], (), by_workers, FORCED)


def test_an_object_that_does_not_come_ends_it(
    cluster: Cluster, s3: Proxy, by_workers: ReadOptions
) -> None:
    """Workers give it up in time; the client waits for the store as long as ever."""
    times: dict[str, int] = {}

    def meddle(asked: Asked) -> Fault | None:
        times[asked.path] = times.get(asked.path, 0) + 1
        hangs = asked.path.endswith(OTHER) and times[asked.path] > 1
        return Fault(wait_s=SHORT_S + 2) if hangs else None

    s3.meddler = meddle
    with distributed.Client(cluster) as client:
        client.run(_wait_for, SHORT_S)
        try:
            with pytest.raises(StoreError, match=f"{OTHER}: no answer after 5 tries, or 4 seconds"):
                graph_of([named_path(CAPTURE)], (), by_workers, FORCED)
        finally:
            client.run(_wait_for, object_store.PATIENCE_S)


def test_an_object_that_changes_between_listing_and_reading(
    s3: Proxy, by_workers: ReadOptions
) -> None:
    """Workers are told which one was listed, and the store is asked for that one."""
    content = (TUTORIAL / OTHER).read_bytes()
    seen: list[Asked] = []

    def replaced(asked: Asked) -> Fault | None:
        if asked.path.endswith(OTHER):
            seen.append(asked)
            if len(seen) == 2:
                s3.meddler = no_fault
                put(s3, f"bkt/tutorial-before/{OTHER}", content[:-1] + b"\0")
        return None

    s3.meddler = replaced
    try:
        with pytest.raises(StoreError, match=f"{OTHER}: another file than the one"):
            graph_of([named_path(CAPTURE)], (), by_workers, FORCED)
    finally:
        put(s3, f"bkt/tutorial-before/{OTHER}", content)


def test_a_worker_without_obstore_is_told_of(cluster: Cluster, by_workers: ReadOptions) -> None:
    """One line that says where, and what to install."""
    with distributed.Client(cluster) as client:
        client.run(_uninstall, True)
        try:
            with pytest.raises(UsageError, match=r"^on a worker: s3://.*: URLs need obstore"):
                graph_of([named_path(CAPTURE)], (), by_workers, FORCED)
        finally:
            client.run(_uninstall, False)


def _uninstall(is_gone: bool) -> None:
    def not_installed(name: str) -> object:
        raise ImportError(name)

    import importlib  # noqa: PLC0415 - in the worker

    setattr(object_store, FIND, not_installed if is_gone else importlib.import_module)
    object_path.forget()


def test_a_worker_that_is_killed_is_done_without(s3: Proxy, tmp_path: Path) -> None:
    """Another one reads the object from its beginning."""
    assert s3.meddler is no_fault
    with held_cluster(tmp_path, workers=2) as cluster, ThreadPoolExecutor(1) as pool:
        with distributed.Client(cluster) as client:
            client.run(_prepare, environment(s3))
        options = ReadOptions(scheduler=cluster.scheduler_address)
        result = pool.submit(graph_of, [named_path(CAPTURE)], (), options, FORCED)
        os.kill(busy_worker(tmp_path), signal.SIGKILL)
        (tmp_path / GATE).unlink()
        found = result.result(timeout=120).replace(CAPTURE, str(TUTORIAL))
        assert found == graph_of([TUTORIAL], (), ReadOptions(), FORCED)


def test_signed_urls_go_to_workers_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By `--scheduler local:N`, whose processes have this one's environment."""
    signed = "X-Signature=marked"
    with https_server(TUTORIAL, tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        object_path.forget()
        url = f"https://localhost:{server.server_address[1]}/pcap/node-a.pcap?{signed}"
        line = ("intents", "list", "-v", url, "--snapshot", str(SNAPSHOT))
        assert run_here(*line, "--scheduler", "local:1") == 0
        by_url = capfd.readouterr()
        assert {each.path for each in server.asked} == {f"/pcap/node-a.pcap?{signed}"}
    assert "marked" not in "".join(by_url)
    assert run_here(*line[:3], str(TUTORIAL / "pcap/node-a.pcap"), *line[4:]) == 0
    assert by_url.out == capfd.readouterr().out
