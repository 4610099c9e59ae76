"""Snapshots over time: `otterize snapshot`, the watches behind it and the intervals out of it."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.snapshot.watch import SnapshotWatch
from otterize_pcap.errors import ClusterError, UsageError
from tests.awaiting import until
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, pod, tiny_app
from tests.cluster.snapshot.conftest import document


def held(snapshot: SnapshotWatch) -> dict[str, tuple[str, str | None]]:
    """Name to address and whether its hold has ended."""
    return {
        entry["name"]: (entry["ip"], "ended" if entry["end"] else None)
        for entry in document(snapshot)["otterize"]["observed"]
    }


# --- the command ----------------------------------------------------------------------------------


def test_snapshot_is_a_kubernetes_list(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """S13: one look gives a List that any Kubernetes tool reads, with a single point in time."""
    result = run(api, "snapshot", "-o", str(tmp_path / "snapshot.json"))

    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "snapshot.json").read_text())
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert [(item["kind"], item["metadata"]["name"]) for item in found["items"]] == [
        ("Namespace", "default"),
        ("Namespace", "shop"),
        ("Node", "node1"),
        ("Node", "node2"),
        ("Pod", "checkout"),
    ]
    (entry,) = found["otterize"]["observed"]
    assert (entry["kind"], entry["ip"], entry["start"], entry["end"]) == (
        "Pod",
        "10.244.1.5",
        "2026-11-23T05:00:00Z",
        None,
    )


def test_snapshot_to_stdout(api: FakeApi, run: Run) -> None:
    """`-o -` writes the document, and only it, to stdout."""
    result = run(api, "snapshot", "-o", "-")

    assert json.loads(result.stdout)["kind"] == "List"


def test_snapshot_watches_for_a_while(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """--watch takes as long as it is told to, and says from when to when."""
    began = time.monotonic()

    run(api, "snapshot", "--watch", "1s", "-o", str(tmp_path / "snapshot.json"))

    assert time.monotonic() - began >= 1.0
    times = json.loads((tmp_path / "snapshot.json").read_text())["otterize"]
    assert times["watchStart"] < times["watchEnd"]


def test_snapshot_without_output_is_a_usage_error(api: FakeApi, run: Run) -> None:
    """Without -o there is nothing to write to."""
    assert isinstance(run(api, "snapshot").exception, UsageError)


def test_subcommands_live_beside_it(tmp_path: Path) -> None:
    """The group's own subcommands are reached without a cluster."""
    result = CliRunner().invoke(tiny_app(), ["snapshot", "inspect", str(tmp_path)])

    assert result.stdout == f"inspecting {tmp_path}\n"


def test_unreadable_pods_are_an_error(api: FakeApi, cluster: Cluster) -> None:
    """Without pods there is no snapshot."""
    api.denied.add(("list", "pods"))

    with pytest.raises(ClusterError, match='cannot list resource "pods"'):
        SnapshotWatch(cluster).start()


# --- the watch ------------------------------------------------------------------------------------


def test_pod_that_lives_for_seconds_is_known(api: FakeApi, watch: SnapshotWatch) -> None:
    """S10: a pod that comes and goes during the watch stays, with its interval."""
    api.add("pods", pod("brief", "10.244.1.77"))
    until(lambda: "brief" in held(watch))
    api.remove("pods", "shop", "brief")
    until(lambda: held(watch)["brief"][1])

    watch.stop()

    assert held(watch) == {"brief": ("10.244.1.77", "ended"), "checkout": ("10.244.1.5", None)}
    assert "brief" in {item["metadata"]["name"] for item in document(watch)["items"]}


@pytest.mark.parametrize("fault", ["410-event", "cut", "compacted-and-cut"])
def test_watch_goes_on_after(api: FakeApi, cluster: Cluster, fault: str) -> None:
    """410 Gone, a broken connection, or both: nothing is missed, deletions included."""
    api.add("pods", pod("doomed", "10.244.1.66"))
    if fault == "410-event":
        api.faults.expired_watches = 12
    else:
        api.faults.watch_breaks_after = 1
    snapshot = SnapshotWatch(cluster)
    snapshot.start()

    api.add("pods", pod("first", "10.244.1.60"))
    if fault == "compacted-and-cut":
        api.compact()
    api.remove("pods", "shop", "doomed")
    api.add("pods", pod("second", "10.244.1.61"))
    until(lambda: {"first", "second"} <= held(snapshot).keys() and held(snapshot)["doomed"][1])
    snapshot.stop()

    assert held(snapshot)["first"] == ("10.244.1.60", None)


def test_large_lists_come_in_pages(api: FakeApi, cluster: Cluster) -> None:
    """More objects than a page holds are all listed."""
    for number in range(1100):
        api.add("pods", pod(f"p{number}", f"10.1.{number // 250}.{number % 250}"))
    snapshot = SnapshotWatch(cluster)

    snapshot.start(watch=False)

    assert len(held(snapshot)) == 1101


def test_server_clock_is_used(api: FakeApi, cluster: Cluster) -> None:
    """Times come from the API server's clock, not from ours."""
    api.clock_ahead = 7200.0
    snapshot = SnapshotWatch(cluster)

    cluster.get("/version")
    snapshot.start(watch=False)

    written = document(snapshot)["otterize"]["takenAt"]
    assert abs(cluster.clock.ahead - 7200) < 2
    assert written > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7000))
