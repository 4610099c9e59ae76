"""Kubelets that die or hang: their nodes fail with the reason, and cost the others nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture import collect, follow
from otterize_pcap.errors import ClusterError, PartialCaptureError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, capture_pods, nodes_of
from tests.cluster.fake_kubelet import ScriptedRuntime


def dead_kubelet(api: FakeApi) -> None:
    """From now on neither logs nor exec reach node2, and the API server says why."""
    sick = next(n for n in api.listed("nodes") if n["metadata"]["name"] == "node2")
    condition = {"type": "Ready", "status": "Unknown", "message": "no word from it since 10:00"}
    api.update("nodes", "", "node2", status=sick["status"] | {"conditions": [condition]})
    (dead,) = pods_on(api, "node2")
    dial = 'Get "https://10.0.0.2:10250/": dial tcp 10.0.0.2:10250: connect: connection refused'
    api.faults.refusals += [("GET", f"{dead}/(log|exec)", 500, dial)]


def pods_on(api: FakeApi, node: str) -> list[str]:
    """A node's capture pods."""
    return [
        pod["metadata"]["name"]
        for pod in api.listed("pods")
        if pod["metadata"].get("annotations", {}).get("capture.otterize.com/node") == node
    ]


def when_pulled(api: FakeApi, node: str, then: Callable[[], object]) -> None:
    """Do something once a node's files are asked for: till then its own time is not short."""
    execute, seen = api.kubelet.execute, threading.Event()

    def told(name: str, words: list[str], *given: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        if words[0] == "dd" and name in pods_on(api, node) and not seen.is_set():
            seen.set()
            then()
        return execute(name, words, *given)

    api.kubelet.execute = told  # type: ignore[method-assign]  # to look


@pytest.mark.parametrize("moment", ["recording", "pulling"])
def test_dead_kubelet_is_the_reason(
    api: FakeApi,
    scripted: ScriptedRuntime,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """A kubelet that dies meanwhile fails its node with what the API server says of it."""
    monkeypatch.setattr(collect, "STATE_PATIENCE_S", 0.3)
    when_pulled(api, "node1", lambda: monkeypatch.setattr(follow, "LATE_S", 0.5))
    scripted.done.clear()
    killed = threading.Event()

    def before(method: str, path: str) -> None:
        ready = moment == "recording" or (path.endswith("/exec") and scripted.done.is_set())
        if method == "GET" and len(capture_pods(api)) == 2 and ready and not killed.is_set():
            killed.set()
            dead_kubelet(api)
            scripted.done.set()

    api.faults.before = before
    if moment == "pulling":
        scripted.done.set()

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError), result.output
    found = nodes_of(tmp_path / "out")
    assert found["node1"].status == "captured"
    assert found["node2"].reason is not None
    assert "10.0.0.2:10250: connect: connection refused" in found["node2"].reason
    assert "its node is not Ready: no word from it since 10:00" in found["node2"].reason
    assert_clean(api)


def test_hanging_node_holds_up_itself_alone(
    api: FakeApi,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node whose requests hang fails by itself; the other is pulled while it still hangs."""
    hung, over = threading.Event(), threading.Event()
    answered: list[str] = []
    at_pull: list[tuple[bool, int]] = []

    def before(method: str, path: str) -> None:
        if method == "GET" and any(f"/{pod}/" in path for pod in pods_on(api, "node2")):
            hung.set()
            over.wait(60)
            answered.append(path)
        elif path.endswith("/log"):
            hung.wait(60)

    def pulling() -> None:
        at_pull.append((hung.is_set(), len(answered)))
        monkeypatch.setattr(follow, "LATE_S", 0.5)

    api.faults.before = before
    when_pulled(api, "node1", pulling)
    words = ("capture", "--duration", "1s", "--request-timeout", "10m")

    result = run(api, *words, "-o", str(tmp_path / "out"))

    assert at_pull == [(True, 0)]
    assert answered == []
    over.set()
    assert isinstance(result.exception, PartialCaptureError)
    assert nodes_of(tmp_path / "out")["node1"].status == "captured"
    assert "its kubelet does not answer" in (nodes_of(tmp_path / "out")["node2"].reason or "")
    assert_clean(api)


def test_recording_that_never_ends_says_what_it_said(
    api: FakeApi,
    scripted: ScriptedRuntime,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A recording that goes on after its time fails with the last that it said."""
    monkeypatch.setattr(follow, "LATE_S", 0.4)
    scripted.done.clear()
    scripted.lines = "capture: recording 9s bytes=1 packets=1 dropped=0\ncapture: odd\n"

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "still not ready 0 s after its time; the last that it said: capture: odd" in str(
        result.exception
    )
