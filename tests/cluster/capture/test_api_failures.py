"""Every request of a capture, failing in every way: one line, the right exit code, a clean-up.

`make soak` runs the whole table; `make test` every other field of it, as on a chessboard, so that
each request and each fault is met several times.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from otterize_pcap.cluster.api import kubeconfig as kubeconfig_module
from otterize_pcap.cluster.api import waiting
from otterize_pcap.cluster.api.waiting import Waiting
from otterize_pcap.cluster.capture import cleanup, collect, follow, pull, run
from otterize_pcap.errors import OtterizeError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, read_manifest

# As `otterize capture` asks them, in the order of their first time.
BEFORE = [
    ("GET", "version"),
    ("POST", "selfsubjectaccessreviews"),
    ("list", "nodes"),
    ("list", "pods"),
    ("get", "namespaces"),
    ("create", "pods"),
    ("list", "services"),
    ("list", "replicasets"),
]
WHILE = [
    ("watch", "pods"),
    ("watch", "replicasets"),
    ("create", "jobs"),
    ("get", "pods/log"),
    ("get", "pods/exec"),
]
AFTER = [("list", "jobs"), ("delete", "jobs")]
FAULTS: list[int | str] = [401, 403, 404, 409, 410, 429, 500, "hang", "close", "nonsense"]


def table(requests: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Requests and faults to run a test with."""
    fields = [
        (verb, resource, fault)
        for row, (verb, resource) in enumerate(requests)
        for column, fault in enumerate(FAULTS)
        if (row + column) % 2 == 0 or "OTTERIZE_SOAK" in os.environ
    ]
    return pytest.mark.parametrize(("verb", "resource", "fault"), fields)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch, fault: int | str) -> None:
    """All patience is a third of a second, but for what a busy machine may take to answer."""
    monkeypatch.setattr(cleanup, "RETRY_S", 0.3)
    monkeypatch.setattr(cleanup, "GONE_S", 0.3)
    monkeypatch.setattr(run, "CREATE_RETRY_S", 0.3)
    monkeypatch.setattr(collect, "STATE_PATIENCE_S", 0.3)
    monkeypatch.setattr(follow, "LATE_S", 3.0)
    monkeypatch.setattr(follow, "OUTAGE_S", 0.3)
    monkeypatch.setattr(pull, "FRUITLESS_TRIES", 2)
    monkeypatch.setattr(waiting, "SAY_AFTER_S", 0.1)

    def waiting_less(_seconds: float, say: Callable[[str], None]) -> Waiting:
        return Waiting(1.5 if fault == "hang" else 5.0, say)

    monkeypatch.setattr(kubeconfig_module, "Waiting", waiting_less)


def capture(api: FakeApi, run: Run, tmp_path: Path) -> tuple[int, str, str]:
    """Exit code, message and stderr of a capture; anything but our errors is raised."""
    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))
    if result.exception is not None and not isinstance(result.exception, OtterizeError):
        raise result.exception
    message = "" if result.exception is None else str(result.exception)
    code = 0 if result.exception is None else result.exception.exit_code
    assert "\n" not in message
    assert "Traceback" not in result.stderr, result.stderr
    return code, message, result.stderr


def heal(api: FakeApi) -> None:
    """Let everything work again."""
    api.faults.before = lambda _method, _path: None
    api.faults.failing.clear()


@table(BEFORE)
def test_before_anything_is_created(
    api: FakeApi, run: Run, tmp_path: Path, verb: str, resource: str, fault: int | str
) -> None:
    """A preflight that fails is exit 4, says of what, creates nothing and leaves no directory."""
    api.faults.failing[verb, resource] = fault

    code, message, _ = capture(api, run, tmp_path)

    heal(api)
    tolerated: dict[tuple[str, str], set[int | str]] = {
        # Owners degrade to their names (S3), and who may not read namespaces need not.
        ("list", "replicasets"): {401, 403, 404, 409, 410, 429, 500},
        ("get", "namespaces"): {403},
        ("create", "pods"): {"nonsense"},
    }
    if fault in tolerated.get((verb, resource), set()):
        assert (code, message) == (0, "")
    else:
        assert code == 4
        assert message
        assert "create" not in {c.verb for c in api.calls if c.resource == "jobs"}
        assert not (tmp_path / "out").exists()
    assert_clean(api)


@table(WHILE)
def test_while_recording(
    api: FakeApi,
    run: Run,
    tmp_path: Path,
    verb: str,
    resource: str,
    fault: int | str,
) -> None:
    """Failures meanwhile are the nodes' reasons; the manifest is there, and nothing is left."""
    api.faults.failing[verb, resource] = fault
    needed = (verb, resource) in {("create", "jobs"), ("get", "pods/exec")}

    code, message, _ = capture(api, run, tmp_path)

    heal(api)
    manifest = read_manifest(tmp_path / "out")
    # A 409 says that the Job was made before; without it no pod comes.
    assert code == (4 if needed else 0), message
    for node in manifest.nodes:
        assert (node.status == "captured") == (code == 0)
        assert (node.reason is None) == (code == 0)
    assert_clean(api)


@table(AFTER)
def test_while_cleaning_up(
    api: FakeApi, run: Run, tmp_path: Path, verb: str, resource: str, fault: int | str
) -> None:
    """A clean-up that fails is exit 5 and the command; the capture is whole nevertheless."""

    def fail_from_here(method: str, path: str) -> None:
        if (method == "GET" and path.endswith("default/jobs")) or method == "DELETE":
            api.faults.failing[verb, resource] = fault

    api.faults.before = fail_from_here

    code, message, _ = capture(api, run, tmp_path)

    heal(api)
    assert {node.status for node in read_manifest(tmp_path / "out").nodes} == {"captured"}
    if (verb, fault) in {("delete", 404), ("delete", "nonsense")}:
        return  # it is gone already; or so the server says, and the pods are there still
    assert code == 5
    assert " delete jobs -n default -l " in message
