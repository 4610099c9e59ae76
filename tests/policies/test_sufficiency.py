"""What is known to have been missed leaves directions out; what may have been is said."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.policies.generate import Wanted, make_policies
from otterize_pcap.policies.observation import observe
from otterize_pcap.policies.sufficiency import duration_text, hours_of
from otterize_pcap.policies.verdict import Gates, ReasonKind
from otterize_pcap.policies.workload_policy import WorkloadPolicy
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.map_capture import map_capture
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    SECOND,
    START,
    Json,
    Seen,
    call,
    capture,
    node,
    pod,
    recording,
    service,
    snapshot,
    talk,
)

WEB, API = "10.1.0.3", "10.1.0.4"
PODS = (pod("web", WEB), pod("api", API, node="b", ports=[80]))
CALL = call(f"{WEB}:40000", f"{API}:80")
BOTH = ("Ingress", "Egress")
HOUR = 3600 * SECOND


def captured(
    seen: Iterable[Seen] = CALL, items: Iterable[Json] = PODS, nodes: str = "ab"
) -> Capture:
    """A capture of some nodes, each of which recorded all of it."""
    seen = list(seen)
    return capture(snapshot(*items), *(recording(seen, name) for name in nodes))


def verdicts(*captures: Capture, gates: Gates | None = None) -> dict[str, WorkloadPolicy]:
    """What becomes of each workload."""
    observations = [observe(map_capture(each)) for each in captures]
    made = make_policies(observations, Wanted(gates=gates or Gates()))
    return {each.workload.name: each for each in made}


def left_out(one: WorkloadPolicy, kind: ReasonKind) -> list[tuple[str, tuple[str, ...]]]:
    """The reasons of a kind, each with what it leaves out."""
    return [
        (reason.text, reason.leaves_out) for reason in one.verdict.reasons if reason.kind is kind
    ]


def test_node_that_was_not_recorded_leaves_its_workloads_out() -> None:
    """A pod's own node shows what no other does; nobody knows what was missed there."""
    found = verdicts(captured(nodes="a"))
    assert left_out(found["api"], ReasonKind.GAPS) == [("node b was not recorded", BOTH)]
    assert found["api"].policy is None
    assert left_out(found["web"], ReasonKind.GAPS) == []
    accepted = Gates(accepted=frozenset({ReasonKind.GAPS}))
    assert verdicts(captured(nodes="a"), gates=accepted)["api"].policy is not None


def test_gap_of_one_capture_is_but_time_where_another_has_none() -> None:
    """A node that failed one night takes nothing from the nights when it was recorded."""
    partly, whole = captured(nodes="a"), captured()
    found = verdicts(partly, whole)["api"]
    assert left_out(found, ReasonKind.GAPS) == [("node b was not recorded", ())]
    assert (found.verdict.captures, found.policy is not None) == (1, True)


def test_file_that_is_of_nobody_knows_which_node() -> None:
    """It is said, with the option that names it."""
    (lack, _), *_ = left_out(verdicts(captured(nodes="x"))["web"], ReasonKind.GAPS)
    assert lack == "node a was not recorded, unless as x: --node FILE=a"


def test_only_node_needs_no_name() -> None:
    """A cluster of one node has nobody else's files."""
    items = [pod("web", WEB), pod("api", API), node("a", NODE_A)]
    opened = captured(CALL, items, nodes="x")
    contents = contents_of(opened)
    only = replace(contents.snapshot, nodes=dict.fromkeys(contents.snapshot.nodes, "a"))
    found = verdicts(Capture(replace(contents, snapshot=only)))
    assert left_out(found["web"], ReasonKind.GAPS) == []


@pytest.mark.parametrize(
    ("files", "nodes", "lack"),
    [
        pytest.param({"dropped": 7}, {}, "node b dropped 7 packets", id="dropped by the kernel"),
        pytest.param({"truncated": True}, {}, "b.pcap is damaged or cut off", id="cut off"),
        pytest.param(
            {},
            {"status": NodeStatus.FAILED, "reason": "no room"},
            "node b was not captured (no room)",
            id="failed",
        ),
        pytest.param(
            {},
            {"reason": "only eth0 was recorded, which shows no call within the node"},
            "node b: only eth0 was recorded, which shows no call within the node",
            id="one interface",
        ),
    ],
)
def test_what_a_node_lacks(files: dict[str, object], nodes: dict[str, object], lack: str) -> None:
    """Of a node that was recorded in part, its workloads are not known."""
    contents = contents_of(captured())

    def marked(file: FileCoverage) -> FileCoverage:
        return replace(file, **files) if file.node == "b" else file

    known = NodeCoverage("b", NodeStatus.CAPTURED)
    contents = replace(
        contents,
        files_read=tuple(map(marked, contents.files)),
        coverage_nodes=(replace(known, **nodes),),
    )
    found = verdicts(Capture(contents))
    assert left_out(found["api"], ReasonKind.GAPS) == [(lack, BOTH)]
    assert left_out(found["web"], ReasonKind.GAPS) == []


def test_packets_that_were_not_read_may_be_anybodys() -> None:
    """Cut off before they say whose they are, they hide calls; malformed ones are said alone."""
    skipped = {"cut off in IPv4": 3, "malformed TCP": 2, "ICMP": 9}
    contents = replace(contents_of(captured()), skipped=skipped)
    assert left_out(verdicts(Capture(contents))["web"], ReasonKind.GAPS) == [
        ("3 packets were not read: cut off in IPv4", BOTH),
        ("2 packets were not read: malformed TCP", ()),
    ]


def test_undecided_connections_leave_out_what_they_may_be() -> None:
    """Of no direction both pods' both ways; each is named."""
    found = verdicts(captured([*CALL, *talk(f"{WEB}:50000", f"{API}:50001", 1)]))
    ends = "web.app (pod web-pod) -> api.app (pod api-pod) TCP 50001"
    for name in ("web", "api"):
        ((text, directions),) = left_out(found[name], ReasonKind.UNDECIDED)
        assert text.startswith(f"1 connection undecided: {ends}: undirected")
        assert directions == BOTH
        assert found[name].policy is None


EXPOSED = service("api", "10.96.0.9", ports=[{"port": 80, "targetPort": 80, "nodePort": 30080}])


@pytest.mark.parametrize(
    ("seen", "is_known"),
    [
        pytest.param(CALL, False, id="nobody from outside"),
        pytest.param(
            [*CALL, *call("203.0.113.9:5000", f"{API}:80", 1)], True, id="a client outside"
        ),
        pytest.param(
            [*CALL, *call(f"{NODE_A}:5000", f"{API}:80", 1)], True, id="one behind another node"
        ),
        pytest.param(
            [*CALL, *call(f"{NODE_B}:5000", f"{API}:80", 1)], False, id="its own node may probe it"
        ),
    ],
)
def test_port_that_is_open_to_the_outside_waits_for_somebody(
    seen: list[Seen], is_known: bool
) -> None:
    """A NodePort is there for clients outside: without one of them ingress is not known."""
    found = verdicts(captured(seen, [*PODS, EXPOSED]))["api"]
    expected = [
        ("Service api.app opens TCP 80 to the outside, and nobody called from there", ("Ingress",))
    ]
    assert left_out(found, ReasonKind.EXPOSED) == ([] if is_known else expected)
    assert (found.policy is not None) == is_known


def test_probes_and_lookups_alone_are_no_reason_to_isolate() -> None:
    """Who was only probed, and only asked DNS, kept quiet."""
    dns = service("kube-dns", "10.96.0.10", 53, protocol="UDP", namespace="kube-system")
    dns_pod = pod("kube-dns", "10.1.0.9", namespace="kube-system")
    seen = [
        *call(f"{NODE_A}:5000", f"{WEB}:80"),
        *call(f"{WEB}:40000", "10.1.0.9:53"),
    ]
    found = verdicts(captured(seen, [*PODS, dns, dns_pod]))["web"]
    assert left_out(found, ReasonKind.QUIET) == [
        ("nobody was seen to call it but nodes", ("Ingress",)),
        ("it was not seen to call anybody but the cluster's DNS", ("Egress",)),
    ]
    assert found.policy is None


def test_pod_that_starts_meanwhile_shows_its_start() -> None:
    """A restart is seen where the pod began on a node that was being recorded."""
    items = [pod("web", WEB, start=2, ready=2), PODS[1]]
    seen = [*call(f"{API}:40000", f"{API}:81"), *call(f"{WEB}:40000", f"{API}:80", 4)]
    found = verdicts(captured(seen, items))
    assert [found[name].verdict.restarted for name in ("web", "api")] == [True, False]
    assert left_out(found["web"], ReasonKind.RESTART) == []
    ((_, directions),) = left_out(
        verdicts(captured(seen, items), gates=Gates(restart=True))["api"], ReasonKind.RESTART
    )
    assert directions == BOTH


def test_time_counts_once_however_many_recorded_it() -> None:
    """Two nodes' recordings, and two captures of one time, are one observation."""
    long = [*CALL, *call(f"{WEB}:40001", f"{API}:80", 59.9)]
    (one, two) = captured(long), captured(long)
    found = verdicts(one, two)["web"].verdict
    assert (found.observed_ns, found.captures) == (60 * SECOND, 2)
    assert found.hours == hours_of([(START, START + 60 * SECOND)])


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        ([], ()),
        ([(0, 0)], (0,)),
        ([(59 * 60 * SECOND, 61 * 60 * SECOND)], (0, 1)),
        ([(23 * HOUR, 25 * HOUR)], (0, 1, 23)),
        ([(0, 24 * HOUR)], tuple(range(24))),
        ([(5 * HOUR, 5 * HOUR), (7 * HOUR, 7 * HOUR)], (5, 7)),
    ],
)
def test_hours_of_the_day(spans: list[tuple[int, int]], hours: tuple[int, ...]) -> None:
    """Every hour that is touched, once."""
    assert hours_of(spans) == hours


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (5400, "1h30m"), (90000, "1d1h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """The two largest units."""
    assert duration_text(round(seconds * SECOND)) == text


def test_the_clouds_metadata_service_is_no_server_whose_address_may_change() -> None:
    """A server outside is one; link-local addresses are the same on every node."""
    called = [*CALL, *call(f"{WEB}:5000", "169.254.169.254:80", 1)]
    assert left_out(verdicts(captured(called))["web"], ReasonKind.OUTSIDE) == []
    called += call(f"{WEB}:5001", "203.0.113.9:443", 2)
    ((text, directions),) = left_out(verdicts(captured(called))["web"], ReasonKind.OUTSIDE)
    assert text.startswith("it called 1 server outside (203.0.113.9)")
    assert directions == ()
