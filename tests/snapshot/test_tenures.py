"""S10 to S15: who owned an address when, and what follows for a connection."""

import pytest

from otterize_pcap.addresses import parse_address
from otterize_pcap.graph.fate import Fate
from otterize_pcap.intervals import OPEN, Interval
from otterize_pcap.packets.protocols import ACK
from otterize_pcap.resolve.build_graph import HIDDEN_DNS, HIDDEN_EXTERNAL, SHOWN
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    EXTERNAL_CLIENT,
    NO_POD,
    NODE_CLIENT,
    NODE_SERVER,
    NOT_A_CALL,
    OUTSIDE_TENURE,
    Unresolved,
)
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    SECOND,
    START,
    Json,
    call,
    edges,
    fates,
    mapped,
    node,
    packet,
    pod,
    recording,
    service,
    snapshot,
    stamp,
)

SERVER = pod("server", "10.1.0.9", ports=[80])
TO_SERVER = call("10.1.0.1:40000", "10.1.0.9:80")


def tenure(made: Json, *observed: Json) -> tuple[float, float]:
    """From when to when the pod held 10.1.0.1, in seconds after `START`; infinity where open."""
    (only,) = snapshot(made, observed=observed).tenures[parse_address("10.1.0.1")]
    return seconds(only.interval.start_ns), seconds(only.interval.end_ns)


def seconds(time_ns: int) -> float:
    """Seconds after `START`."""
    return float("inf") if time_ns == OPEN else (time_ns - START) / SECOND


def seen(start: float | None, end: float | None, address: str = "10.1.0.1", **more: str) -> Json:
    """What a watch saw of pod `x-pod`."""
    times = {"start": start, "end": end}
    stamps = {key: stamp(value) for key, value in times.items() if value is not None}
    return {"uid": "app/x-pod", "ip": address, "kind": "Pod", **stamps, **more}


INF = float("inf")


@pytest.mark.parametrize(
    ("made", "observed", "expected"),
    [
        pytest.param(pod("x", "10.1.0.1", start=3, ready=5), [], (5, INF), id="sandbox ready"),
        pytest.param(pod("x", "10.1.0.1", start=3), [], (3, INF), id="startTime"),
        pytest.param(pod("x", "10.1.0.1", start=3), [seen(4, None)], (4, INF), id="first seen"),
        pytest.param(
            pod("x", "10.1.0.1", start=3, ready=5, lost=9, phase="Succeeded"),
            [],
            (5, 9),
            id="sandbox gone",
        ),
        pytest.param(
            pod("x", "10.1.0.1", start=3, finished=8, phase="Succeeded"), [], (3, 8), id="succeeded"
        ),
        pytest.param(
            pod("x", "10.1.0.1", start=3, finished=8, phase="Failed"), [], (3, 8), id="failed"
        ),
        pytest.param(
            pod("x", "10.1.0.1", start=3, finished=8), [], (3, INF), id="crash-looping keeps it"
        ),
        pytest.param(
            pod("x", "10.1.0.1", start=3, ready=5), [seen(5, 7)], (5, 7), id="deletion seen"
        ),
        pytest.param(
            pod("x", "10.1.0.1", start=3, lost=3, phase="Pending"),
            [],
            (INF, INF),
            id="no sandbox yet is no end, and no certain start",
        ),
    ],
)
def test_tenure(made: Json, observed: list[Json], expected: tuple[float, float]) -> None:
    """S10: where an interval starts and ends."""
    assert tenure(made, *observed) == expected


def test_address_that_a_pod_no_longer_has() -> None:
    """S10: a pod whose sandbox was made anew held one address, then another, as the watch saw."""
    known = snapshot(
        pod("x", "10.1.0.2", start=0, ready=6),
        observed=[seen(1, 5), seen(6, None, "10.1.0.2")],
    )
    (first,) = known.tenures[parse_address("10.1.0.1")]
    assert first.interval == Interval(START + SECOND, START + 5 * SECOND)
    assert known.tenures[parse_address("10.1.0.2")][0].interval.end_ns == OPEN


def test_host_network_pod_owns_no_address() -> None:
    """S11: the node's address is not the pod's."""
    made = pod("agent", NODE_A, host_network=True, node="a")
    assert snapshot(made).tenures == {}


def test_host_network_source_is_no_edge() -> None:
    """S14 (upstream's case): a hostNetwork pod's calls come from its node, and are nobody's."""
    known = snapshot(SERVER, pod("agent", NODE_A, host_network=True, node="a"))
    found = mapped(known, call(f"{NODE_A}:40000", "10.1.0.9:80"))
    assert edges(found) == set()
    assert fates(found) == {NODE_CLIENT: 1}


@pytest.mark.parametrize(
    ("at", "expected"),
    [(-60, set()), (60, {"client -> server:80"})],
    ids=["a minute before", "a minute after"],
)
def test_packets_around_a_pods_creation(at: float, expected: set[str]) -> None:
    """S12 (upstream's case): packets from before the pod was there are not the pod's."""
    known = snapshot(SERVER, pod("client", "10.1.0.1", start=0))
    assert edges(mapped(known, call("10.1.0.1:40000", "10.1.0.9:80", at))) == expected


TURN = (
    pod("old", "10.1.0.1", start=-100, finished=10, phase="Succeeded"),
    pod("new", "10.1.0.1", start=20),
    SERVER,
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(0, {"old -> server:80"}, id="well before"),
        pytest.param(11, {"old -> server:80"}, id="just after the end, within slack"),
        pytest.param(15, set(), id="between"),
        pytest.param(19, {"new -> server:80"}, id="just before the start, within slack"),
        pytest.param(30, {"new -> server:80"}, id="well after"),
    ],
)
def test_one_address_two_pods_in_turn(at: float, expected: set[str]) -> None:
    """S12: each connection belongs to the pod of its own time."""
    found = mapped(snapshot(*TURN), call("10.1.0.1:40000", "10.1.0.9:80", at))
    assert edges(found) == expected
    if not expected:
        assert fates(found) == {NO_POD: 1}


@pytest.mark.parametrize(("gap", "reason"), [(3, AMBIGUOUS), (9, OUTSIDE_TENURE)])
def test_address_that_changes_owner_half_way(gap: float, reason: Fate) -> None:
    """S12: a connection that outlasts the pod is nobody's; near another's start it is ambiguous."""
    known = snapshot(
        pod("old", "10.1.0.1", finished=10, phase="Succeeded"),
        pod("new", "10.1.0.1", start=10 + gap),
        SERVER,
    )
    seen = call("10.1.0.1:40000", "10.1.0.9:80", 0)
    found = mapped(known, [*seen, (packet("10.1.0.1:40000", "10.1.0.9:80", ACK, 9), 13, 1)])
    assert edges(found) == set()
    assert fates(found) == {reason: 1}


def test_ambiguity_names_the_candidates() -> None:
    """S12: two pods of two workloads that both cover the connection are named."""
    known = snapshot(pod("one", "10.1.0.1", name="p"), pod("two", "10.1.0.1", name="q"), SERVER)
    found = mapped(known, TO_SERVER, call("10.1.0.8:1", "10.1.0.9:80"))
    (ambiguous, unknown) = sorted(found.resolutions, key=str)[:2]
    assert isinstance(ambiguous, Unresolved)
    assert isinstance(unknown, Unresolved)
    names = {workload.name for workload in (*ambiguous.candidates, *unknown.candidates)}
    assert names == {"one", "two"}


def test_shared_source_leaves_others_alone() -> None:
    """S12 (upstream's case): a source address of two pods is nobody's; other edges stand."""
    known = snapshot(
        pod("one", "10.1.0.1", name="p"),
        pod("two", "10.1.0.1", name="q"),
        pod("fine", "10.1.0.2"),
        SERVER,
    )
    found = mapped(known, [*TO_SERVER, *call("10.1.0.2:40000", "10.1.0.9:80")])
    assert edges(found) == {"fine -> server:80"}


def test_two_pods_of_one_workload_are_not_ambiguous() -> None:
    """S12: which of a workload's pods it was makes no difference."""
    known = snapshot(
        pod("one", "10.1.0.1", name="p"), pod("one", "10.1.0.1", name="q", start=-50), SERVER
    )
    assert edges(mapped(known, TO_SERVER)) == {"one -> server:80"}


@pytest.mark.parametrize(("slack", "expected"), [(2.0, AMBIGUOUS), (0.5, None)])
def test_slack_is_an_option(slack: float, expected: str | None) -> None:
    """S12: `--time-slack` sets how near another workload's boundary may be."""
    known = snapshot(
        pod("old", "10.1.0.1", finished=10, phase="Succeeded"),
        pod("new", "10.1.0.1", start=11),
        SERVER,
    )
    found = mapped(
        known,
        call("10.1.0.1:40000", "10.1.0.9:80", 12),
        rules=Rules(slack_ns=round(slack * SECOND)),
    )
    assert edges(found) == (set() if expected else {"new -> server:80"})


def test_clocks_apart_are_corrected() -> None:
    """S12: what two nodes recorded tells how far apart their clocks are."""
    one, other, third = (f"10.1.0.{number}" for number in (1, 2, 3))
    known = snapshot(
        SERVER,
        pod("old", one, finished=4, phase="Succeeded"),
        pod("new", one, start=8),
        pod("same", other),
        pod("third", third),
    )
    both = [*call(f"{other}:1", "10.1.0.9:80", 0), *call(f"{third}:1", "10.1.0.9:80", 1)]
    late = [(packet, at + 6, interface) for packet, at, interface in both]
    # At second 10 by node b's clock, which is 6 s ahead: it was the old pod that called.
    late += call(f"{one}:1", "10.1.0.9:80", 8.5)
    found = mapped(known, recording(both, "a"), recording(late, "b"), ahead={"a": 0.0})
    assert edges(found) == {"old -> server:80", "same -> server:80", "third -> server:80"}
    assert found.offsets == {"b": 6 * SECOND}
    assert found.graph.coverage is not None
    assert "clock of b was +6.000 s off; corrected" in found.graph.coverage.notes


@pytest.mark.parametrize("first", ["a", "z"])
def test_clocks_that_nothing_tells_right_from_wrong(first: str) -> None:
    """S12: of two clocks apart either may be right; an end is known if both name one workload."""
    one, other = "10.1.0.1", "10.1.0.2"
    known = snapshot(
        SERVER,
        pod("old", one, finished=4, phase="Succeeded"),
        pod("new", one, start=8),
        pod("same", other),
        node("z", "192.168.0.3"),
    )
    both = call(f"{other}:1", "10.1.0.9:80", 0)
    late = [(packet, at + 6, interface) for packet, at, interface in both]
    late += call(f"{one}:1", "10.1.0.9:80", 10.5)
    found = mapped(known, recording(both, first), recording(late, "b"))
    assert edges(found) == {"same -> server:80"}
    assert fates(found)[AMBIGUOUS] == 1
    assert found.graph.coverage is not None
    assert any("nothing says which is right" in note for note in found.graph.coverage.notes)


def test_most_clocks_are_right() -> None:
    """S12: a third node that agrees with one of two says which is right."""
    known = snapshot(SERVER, pod("client", "10.1.0.1", start=8), node("c", "192.168.0.3"))
    both = call("10.1.0.1:1", "10.1.0.9:80", 10.5)
    early = [(packet, at - 6, interface) for packet, at, interface in both]
    names = ("a", "b", "c")
    found = mapped(known, *map(recording, (early, both, both), names))
    assert edges(found) == {"client -> server:80"}
    assert found.offsets == {"a": -6 * SECOND}


@pytest.mark.parametrize(
    ("ahead", "expected", "offsets"),
    [
        pytest.param({}, "new", {}, id="not measured"),
        pytest.param({"a": 60.0}, "old", {"a": 60 * SECOND}, id="off by a minute"),
        pytest.param({"a": 1.4}, "new", {}, id="off by less than can be measured"),
    ],
)
def test_clock_of_one_node(ahead: dict[str, float], expected: str, offsets: dict[str, int]) -> None:
    """S12: how far a node's clock is ahead of the API server's is removed, if it is seconds."""
    found = mapped(snapshot(*TURN), call("10.1.0.1:40000", "10.1.0.9:80", 60), ahead=ahead)
    assert edges(found) == {f"{expected} -> server:80"}
    assert found.offsets == offsets


def test_api_server_tells_which_of_two_clocks_is_off() -> None:
    """S12: handshakes tell how far two clocks are apart, the API server which one it is."""
    known = snapshot(SERVER, pod("client", "10.1.0.1"))
    late = [(packet, at + 6, interface) for packet, at, interface in TO_SERVER]
    for ahead, offsets in (
        ({}, {"b": 6 * SECOND}),
        ({"a": -6.0, "b": 0.4}, {"a": -6 * SECOND}),
        ({"a": -5.8}, {"a": -6 * SECOND}),
        ({"a": 30.0, "b": 36.0}, {"a": 30 * SECOND, "b": 36 * SECOND}),
    ):
        found = mapped(known, recording(TO_SERVER, "a"), recording(late, "b"), ahead=ahead)
        assert found.offsets == offsets


def test_single_point_in_time() -> None:
    """S13: a snapshot without a watch works, and the summary says what it is."""
    found = mapped(snapshot(SERVER, pod("client", "10.1.0.1"), watch=None), TO_SERVER)
    assert edges(found) == {"client -> server:80"}
    assert found.graph.coverage is not None
    single, hidden = found.graph.coverage.notes
    assert single.startswith("snapshot is a single point in time")
    assert hidden.startswith("no interface of a pod's own was recorded")


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        ((-10, 10), ()),
        ((500, 900), ("all packets lie outside the snapshot's time",)),
        ((-10, 3), ("packets from 2023-11-14T22:13:20",)),
    ],
)
def test_packets_outside_the_watch(watch: tuple[float, float], said: tuple[str, ...]) -> None:
    """S13: what the snapshot cannot speak for is said."""
    known = snapshot(SERVER, pod("client", "10.1.0.1"), watch=watch)
    found = mapped(known, [*TO_SERVER, *call("10.1.0.1:40001", "10.1.0.9:80", 9)])
    assert found.graph.coverage is not None
    notes = found.graph.coverage.notes
    assert len(notes) == len(said)
    assert all(note.startswith(start) for note, start in zip(notes, said, strict=True))


def test_a_mesh_s_loopback_is_no_call_and_its_tunnel_port_is_what_was_seen() -> None:
    """S27: sidecars talk on loopback; ambient traffic is pod to pod, on port 15008."""
    known = snapshot(pod("client", "10.1.0.1"), SERVER)
    inside = call("127.0.0.1:40000", "127.0.0.6:15006")
    tunnel = call("10.1.0.1:40001", "10.1.0.9:15008", 2)
    found = mapped(known, [*inside, *tunnel])
    assert edges(found) == {"client -> server:15008"}
    assert fates(found) == {NOT_A_CALL: 1, SHOWN: 1}


@pytest.mark.parametrize(
    ("on_b", "expected", "fate"),
    [
        pytest.param("exporter", {"client -> exporter:9100"}, SHOWN, id="one workload"),
        pytest.param("other", set(), AMBIGUOUS, id="two workloads"),
    ],
)
def test_address_that_every_node_has_is_no_one_node_s(
    on_b: str, expected: set[str], fate: Fate
) -> None:
    """S14: a bridge's or a DNS cache's address is that of all nodes that have it."""
    known = snapshot(
        pod("client", "10.1.0.1"),
        pod("exporter", NODE_A, host_network=True, ports=[9100], node="a"),
        pod(on_b, NODE_B, host_network=True, ports=[9100], node="b"),
    )
    found = mapped(known, call("10.1.0.1:5", "172.17.0.1:9100"), nodes={"172.17.0.1": "a b"})
    assert edges(found) == expected
    assert fates(found) == {fate: 1}


@pytest.mark.parametrize("port", [53, 9253])
def test_dns_cache_of_a_node_is_the_cluster_s_dns(port: int) -> None:
    """S45: also where it is known as a hostNetwork pod; its other ports are calls."""
    cache = pod("node-local-dns", NODE_A, host_network=True, ports=[53, 9253], node="a")
    found = mapped(
        snapshot(pod("client", "10.1.0.1"), cache),
        call("10.1.0.1:5", f"169.254.20.10:{port}"),
        nodes={"169.254.20.10": "a b"},
    )
    assert fates(found) == {HIDDEN_DNS if port == 53 else SHOWN: 1}


def test_node_address_and_declared_port_is_the_host_pod() -> None:
    """S14: as server, a node's address is the hostNetwork pod that declares the port."""
    exporter = pod("exporter", NODE_A, host_network=True, ports=[9100], node="a")
    elsewhere = pod("other", "192.168.0.2", host_network=True, ports=[9100], node="b")
    known = snapshot(pod("client", "10.1.0.1"), exporter, elsewhere)
    assert edges(mapped(known, call("10.1.0.1:1", f"{NODE_A}:9100"))) == {"client -> exporter:9100"}
    found = mapped(known, call("10.1.0.1:1", f"{NODE_A}:10250"))
    assert fates(found) == {NODE_SERVER: 1}


@pytest.mark.parametrize(
    ("api_server", "fate"),
    [
        pytest.param(NODE_A, NODE_CLIENT, id="on a node"),
        pytest.param("203.0.113.9", EXTERNAL_CLIENT, id="outside, as managed clusters have it"),
    ],
)
def test_pulling_a_capture_is_no_call(api_server: str, fate: Fate) -> None:
    """S26: it comes from the API server to a kubelet, neither of which is a pod's address."""
    exec_stream = call(f"{api_server}:40000", f"{NODE_B}:10250")
    found = mapped(snapshot(pod("client", "10.1.0.1")), exec_stream)
    assert (edges(found), fates(found)) == (set(), {fate: 1})


def test_host_port_and_saved_addresses() -> None:
    """S14: hostPorts count, and so do the local addresses that the capture saved of a node."""
    made = pod(
        "proxy", NODE_A, host_network=True, node="a", ports=[{"containerPort": 1, "hostPort": 8443}]
    )
    known = snapshot(pod("client", "10.1.0.1"), made)
    found = mapped(
        known, call("10.1.0.1:1", "10.244.0.1:8443"), nodes={"10.244.0.1": "a", NODE_A: "a"}
    )
    assert edges(found) == {"client -> proxy:8443"}


def test_two_host_pods_that_declare_a_port_are_ambiguous() -> None:
    """S14: two that declare one port cannot both have it; which it was is not guessed."""
    known = snapshot(
        pod("client", "10.1.0.1"),
        pod("one", NODE_A, host_network=True, node="a", ports=[80]),
        pod("two", NODE_A, host_network=True, node="a", ports=[80]),
    )
    assert fates(mapped(known, call("10.1.0.1:1", f"{NODE_A}:80"))) == {AMBIGUOUS: 1}


def test_dual_stack_and_mapped_addresses() -> None:
    """S15: a pod owns all its addresses; an IPv4-mapped IPv6 address is the IPv4 one."""
    known = snapshot(pod("client", ["10.1.0.1", "fd00::1"]), pod("server", ["10.1.0.9", "fd00::9"]))
    seen_by = [
        *call("[fd00::1]:1", "[fd00::9]:80"),
        *call("[::ffff:10.1.0.1]:2", "[::ffff:10.1.0.9]:81"),
    ]
    assert edges(mapped(known, seen_by)) == {"client -> server:80", "client -> server:81"}


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "[::1]", "[fe80::1]", "[ff02::1]"],
)
def test_not_calls(address: str) -> None:
    """S15: loopback, link-local, multicast and broadcast are no calls."""
    known = snapshot(pod("client", ["10.1.0.1", "fd00::1"]))
    client = "[fd00::1]:1" if ":" in address else "10.1.0.1:1"
    assert fates(mapped(known, call(client, f"{address}:80"))) == {NOT_A_CALL: 1}


@pytest.mark.parametrize(
    ("target", "fate"),
    [
        ("169.254.169.254:80", HIDDEN_EXTERNAL),
        ("169.254.20.10:53", HIDDEN_DNS),
    ],
)
def test_link_local_services_are_calls(target: str, fate: Fate) -> None:
    """S15, S45: the metadata service is external, a node-local DNS cache is the cluster's DNS."""
    known = snapshot(pod("client", "10.1.0.1"))
    assert fates(mapped(known, call("10.1.0.1:1", target))) == {fate: 1}


def test_services_have_intervals() -> None:
    """S10: a ClusterIP that one Service had before another is told apart by time."""
    known = snapshot(
        pod("client", "10.1.0.1"),
        pod("one", "10.1.0.2"),
        pod("two", "10.1.0.3"),
        service("one", "10.96.0.1"),
        service("two", "10.96.0.1"),
        observed=[
            {
                "uid": "one",
                "kind": "Service",
                "ip": "10.96.0.1",
                "start": stamp(-9),
                "end": stamp(5),
            },
            {"uid": "two", "kind": "Service", "ip": "10.96.0.1", "start": stamp(10)},
        ],
    )
    assert edges(mapped(known, call("10.1.0.1:1", "10.96.0.1:80", 0))) == {"client -> one:80"}
    assert edges(mapped(known, call("10.1.0.1:1", "10.96.0.1:80", 20))) == {"client -> two:80"}
