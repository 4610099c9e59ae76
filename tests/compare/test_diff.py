"""What separates two graphs (S65)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from otterize_pcap.compare.diff import Change, GraphDiff, NotSeen, diff_graphs
from otterize_pcap.compare.ignore_rules import parse_ignore_rules
from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    Call,
    Coverage,
    External,
    FileCoverage,
    NodeCoverage,
    ServiceGraph,
    Use,
    Workload,
    declared_use,
)
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.render.diff_text import render_diff
from otterize_pcap.render.list_text import render_list
from otterize_pcap.timestamps import SECOND_NS
from tests.conftest import FIXTURES, Otterize
from tests.lab.views import uplink_of
from tests.strategies import graphs, laws

API, KAFKA = Workload("api", "shop", "Deployment"), Workload("kafka", "shop", "StatefulSet")


def use(port: int, connections: int = 1, protocol: str = "TCP") -> Use:
    """Some connections to a port."""
    return Use(
        protocol, port, connections, (1, 1), (1, 1), 1, 2, (("established", connections),), ()
    )


def lasting(seconds: float, **more: object) -> Coverage:
    """A capture of one whole file that lasted so long."""
    whole = FileCoverage("a.pcap", "a", 9, 0, int(seconds * SECOND_NS))
    return Coverage((replace(whole, **more),))


@laws
@given(graphs())
def test_nothing_separates_a_graph_from_itself(graph: ServiceGraph) -> None:
    """diff(a, a) is empty, and prints nothing."""
    diff = diff_graphs(graph, graph)
    assert diff.is_empty
    assert (diff.unchanged, diff.not_seen) == (graph.calls, ())
    assert render_diff(diff) == ""


@laws
@given(graphs(), graphs())
def test_mirror(old: ServiceGraph, new: ServiceGraph) -> None:
    """diff(a, b) is diff(b, a) with the sides exchanged."""
    there, back = diff_graphs(old, new), diff_graphs(new, old)
    assert (there.added, there.removed) == (back.removed, back.added)
    assert [(change.old, change.new) for change in there.changed] == [
        (change.new, change.old) for change in back.changed
    ]
    both = {(call.client, call.server) for call in there.unchanged}
    assert both == {(call.client, call.server) for call in back.unchanged}


@laws
@given(graphs(), graphs())
def test_every_call_is_in_one_place(old: ServiceGraph, new: ServiceGraph) -> None:
    """Added, changed and unchanged make the new graph; the others come from the old one."""
    diff = diff_graphs(old, new)
    changed = tuple(change.new for change in diff.changed)
    assert sorted(map(repr, (*diff.added, *changed, *diff.unchanged))) == sorted(
        map(repr, new.calls)
    )
    gone = {(call.client, call.server) for call in diff.removed}
    kept = {(call.client, call.server) for call in new.calls}
    assert gone == {(call.client, call.server) for call in old.calls} - kept


@laws
@given(graphs(), graphs())
def test_text_is_the_new_list_with_marks(old: ServiceGraph, new: ServiceGraph) -> None:
    """Without its marks and removed lines, the text lists the servers of the new state."""
    text = render_diff(diff_graphs(old, new))
    shown = [
        line[2:].partition(" (")[0]
        for line in text.splitlines()
        if line[0:1] in ("+", " ", "~") and line[2:].startswith("  - ")
    ]
    listed = [
        line.partition(" (")[0] for line in render_list(new).splitlines() if line[:4] == "  - "
    ]
    assert not text or shown == listed


def test_changed_calls_say_how() -> None:
    """Ports, status and declared details each count as a change."""
    old = Call(API, KAFKA, uses=(use(9092),))
    new = Call(API, KAFKA, ATTEMPTED, uses=(use(9092), use(9093)))
    diff = diff_graphs(ServiceGraph((old,)), ServiceGraph((new,)))
    reasons = ("established → attempted", "ports TCP 9092 → TCP 9092, TCP 9093")
    assert diff == GraphDiff(changed=(Change(old, new, reasons),))
    assert render_diff(diff) == (
        "  api calls:\n"
        "~   - kafka (attempted) (established → attempted; ports TCP 9092 → TCP 9092, TCP 9093)\n"
    )


@pytest.mark.parametrize(
    ("declared", "same"),
    [
        pytest.param((), True, id="no ports known"),
        pytest.param((declared_use("", 9092),), True, id="protocol not known"),
        pytest.param((declared_use("TCP", 9092),), True, id="same port"),
        pytest.param((declared_use("UDP", 9092),), False, id="other protocol"),
        pytest.param((declared_use("", 9093),), False, id="other port"),
    ],
)
def test_ports_count_where_both_sides_know_them(declared: tuple[Use, ...], same: bool) -> None:
    """A document may leave out ports, or their protocol."""
    seen = ServiceGraph((Call(API, KAFKA, uses=(use(9092),)),))
    said = ServiceGraph((Call(API, KAFKA, uses=declared, details=("path /a",)),))
    assert diff_graphs(said, seen).is_empty is same


def test_details_count_between_documents() -> None:
    """What two documents say beyond names is compared; traffic has no such words."""
    old = ServiceGraph((Call(API, KAFKA, details=("name t, operations consume",)),))
    new = ServiceGraph((Call(API, KAFKA, details=("name t, operations produce",)),))
    [change] = diff_graphs(old, new).changed
    assert change.reasons == ("-name t, operations consume; +name t, operations produce",)


UNNAMED = ServiceGraph((Call(Workload("api", ""), Workload("kafka", "")),))


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(UNNAMED, id="namespace and kind"),
        pytest.param(
            ServiceGraph((Call(Workload("api", "shop"), Workload("kafka", "shop")),)), id="kind"
        ),
        pytest.param(
            ServiceGraph(
                (Call(Workload("api", "", "Deployment"), Workload("kafka", "", "StatefulSet")),)
            ),
            id="namespace",
        ),
    ],
)
def test_what_is_left_out_matches_the_only_candidate(left_out: ServiceGraph) -> None:
    """A document without namespace or kind means the other side's only workload of that name."""
    seen = ServiceGraph((Call(API, KAFKA, uses=(use(9092),)),))
    assert diff_graphs(left_out, seen).is_empty
    assert diff_graphs(seen, left_out).is_empty


@pytest.mark.parametrize("turn", [False, True], ids=["document first", "capture first"])
def test_several_candidates_are_an_error(turn: bool) -> None:
    """Which of two workloads is meant is never guessed."""
    other = replace(API, namespace="prod")
    seen = ServiceGraph((Call(API, KAFKA), Call(other, KAFKA)))
    sides = (seen, UNNAMED) if turn else (UNNAMED, seen)
    with pytest.raises(GraphFormatError) as caught:
        diff_graphs(*sides)
    assert str(caught.value) == (
        "api: could be Deployment prod/api or Deployment shop/api on the other side; "
        "add metadata.namespace and the kind to the document"
    )


def test_same_names_in_two_namespaces_stay_two() -> None:
    """Only the call that is missing is removed, and both namespaces are named."""
    other = replace(API, namespace="prod")
    old = ServiceGraph((Call(other, KAFKA), Call(API, KAFKA)))
    diff = diff_graphs(old, ServiceGraph((Call(API, KAFKA),)))
    assert render_diff(diff) == (
        "- api.prod calls:\n-   - kafka.shop\n\n  api.shop calls:\n    - kafka\n"
    )
    assert render_diff(diff, changes_only=True) == "- api.prod calls:\n-   - kafka.shop\n"


SEEN_ONCE = ServiceGraph((Call(API, KAFKA, uses=(use(9092),)),), lasting(60))


@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        pytest.param(None, None, id="document"),
        pytest.param(lasting(60), None, id="as long"),
        pytest.param(lasting(30), None, id="half as long"),
        pytest.param(
            lasting(29),
            "the capture lasted 29.0 s, the one that showed it 60.0 s",
            id="too short",
        ),
        pytest.param(lasting(60, truncated=True), "a.pcap is damaged or cut off", id="cut off"),
        pytest.param(lasting(60, dropped=2), "2 packets were dropped while capturing", id="drops"),
        pytest.param(lasting(60, packets=0), "the capture holds no packets", id="no packets"),
        pytest.param(
            replace(lasting(60), nodes=(NodeCoverage("b", NodeStatus.FAILED, "Pending"),)),
            "node b was not captured (Pending)",
            id="node not captured",
        ),
        pytest.param(
            replace(
                lasting(60), nodes=(NodeCoverage("b", NodeStatus.CAPTURED, "stopped at 1 MB"),)
            ),
            "node b: stopped at 1 MB",
            id="node cut short",
        ),
    ],
)
def test_removed_only_where_coverage_could_have_shown_it(
    coverage: Coverage | None, reason: str | None
) -> None:
    """Else the call was not seen, which is no difference (S65)."""
    diff = diff_graphs(SEEN_ONCE, ServiceGraph((), coverage))
    if reason is None:
        assert diff == GraphDiff(removed=SEEN_ONCE.calls)
        return
    assert diff == GraphDiff(not_seen=(NotSeen(SEEN_ONCE.calls[0], (reason,)),))
    assert diff.is_empty
    assert render_diff(diff) == "  api calls:\n?   - kafka\n"


WORKER = Workload("worker", "shop", "Deployment")


@pytest.mark.parametrize(
    ("missed", "server", "known"),
    [
        pytest.param((API, KAFKA), KAFKA, False, id="both ends had pods there"),
        pytest.param((API, WORKER), KAFKA, True, id="the server's nodes were all captured"),
        pytest.param((KAFKA, WORKER), KAFKA, True, id="the client's nodes were all captured"),
        pytest.param((WORKER,), KAFKA, True, id="neither had pods there"),
        pytest.param((), KAFKA, True, id="nobody had pods there"),
        pytest.param(None, KAFKA, False, id="nobody knows who had"),
        pytest.param((API, Workload("kafka", "else")), KAFKA, True, id="a namesake elsewhere"),
        pytest.param((API,), External("a.example"), False, id="outside: the client's node alone"),
        pytest.param((WORKER,), External("a.example"), True, id="outside, from elsewhere"),
        pytest.param((API,), Workload("k", "d", "Service"), False, id="who is behind a Service?"),
    ],
)
def test_node_hides_only_calls_between_its_pods(
    missed: tuple[Workload, ...] | None, server: Workload | External, known: bool
) -> None:
    """Every other call would have shown on the node of its other end (S65)."""
    node = NodeCoverage("b", NodeStatus.FAILED, "Pending", workloads=missed)
    files = lasting(60).files
    old = ServiceGraph((Call(API, server, uses=(use(9092, connections=60),)),), lasting(60))
    new = ServiceGraph((), replace(lasting(60), files=files, nodes=(node,)))
    assert bool(diff_graphs(old, new).removed) is known
    read = decode_graph(encode_graph(new).encode(), "x")
    assert diff_graphs(old, read) == diff_graphs(old, new)


@pytest.mark.parametrize("change", [{"truncated": True}, {"dropped": 5}])
def test_damage_hides_only_calls_between_pods_of_its_node(change: dict[str, Any]) -> None:
    """The same of a file's cut-off end, and of packets that the kernel dropped."""
    often = ServiceGraph((Call(API, KAFKA, uses=(use(9092, connections=60),)),), lasting(60))
    for workloads in ((API, KAFKA), (API, WORKER)):
        files = (replace(lasting(60).files[0], node="b", **change),)
        node = NodeCoverage("b", NodeStatus.CAPTURED, workloads=workloads)
        coverage = replace(lasting(60), files=files, nodes=(node,))
        diff = diff_graphs(often, ServiceGraph((), coverage))
        assert bool(diff.removed) is (KAFKA not in workloads)


def without_node_b(folder: Path) -> Path:
    """A recorded capture of two nodes of which one could not be captured."""
    path = folder / "capture"
    shutil.copytree(FIXTURES / "two-nodes", path)
    (path / "pcap" / "node-b.pcap").unlink()
    manifest = json.loads((path / "manifest.json").read_text())
    for node in manifest["nodes"]:
        if node["name"] == "node-b":
            node.update(status="failed", reason="Pending")
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def test_without_a_watch_nobody_knows_who_was_on_a_missing_node(
    otterize: Otterize, tmp_path: Path
) -> None:
    """A pod that came and went there is missing from a snapshot of one moment."""
    path = without_node_b(tmp_path)
    snapshot = json.loads((path / "snapshot.json").read_text())
    for key in ("watchStart", "watchEnd", "observed"):
        del snapshot["otterize"][key]
    (path / "snapshot.json").write_text(json.dumps(snapshot))
    graph = json.loads(otterize("intents", "list", path, "--format", "graph", "-q").stdout)
    assert all("workloads" not in node for node in graph["coverage"]["nodes"])


def test_one_interface_shows_no_call_within_a_node(otterize: Otterize, tmp_path: Path) -> None:
    """What was captured on eth0 alone says nothing of calls between pods of one node."""
    path = tmp_path / "capture"
    shutil.copytree(FIXTURES / "two-nodes", path, ignore=shutil.ignore_patterns("pcap"))
    shutil.copytree(uplink_of(FIXTURES / "two-nodes"), path / "pcap")
    manifest = json.loads((path / "manifest.json").read_text())
    nodes = [node | {"files": [], "packets": {}} for node in manifest["nodes"]]
    recorded = {"interface": "eth0", "nodes": nodes}
    (path / "manifest.json").write_text(json.dumps(manifest | recorded))
    done = otterize("diff", FIXTURES / "two-nodes", path, "--format", "json", "-q")
    found = json.loads(done.stdout)
    assert (done.returncode, found["removed"]) == (0, [])
    reason = "only eth0 was recorded, which shows no call within the node"
    assert found["notSeen"]
    assert all(reason in why for entry in found["notSeen"] for why in entry["reasons"])


def test_recorded_capture_with_a_node_missing(otterize: Otterize, tmp_path: Path) -> None:
    """What the snapshot says of a node that was not captured decides which calls are unknown."""
    path = without_node_b(tmp_path)
    graph = json.loads(otterize("intents", "list", path, "--format", "graph", "-q").stdout)
    nodes = {node["name"]: node.get("workloads") for node in graph["coverage"]["nodes"]}
    snapshot = json.loads((path / "snapshot.json").read_text())
    there = {
        item["metadata"]["labels"]["app"]
        for item in snapshot["items"]
        if item["kind"] == "Pod" and item["spec"]["nodeName"] == "node-b"
    }
    assert {workload["name"] for workload in nodes.pop("node-b")} == there
    assert set(nodes.values()) == {None}


def test_frequent_calls_are_missed_sooner() -> None:
    """A call of every second that a short capture does not show is removed."""
    often = ServiceGraph((Call(API, KAFKA, uses=(use(9092, connections=60),)),), lasting(60))
    assert diff_graphs(often, ServiceGraph((), lasting(3))).removed == often.calls
    assert diff_graphs(often, ServiceGraph((), lasting(2))).removed == ()


def test_times_of_nodes_count_before_those_of_packets() -> None:
    """A quiet capture lasted as long as its nodes were recorded."""
    node = NodeCoverage("a", NodeStatus.CAPTURED, start_ns=0, end_ns=60 * SECOND_NS)
    quiet = replace(lasting(1), nodes=(node,))
    assert diff_graphs(SEEN_ONCE, ServiceGraph((), quiet)).removed == SEEN_ONCE.calls


def test_hostile_names_cannot_draw_on_the_terminal() -> None:
    """Control characters and line ends are shown as escapes, in a list and in a diff."""
    hostile = Workload("\x1b[2J\nevil calls:", "shop", "Pod")
    graph = ServiceGraph((Call(hostile, External("a\u202eb")),))
    expected = "\\x1b[2J\\nevil calls: calls:\n  - a\\u202eb\n"
    assert render_list(graph) == expected
    assert render_diff(diff_graphs(ServiceGraph(), graph)) == "".join(
        f"+ {line}\n" for line in expected.splitlines()
    )


def test_ignore_rules() -> None:
    """A rule is two patterns, for a bare name or one with its namespace."""
    rules = parse_ignore_rules("# probes\n*.shop -> kafka # and Kafka\n\napi -> *.com\n", "x")
    [first, second] = rules
    assert first.matches(Call(API, KAFKA))
    assert not first.matches(Call(replace(API, namespace="prod"), KAFKA))
    assert second.matches(Call(API, External("example.com")))
    assert not second.matches(Call(API, KAFKA))


def test_kinds_are_named_only_where_they_tell_workloads_apart() -> None:
    """Two kinds of one name show theirs; a Service does only beside its own workload."""
    stateful, service = replace(API, kind="StatefulSet"), replace(KAFKA, kind="Service")
    web, job = Workload("web", "shop", "Deployment"), Workload("job", "shop", "Job")
    calls = (
        Call(API, KAFKA),
        Call(stateful, service),
        Call(job, API),
        Call(web, service),
        Call(web, KAFKA),
    )
    assert render_list(ServiceGraph(calls)) == (
        "api (Deployment) calls:\n  - kafka\n\n"
        "api (StatefulSet) calls:\n  - kafka\n\n"
        "job calls:\n  - api (Deployment)\n\n"
        "web calls:\n  - kafka (Service)\n  - kafka (StatefulSet)\n"
    )
