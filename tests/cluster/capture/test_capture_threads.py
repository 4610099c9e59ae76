"""A capture where there may be few threads: nothing is left on the cluster, whatever it came to."""

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture.preflight import check_filter
from otterize_pcap.errors import ClusterError, UsageError
from otterize_pcap.snapshot.kinds import KINDS
from otterize_pcap.threads import ADVICE
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, nodes_of
from tests.hostile.few_threads import bound_threads

WATCH = "watch-"


@pytest.mark.parametrize("limit", [0, 3])
def test_cluster_that_cannot_be_watched(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Each kind takes a thread: it ends before anything is on the cluster, and says what to do."""
    bound_threads(
        monkeypatch,
        lambda bound, name: (
            name.startswith(WATCH) and sum(WATCH in each.name for each in bound.begun) < limit
        ),
    )

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert str(result.exception) == (
        f"watching the cluster takes {len(KINDS)} threads, and no more than {limit} can be begun; "
        f"{ADVICE}"
    )
    assert not (tmp_path / "out").exists()
    assert not [call for call in api.calls if call.verb == "create" and call.resource == "jobs"]
    assert_clean(api)


@pytest.mark.parametrize("others", [0, 1, 4])
def test_capture_by_few_threads(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """What else is done beside is done one after the other then: creating, asking and pulling."""
    bound = bound_threads(
        monkeypatch,
        lambda bound, name: name.startswith(WATCH) or bound.alive < len(KINDS) + others,
    )

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert [found.status for found in nodes_of(tmp_path / "out").values()] == ["captured"] * 2
    assert bound.refused
    assert_clean(api)


@pytest.mark.parametrize("step", ["create jobs", "get log", "exec", "delete jobs"])
def test_threads_that_run_out_meanwhile(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """From some request on nobody gets a thread: the capture is made, and cleaned up."""
    ran_out = threading.Event()
    paths = {
        "create jobs": ("POST", "/jobs"),
        "get log": ("GET", "/log"),
        "exec": ("GET", "/exec"),
        "delete jobs": ("DELETE", ""),
    }
    wanted, ending = paths[step]

    def before(method: str, path: str) -> None:
        if method == wanted and path.endswith(ending):
            ran_out.set()

    monkeypatch.setattr(api.faults, "before", before)
    bound = bound_threads(monkeypatch, lambda _, __: not ran_out.is_set())

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert [found.status for found in nodes_of(tmp_path / "out").values()] == ["captured"] * 2
    assert bound.refused
    assert_clean(api)


def test_snapshot_needs_no_thread(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lists are asked for one after the other."""
    bound = bound_threads(monkeypatch, lambda _, __: False)

    result = run(api, "snapshot", "-o", str(tmp_path / "snapshot.json"))

    assert result.exit_code == 0, result.output
    assert b"checkout" in (tmp_path / "snapshot.json").read_bytes()
    assert bound.refused


def test_filter_is_left_to_the_pod_where_nothing_else_may_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To try it here takes a process; with one, a wrong filter is refused here."""
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    with pytest.raises(UsageError):
        check_filter("no filter")

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr(subprocess, "run", refuse)
    check_filter("no filter")
