"""What goes wrong on clusters, and what `otterize capture` makes of it."""

import time
from pathlib import Path

import pytest

from otterize_pcap.errors import ClusterError, PartialCaptureError
from tests.cluster.capture_process import CaptureProcess
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    Run,
    StartApi,
    assert_clean,
    capture_pods,
    node,
    nodes_of,
    soon,
)
from tests.cluster.fake_kubelet import ProcessRuntime, ScriptedRuntime
from tests.cluster.script_runs import FAKE


def only(api: FakeApi, name: str) -> None:
    """Leave one node in the cluster."""
    for found in api.listed("nodes"):
        if found["metadata"]["name"] != name:
            api.remove("nodes", "", found["metadata"]["name"])


# --- nodes ------------------------------------------------------------------------------------


def test_pending_node_does_not_stop_the_others(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A pod that is never scheduled fails its node with the scheduler's words; the rest is kept."""
    api.kubelet.unschedulable.add("node2")

    result = run(
        api, "capture", "--duration", "1s", "--pending-timeout", "3s", "-o", str(tmp_path / "out")
    )

    assert isinstance(result.exception, PartialCaptureError)
    found = nodes_of(tmp_path / "out")
    assert found["node1"].status == "captured"
    assert found["node2"].status == "failed"
    assert found["node2"].reason is not None
    assert "not started within 3 s: Unschedulable: 0/2 nodes are available" in found["node2"].reason
    assert result.stdout == "calls of out\n"
    assert_clean(api)


def test_image_pull_error_is_told(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """An image that cannot be pulled fails every node, with the kubelet's words."""
    api.kubelet.missing_images.add("localhost/nosuch:1")

    result = run(
        api, "capture", "--image", "localhost/nosuch:1", "--pending-timeout", "1s",
        "-o", str(tmp_path / "out"),
    )  # fmt: skip

    assert isinstance(result.exception, ClusterError)
    assert 'ImagePullBackOff: Back-off pulling image "localhost/nosuch:1"' in str(result.exception)
    assert_clean(api)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("refuse", "tcpdump refuses the filter or interface"),
        ("die", "tcpdump ended by itself after "),
    ],
    ids=["refused-filter", "tcpdump-killed"],
)
def test_trouble_inside_the_pod(
    start_api: StartApi, run: Run, tmp_path: Path, behaviour: str, reason: str
) -> None:
    """What the script finds wrong reaches the manifest in its own words."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tcpdump").write_bytes(FAKE.read_bytes())
    (tools / "tcpdump").chmod(0o755)
    (tools / "behaviour").write_text(behaviour)
    (tmp_path / "pods").mkdir()
    api = start_api(ProcessRuntime(tmp_path / "pods", tools))
    only(api, "node1")

    result = run(api, "capture", "--duration", "30s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, (ClusterError, PartialCaptureError))
    (found,) = nodes_of(tmp_path / "out").values()
    assert found.reason is not None
    assert reason in found.reason
    assert found.status == ("failed" if behaviour == "refuse" else "captured")
    assert_clean(api)


def test_windows_and_unready_nodes_are_recorded(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A Windows node is skipped with its reason; a node that is not Ready makes it partial."""
    api.add("nodes", node("win1", system="windows"))
    api.add("nodes", node("sick1", ready=False))

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError)
    found = nodes_of(tmp_path / "out")
    assert (found["win1"].status, found["win1"].reason) == (
        "skipped",
        "its operating system is windows",
    )
    assert found["sick1"].status == "skipped"
    assert "not Ready" in (found["sick1"].reason or "")


def test_windows_alone_is_not_partial(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """No capture could have had a Windows node: skipping it is no failure."""
    api.add("nodes", node("win1", system="windows"))

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output


# --- other hands --------------------------------------------------------------------------------


def test_pod_evicted(
    start_api: StartApi, scripted: ScriptedRuntime, run: Run, tmp_path: Path
) -> None:
    """An evicted pod fails its node with the eviction's words."""
    scripted.done.clear()
    api = start_api(scripted)
    only(api, "node1")
    message = 'Usage of EmptyDir volume "capture" exceeds the limit "32Mi". '
    soon(lambda: api.kubelet.evict(capture_pods(api)[0], message), when=lambda: capture_pods(api))

    result = run(api, "capture", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    (found,) = nodes_of(tmp_path / "out").values()
    assert found.reason == f"Evicted: {message.strip()}"
    assert_clean(api)


def test_job_deleted_by_someone_else(
    start_api: StartApi, scripted: ScriptedRuntime, run: Run, tmp_path: Path
) -> None:
    """A Job that vanishes fails its node at once, not after the duration."""
    scripted.done.clear()
    api = start_api(scripted)
    only(api, "node1")
    soon(
        lambda: api.delete_job("default", api.listed("jobs")[0]["metadata"]["name"]),
        when=lambda: capture_pods(api),
    )
    began = time.monotonic()

    result = run(api, "capture", "--duration", "10m", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "deleted by someone else" in str(result.exception)
    assert time.monotonic() - began < 60
    assert_clean(api)


def test_two_captures_at_once(
    start_api: StartApi, scripted: ScriptedRuntime, tmp_path: Path
) -> None:
    """Two captures of the same nodes neither collide nor delete each other's Jobs."""
    scripted.done.clear()
    api = start_api(scripted)
    words = ("--duration", "1s")
    captures = [CaptureProcess(api, tmp_path / name, *words) for name in ("one", "two")]

    captures[0].until(lambda: len(capture_pods(api)) == 4)
    scripted.done.set()

    for capture in captures:
        code, output = capture.end()
        assert code == 0, output
        assert [found.status for found in nodes_of(capture.out).values()] == ["captured"] * 2
    assert_clean(api)
