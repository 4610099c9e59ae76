"""S20 to S24: one connection in many recordings, and what Services stand for."""

import itertools
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.build_graph import SHOWN, Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    EXTERNAL_CLIENT,
    NO_POD,
    NODE_CLIENT,
    NODE_SERVER,
    UNDIRECTED,
)
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    OUTSIDE,
    Seen,
    call,
    conntrack,
    datagrams,
    edges,
    endpoint_slice,
    entry,
    fates,
    mapped,
    packet,
    pod,
    recording,
    service,
    snapshot,
    talk,
)

CLIENT, OTHER, ONE, TWO = "10.1.0.1", "10.1.0.2", "10.1.0.8", "10.1.0.9"
VIP = "10.96.0.1"
PODS = (
    pod("client", CLIENT),
    pod("other", OTHER),
    pod("one", ONE, labels={"app": "s"}, ports=[8080]),
    pod("two", TWO, name="two", labels={"app": "s"}, ports=[8080]),
)


def cluster(*more: object) -> Snapshot:
    """Service `s` with a pod of workload `one` and a pod of workload `two` behind it."""
    return snapshot(*PODS, service("s", VIP, 80, target=8080, nodePort=None), *more)  # type: ignore[arg-type]


def node_port(**more: object) -> Snapshot:
    """The same Service with NodePort 30080 and more addresses."""
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080}]
    return snapshot(*PODS, service("s", VIP, ports=ports, **more))  # type: ignore[arg-type]


def test_joined_leg_decides_the_backend() -> None:
    """S20b, S21: of two workloads behind a ClusterIP, the leg after DNAT tells which it was."""
    seen = [
        *call(f"{CLIENT}:5", f"{VIP}:80", isn=7, answer=9),
        *call(f"{CLIENT}:5", f"{TWO}:8080", 0.0001, isn=7, answer=9, interface=2),
    ]
    found = mapped(cluster(), seen)
    assert edges(found) == {"client -> two:8080"}
    (resolution,) = found.resolutions
    assert resolution.connection.joined_by == ("S20b",)
    assert found.graph.calls[0].uses[0].services == ("s.app",)


def test_counts_come_from_the_fullest_leg() -> None:
    """S21: packets and bytes are those of one recording, never a sum over recordings."""
    seen = [
        *call(f"{CLIENT}:5", f"{VIP}:80", isn=7, answer=9)[:3],
        *call(f"{CLIENT}:5", f"{TWO}:8080", 0.0001, isn=7, answer=9, interface=2),
        *call(f"{CLIENT}:5", f"{TWO}:8080", 0.0002, isn=7, answer=9, interface=3),
    ]
    (use,) = mapped(cluster(), seen).graph.calls[0].uses
    assert (use.connections, use.packets, use.bytes) == (1, (2, 2), (120, 120))


def test_cluster_ip_alone_with_one_workload() -> None:
    """S21: without the leg after DNAT, one workload behind all backends is enough."""
    known = snapshot(
        pod("client", CLIENT),
        pod("s", ONE),
        pod("s", TWO, name="s2"),
        service("s", VIP, target=8080),
    )
    assert edges(mapped(known, call(f"{CLIENT}:5", f"{VIP}:80"))) == {"client -> s:8080"}


def test_cluster_ip_alone_with_two_workloads() -> None:
    """S21: two workloads behind a Service whose other leg nobody saw are ambiguous."""
    found = mapped(cluster(), call(f"{CLIENT}:5", f"{VIP}:80"))
    assert edges(found) == set()
    assert fates(found) == {AMBIGUOUS: 1}


def test_backend_that_is_no_known_pod_decides_nothing() -> None:
    """S21: where an endpoint is nobody that the snapshot knows, the rest is no proof."""
    known = snapshot(
        pod("client", CLIENT),
        pod("one", ONE),
        service("s", VIP),
        endpoint_slice("s", [ONE, "10.1.0.77"]),
    )
    found = mapped(known, call(f"{CLIENT}:5", f"{VIP}:80"))
    assert fates(found) == {NO_POD: 1}


def test_endpoint_slices_win_over_the_selector() -> None:
    """S21: what EndpointSlices list is behind a Service, whatever its selector matches."""
    known = snapshot(*PODS, service("s", VIP), endpoint_slice("s", [TWO], 8080))
    assert edges(mapped(known, call(f"{CLIENT}:5", f"{VIP}:80"))) == {"client -> two:8080"}


def test_named_target_port() -> None:
    """S21: a targetPort by name is that port of the pod's container."""
    named = {"name": "http", "containerPort": 8081}
    known = snapshot(
        pod("client", CLIENT), pod("s", ONE, ports=[named]), service("s", VIP, target="http")
    )
    assert edges(mapped(known, call(f"{CLIENT}:5", f"{VIP}:80"))) == {"client -> s:8081"}


def test_one_load_balancer_address_two_services() -> None:
    """S22 (upstream's case): Services that share an address are told apart by port."""
    balancer = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    known = snapshot(
        pod("client", CLIENT),
        pod("one", ONE),
        pod("two", TWO),
        service("one", "10.96.0.1", 80, status=balancer),
        service("two", "10.96.0.2", 443, status=balancer),
    )
    seen = [*call(f"{CLIENT}:5", "192.0.2.1:80"), *call(f"{CLIENT}:6", "192.0.2.1:443")]
    assert edges(mapped(known, seen)) == {"client -> one:80", "client -> two:443"}


def test_external_address() -> None:
    """S21: externalIPs are a Service's addresses too."""
    known = snapshot(
        pod("client", CLIENT), pod("one", ONE), service("one", VIP, externalIPs=["192.0.2.7"])
    )
    assert edges(mapped(known, call(f"{CLIENT}:5", "192.0.2.7:80"))) == {"client -> one:80"}


def test_client_behind_masquerade_is_recovered() -> None:
    """S20b, S22: through a NodePort, address and port both changed: both ISNs still join."""
    seen = [
        *call(f"{CLIENT}:5", f"{NODE_B}:30080", isn=7, answer=9),
        *call(f"{NODE_B}:61234", f"{ONE}:8080", 0.0001, isn=7, answer=9, interface=2),
    ]
    found = mapped(node_port(), seen)
    assert edges(found) == {"client -> one:8080"}
    assert found.graph.calls[0].uses[0].services == ("s.app",)


def test_client_outside_stays_outside() -> None:
    """S22, S51: who comes in through a NodePort from outside never becomes a client."""
    seen = [
        *call(f"{OUTSIDE}:5", f"{NODE_B}:30080", isn=7, answer=9),
        *call(f"{NODE_B}:61234", f"{ONE}:8080", 0.0001, isn=7, answer=9, interface=2),
    ]
    assert fates(mapped(node_port(), seen)) == {EXTERNAL_CLIENT: 1}


def test_masqueraded_leg_alone_is_nobodys() -> None:
    """S14, S22: without the leg before SNAT the client is a node, and stays unresolved."""
    found = mapped(node_port(), call(f"{NODE_B}:61234", f"{ONE}:8080"))
    assert fates(found) == {NODE_CLIENT: 1}


def test_conntrack_recovers_the_client_that_no_packet_shows() -> None:
    """S20a, S22: an entry tells who was behind a masqueraded leg."""
    line = entry(f"{CLIENT}:5", f"{NODE_B}:30080", f"{ONE}:8080", f"{NODE_B}:61234")
    found = mapped(
        node_port(),
        call(f"{NODE_B}:61234", f"{ONE}:8080", 4.9),
        dumps=[conntrack(line, name="b")],
    )
    assert edges(found) == {"client -> one:8080"}
    assert found.resolutions[0].connection.joined_by == ("S20a",)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
def test_leg_without_its_handshake_is_turned_as_conntrack_says(compiled: bool) -> None:
    """S20a: before NAT of both ends a leg whose handshake was lost begins with the answer."""
    before = (f"{CLIENT}:40000", f"{VIP}:80")
    legs = [
        *call(f"{NODE_A}:50000", f"{ONE}:8080"),
        (packet(*before[::-1], ACK, 500, 2000), 0.001, 2),
        (packet(*before, ACK, 2000, 501), 0.002, 2),
    ]
    dump = conntrack(entry(*before, f"{ONE}:8080", f"{NODE_A}:50000"), at=5)
    found = mapped(cluster(), recording(legs, compiled=compiled), dumps=[dump])
    assert edges(found) == {"client -> one:8080"}


def test_conntrack_entry_of_an_older_connection_joins_nothing() -> None:
    """S20a: an entry whose last packet was before the connection is of another one."""
    line = entry(
        f"{CLIENT}:5",
        f"{NODE_B}:30080",
        f"{ONE}:8080",
        f"{NODE_B}:61234",
        state="TIME_WAIT",
        remaining=60,
    )
    found = mapped(
        node_port(),
        call(f"{NODE_B}:61234", f"{ONE}:8080", 20),
        dumps=[conntrack(line, at=0, name="b")],
    )
    assert fates(found) == {NODE_CLIENT: 1}


def test_conntrack_tells_the_backend_behind_a_vip() -> None:
    """S20a, S21: an entry names the backend where only the leg before DNAT was recorded."""
    line = entry(f"{CLIENT}:5", f"{VIP}:80", f"{TWO}:8080")
    found = mapped(cluster(), call(f"{CLIENT}:5", f"{VIP}:80", 4.9), dumps=[conntrack(line)])
    assert edges(found) == {"client -> two:8080"}


def test_source_nated_datagrams_are_joined_by_conntrack_only() -> None:
    """S20a: UDP has no sequence numbers; masqueraded, it is joined by an entry or not at all."""
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "UDP"}]
    known = snapshot(
        pod("client", CLIENT),
        pod("one", ONE, ports=[{"containerPort": 8080, "protocol": "UDP"}], labels={"app": "s"}),
        service("s", VIP, ports=ports),
    )
    seen = [
        *datagrams(f"{CLIENT}:5", f"{NODE_B}:30080"),
        *datagrams(f"{NODE_B}:61234", f"{ONE}:8080", 0.0001),
    ]
    apart = mapped(known, seen)
    assert len(apart.resolutions) == 2
    assert fates(apart) == {SHOWN: 1, NODE_CLIENT: 1}
    line = entry(
        f"{CLIENT}:5",
        f"{NODE_B}:30080",
        f"{ONE}:8080",
        f"{NODE_B}:61234",
        protocol="udp",
        remaining=110,
    )
    joined = mapped(known, seen, dumps=[conntrack(line)])
    assert fates(joined) == {SHOWN: 1}


def test_datagrams_through_a_cluster_ip() -> None:
    """S20: UDP legs with the same client and a Service between are one."""
    known = snapshot(
        pod("client", CLIENT),
        pod("one", ONE, labels={"app": "s"}),
        pod("two", TWO, labels={"app": "s"}),
        service("s", VIP, 53, protocol="UDP"),
    )
    seen = [*datagrams(f"{CLIENT}:5", f"{VIP}:53"), *datagrams(f"{CLIENT}:5", f"{TWO}:53", 20)]
    found = mapped(known, seen)
    assert edges(found) == {"client -> two:53/UDP"}
    assert found.resolutions[0].connection.joined_by == ("S20",)


@pytest.mark.parametrize(
    ("vip_ts", "pod_ts", "joined"), [(77, 77, True), (77, 78, False), (None, None, False)]
)
def test_client_number_alone_needs_timestamp_and_service(
    vip_ts: int | None, pod_ts: int | None, joined: bool
) -> None:
    """S20c: SYNs with one client ISN and timestamp, and a Service between, are one attempt."""
    seen = [
        (packet(f"{CLIENT}:5", f"{VIP}:80", SYN, 7, timestamp=vip_ts), 0.0, 1),
        (packet(f"{CLIENT}:5", f"{TWO}:8080", SYN, 7, timestamp=pod_ts), 0.001, 2),
    ]
    assert len(mapped(cluster(), seen).resolutions) == (1 if joined else 2)


def test_client_number_alone_needs_one_candidate() -> None:
    """S20c: two flows that would fit equally well join neither."""
    seen = [
        (packet(f"{CLIENT}:5", f"{VIP}:80", SYN, 7, timestamp=1), 0.0, 1),
        (packet(f"{CLIENT}:5", f"{ONE}:8080", SYN, 7, timestamp=1), 0.001, 2),
        (packet(f"{CLIENT}:5", f"{TWO}:8080", SYN, 7, timestamp=1), 0.001, 2),
    ]
    assert len(mapped(cluster(), seen).resolutions) == 3


def test_without_a_handshake_sequence_numbers_join() -> None:
    """S20: older than the capture: same client, a Service between, overlapping sequences."""
    known = cluster()
    seen = [*talk(f"{CLIENT}:5", f"{VIP}:80"), *talk(f"{CLIENT}:5", f"{TWO}:8080", 0.001)]
    assert edges(mapped(known, seen)) == {"client -> two:8080"}
    far = [*talk(f"{CLIENT}:5", f"{VIP}:80"), *talk(f"{CLIENT}:5", f"{TWO}:8080", seq=1 << 30)]
    assert len(mapped(known, far).resolutions) == 2


def test_terminating_proxy_makes_two_connections() -> None:
    """S20: a proxy's two connections have sequence numbers of their own, and stay two."""
    seen = [*call(f"{CLIENT}:5", f"{OTHER}:80"), *call(f"{OTHER}:6", f"{ONE}:8080", 0.001)]
    assert edges(mapped(cluster(), seen)) == {"client -> other:80", "other -> one:8080"}


RELAYED = service("t", "10.96.0.2", 80, target=8080, selector={"app": "s"})
RELAY = pod("relay", "10.1.0.5", ports=[80])


@pytest.mark.parametrize("with_entry", [True, False], ids=["where it enters", "entering unseen"])
@pytest.mark.parametrize(
    ("comes_from", "entered"),
    [(OUTSIDE, set()), (CLIENT, {"client -> relay:80"}), (NODE_B, set())],
    ids=["from outside", "from a pod", "masqueraded"],
)
def test_relay_by_nat_inside_a_pod_makes_two_connections(
    comes_from: str, entered: set[str], with_entry: bool
) -> None:
    """S20: a leg that ends at a pod and one that begins there are two, whatever their numbers."""
    known = snapshot(*PODS[:3], RELAY, RELAYED)
    leg = partial(call, isn=7, answer=9)
    into = leg(f"{comes_from}:40000", "10.1.0.5:80", 0) if with_entry else []
    at_node = leg(f"{comes_from}:40000", f"{NODE_A}:80", 0.0001)
    out = [
        *leg("10.1.0.5:40000", "10.96.0.2:80", 0.0002),
        *leg("10.1.0.5:40000", f"{ONE}:8080", 0.0003),
    ]
    found = mapped(known, [*into, *at_node, *out])
    assert edges(found) == {"relay -> one:8080"} | (entered if with_entry else set())


def test_relay_to_outside_makes_two_connections() -> None:
    """S20, S50: an egress pod's way out, masqueraded once more by the node, is its own call."""
    known = snapshot(*PODS[:3], RELAY)
    leg = partial(call, isn=7, answer=9)
    found = mapped(
        known,
        [
            *leg(f"{CLIENT}:40000", "10.1.0.5:80", 0),
            *leg("10.1.0.5:40000", f"{OUTSIDE}:443", 0.0001),
            *leg(f"{NODE_A}:40001", f"{OUTSIDE}:443", 0.0002),
        ],
        rules=Rules(inclusion=Inclusion(internet=True)),
    )
    assert edges(found) == {"client -> relay:80", f"relay -> {OUTSIDE}:443"}


def test_port_reuse_stays_two() -> None:
    """S20: one client port used twice within the capture makes two connections."""
    seen = [*call(f"{CLIENT}:5", f"{ONE}:8080", 0), *call(f"{CLIENT}:5", f"{ONE}:8080", 5)]
    (use,) = mapped(cluster(), seen).graph.calls[0].uses
    assert use.connections == 2


def test_many_recordings_are_one() -> None:
    """S20: veth, bridge, uplink, on two nodes: one connection."""
    legs = [
        call(f"{CLIENT}:5", f"{ONE}:8080", 0.0001 * n, isn=7, answer=9, interface=n)
        for n in range(4)
    ]
    found = mapped(cluster(), recording([*legs[0], *legs[1]]), recording([*legs[2], *legs[3]], "b"))
    assert found.graph.calls[0].uses[0].connections == 1


def test_made_up_numbers_join_no_two_pods() -> None:
    """S20b: two pods that copy another connection's two sequence numbers get no share in it."""
    seen = [
        *call(f"{CLIENT}:5", f"{ONE}:8080", isn=7, answer=9),
        *call(f"{OTHER}:6", f"{TWO}:8080", 0.01, isn=7, answer=9),
    ]
    assert edges(mapped(cluster(), seen)) == {"client -> one:8080", "other -> two:8080"}


def test_made_up_numbers_behind_a_service_join_no_two_pods() -> None:
    """S20b: nor do they through a Service, in whatever order the legs are seen."""
    known = snapshot(*PODS, service("s", VIP), service("t", "10.96.0.2"))
    seen = [
        *call(f"{CLIENT}:5", f"{VIP}:80", 0.01, isn=7, answer=9),
        *call(f"{CLIENT}:5", f"{ONE}:8080", 0.02, isn=7, answer=9),
        *call(f"{OTHER}:6", "10.96.0.2:80", 0, isn=7, answer=9),
        *call(f"{OTHER}:6", f"{TWO}:8080", 0.03, isn=7, answer=9),
    ]
    assert edges(mapped(known, seen)) == {"client -> one:8080", "other -> two:8080"}


def test_numbers_copied_from_outside_make_no_edge() -> None:
    """S20b: nor does somebody outside with a pod that helps, through a NodePort."""
    seen = [
        *call(f"{CLIENT}:5", f"{VIP}:80", 0, isn=7, answer=9),
        *call(f"{CLIENT}:5", f"{ONE}:8080", 0.001, isn=7, answer=9),
        *call(f"{OUTSIDE}:6", f"{NODE_B}:30080", 0.01, isn=7, answer=9),
        *call(f"{NODE_B}:7", f"{TWO}:8080", 0.011, isn=7, answer=9),
    ]
    assert edges(mapped(node_port(), seen)) <= {"client -> one:8080"}


def test_flood_of_one_pair_of_numbers_is_not_joined() -> None:
    """S20b: more flows than NAT could make of one connection are made up."""
    seen: list[Seen] = []
    for port in range(100, 140):
        seen += call(f"{CLIENT}:{port}", f"{ONE}:8080", isn=7, answer=9)
    assert mapped(cluster(), seen).graph.calls[0].uses[0].connections == 40


def test_headless_service() -> None:
    """S23: a headless Service resolves by the pod's own address."""
    known = snapshot(pod("client", CLIENT), pod("one", ONE), service("one", "None"))
    assert edges(mapped(known, call(f"{CLIENT}:5", f"{ONE}:80"))) == {"client -> one:80"}


API = service("kubernetes", "10.96.0.254", 443, target=6443, namespace="default", selector={})
API_SLICE = endpoint_slice("kubernetes", [NODE_A], 6443, namespace="default")
STATIC = pod("x", NODE_A, name="other", host_network=True, owners=[], ports=[9100], node="a")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("10.96.0.254:443", {"client -> kubernetes:6443"}),
        (f"{NODE_A}:6443", {"client -> kubernetes:6443"}),
        (f"{NODE_A}:9100", {"client -> other:9100"}),
        (f"{NODE_A}:22", set()),
        ("10.96.0.254:80", set()),
    ],
)
def test_api_server(target: str, expected: set[str]) -> None:
    """S24 (upstream's case): by address and port; other ports are the node's."""
    known = snapshot(pod("client", CLIENT), API, API_SLICE, STATIC)
    found = mapped(known, call(f"{CLIENT}:5", target))
    assert edges(found) == expected
    if "kubernetes" in str(expected):
        assert found.graph.calls[0].server == Workload("kubernetes", "default", "Service")


def test_api_server_is_its_protocol_too() -> None:
    """S24: UDP to the API server's port is not the API server."""
    known = snapshot(pod("client", CLIENT), API, API_SLICE)
    found = mapped(
        known,
        datagrams(f"{CLIENT}:50000", f"{NODE_A}:6443", 100),
        recording(call("9.9.9.9:1", "9.9.9.8:1"), "b"),
    )
    assert edges(found) == set()
    assert NODE_SERVER in fates(found) or UNDIRECTED in fates(found)


def test_hairpin() -> None:
    """S44: a pod that calls itself through its own Service is kept, and can be dropped."""
    known = snapshot(pod("s", ONE), service("s", VIP, target=8080))
    seen = [
        *call(f"{ONE}:5", f"{VIP}:80", isn=7, answer=9),
        *call(f"{NODE_A}:5", f"{ONE}:8080", 0.001, isn=7, answer=9),
    ]
    assert edges(mapped(known, seen)) == {"s -> s:8080"}
    rules = Rules(inclusion=Inclusion(self_calls=False))
    assert edges(mapped(known, seen, rules=rules)) == set()


LEGS = [
    call(f"{CLIENT}:5", f"{VIP}:80", isn=7, answer=9),
    call(f"{CLIENT}:5", f"{TWO}:8080", 0.0001, isn=7, answer=9, interface=2),
    call(f"{OTHER}:5", f"{NODE_B}:30080", 0.3, isn=8, answer=9),
    call(f"{NODE_B}:7", f"{ONE}:8080", 0.3001, isn=8, answer=9, interface=2),
    talk(f"{CLIENT}:9", f"{ONE}:8080", 1),
    datagrams(f"{CLIENT}:9", f"{ONE}:53", 2),
]


@settings(max_examples=60)
@given(
    order=st.permutations(range(len(LEGS))),
    places=st.lists(st.integers(0, 2), min_size=len(LEGS), max_size=len(LEGS)),
)
def test_order_and_place_change_nothing(order: list[int], places: list[int]) -> None:
    """S61: which node recorded which leg, and in which order nodes are read, changes no edge."""
    nodes = [
        recording(list(itertools.chain.from_iterable(legs)), name, first=0)
        for place, name in enumerate("abc")
        if (legs := [LEGS[number] for number in order if places[number] == place])
    ]
    # A pod's packets on another node alone are another cluster's (S13); here that does not matter.
    rules = Rules(force=True)
    one = mapped(node_port(), *nodes, rules=rules)
    other = mapped(node_port(), *nodes[::-1], rules=rules)
    assert one.graph.calls == other.graph.calls
    assert edges(one) == {"client -> two:8080", "other -> one:8080", "client -> one:8080"}
