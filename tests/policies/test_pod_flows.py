"""What packet filters at the pods see of a capture."""

from pathlib import Path

import pytest

from otterize_pcap.addresses import parse_address
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import ESTABLISHED, External
from otterize_pcap.policies.flow_ends import NodeEnd, OutsideEnd, PodEnd, ServiceEnd, end_text
from otterize_pcap.policies.pod_flows import PodFlow, pod_flows
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import map_capture
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    OUTSIDE,
    Json,
    Seen,
    attempt,
    call,
    datagrams,
    endpoint_slice,
    mapped,
    node,
    pod,
    service,
    snapshot,
    talk,
)
from tests.policies.flow_lines import lines
from tests.policies.recordings import RECORDED

WEB, API, OTHER, VIP = "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.96.0.1"
CLIENT = pod("web", WEB)
SERVER = pod("api", API, ports=[{"containerPort": 8080, "name": "http"}])
SECOND_SERVER = pod("api", OTHER, name="api-2", ports=[{"containerPort": 9090, "name": "http"}])
WEB_POD, API_POD = "web.app (pod web-pod)", "api.app (pod api-pod)"
HOST = pod("agent", NODE_B, node="b", host_network=True, ports=[9100])


def through(front: str, back: str, client: str = WEB, behind: str | None = None) -> list[Seen]:
    """One connection before and after its addresses were changed."""
    return [
        *call(f"{client}:40000", front, isn=7, interface=1),
        *call(f"{behind or client}:40000", back, at=0.0001, isn=7, interface=2),
    ]


@pytest.mark.parametrize(
    ("items", "seen", "expected"),
    [
        pytest.param(
            [],
            call(f"{WEB}:40000", f"{API}:8080"),
            [f"{WEB_POD} -> {API_POD} TCP/8080"],
            id="pod to pod",
        ),
        pytest.param(
            [service("api", VIP, target=8080)],
            through(f"{VIP}:80", f"{API}:8080"),
            [f"{WEB_POD} -> {API_POD} TCP/8080"],
            id="through a Service",
        ),
        pytest.param(
            [service("api", VIP, target="http")],
            call(f"{WEB}:40000", f"{VIP}:80"),
            [f"{WEB_POD} -> {API_POD} TCP/8080"],
            id="a Service with one backend, which was not seen",
        ),
        pytest.param(
            [service("api", VIP, target="http"), SECOND_SERVER],
            call(f"{WEB}:40000", f"{VIP}:80"),
            [
                f"{WEB_POD} -> api.app (pod api-2) TCP/9090",
                f"{WEB_POD} -> {API_POD} TCP/8080",
            ],
            id="a named port that differs between the backends, none of them seen",
        ),
        pytest.param(
            [service("api", VIP, target=8080), SECOND_SERVER],
            call(f"{WEB}:40000", f"{VIP}:80"),
            [f"{WEB_POD} -> Service api.app TCP/8080"],
            id="one of two backends",
        ),
        pytest.param(
            [HOST],
            call(f"{WEB}:40000", f"{NODE_B}:9100"),
            [f"{WEB_POD} -> agent.app on node b TCP/9100"],
            id="to a pod on a node's network",
        ),
        pytest.param(
            [],
            call(f"{WEB}:40000", f"{NODE_B}:10250"),
            [f"{WEB_POD} -> node b TCP/10250"],
            id="to a node",
        ),
        pytest.param(
            [],
            call(f"{NODE_A}:40000", f"{API}:8080"),
            [f"node a -> {API_POD} TCP/8080"],
            id="from a node, as kubelets probe",
        ),
        pytest.param(
            [],
            call(f"{WEB}:40000", f"{OUTSIDE}:443"),
            [f"{WEB_POD} -> {OUTSIDE} TCP/443"],
            id="to the outside",
        ),
        pytest.param(
            [],
            call(f"{WEB}:40000", "169.254.170.2:80"),
            [f"{WEB_POD} -> 169.254.170.2 (link-local) TCP/80"],
            id="to a cloud's link-local service",
        ),
        pytest.param(
            [],
            call(f"{WEB}:40000", "10.99.0.7:5432"),
            [f"{WEB_POD} -> 10.99.0.7 TCP/5432"],
            id="to a private address that a watch knows to be no pod's",
        ),
        pytest.param(
            [],
            [
                seen
                for number in (5, 6)
                for seen in call(f"203.0.113.{number}:40000", f"{API}:8080")
            ],
            [f"203.0.113.5 -> {API_POD} TCP/8080", f"203.0.113.6 -> {API_POD} TCP/8080"],
            id="from several addresses outside, which are one group",
        ),
        pytest.param(
            [service("api", VIP, ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}])],
            through(f"{NODE_B}:30080", f"{API}:8080", behind=NODE_B),
            [
                f"{WEB_POD} -> {API_POD} TCP/8080, sent to node b 30080, come from node b",
            ],
            id="through another node's NodePort",
        ),
        pytest.param(
            [service("api", VIP, ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}])],
            through(f"{NODE_A}:30080", f"{API}:8080", behind=NODE_A),
            [f"{WEB_POD} -> {API_POD} TCP/8080, come from node a"],
            id="through its own node's NodePort, which changes the destination there",
        ),
        pytest.param(
            [
                service("kubernetes", VIP, 443, namespace="default", selector={}),
                endpoint_slice("kubernetes", [NODE_B], 6443, "default"),
            ],
            call(f"{WEB}:40000", f"{VIP}:443"),
            [f"{WEB_POD} -> the API server TCP/6443"],
            id="to the API server, at its endpoint's port",
        ),
        pytest.param(
            [
                service("db", VIP, 5432, selector={}),
                endpoint_slice("db", ["203.0.113.7", "203.0.113.8"], 5433),
            ],
            call(f"{WEB}:40000", f"{VIP}:5432"),
            [f"{WEB_POD} -> Service db.app TCP/5433"],
            id="to a Service without a selector, whose endpoints are outside",
        ),
        pytest.param(
            [pod("stats", OTHER, ports=[{"containerPort": 8125, "protocol": "UDP"}])],
            datagrams(f"{WEB}:40000", f"{OTHER}:8125", answered=False),
            [f"{WEB_POD} -> stats.app (pod stats-pod) UDP/8125 one-way"],
            id="UDP without an answer",
        ),
        pytest.param(
            [],
            attempt(f"{WEB}:40000", f"{API}:9999", refused=True),
            [f"{WEB_POD} -> {API_POD} TCP/9999 attempted"],
            id="refused",
        ),
        pytest.param(
            [],
            talk(f"{WEB}:40000", f"{API}:50000"),
            [f"? {WEB_POD} -> {API_POD} TCP/50000: undirected: no rule tells client from server"],
            id="nothing tells who called",
        ),
        pytest.param(
            [node("a", NODE_A, pod_cidr="10.1.0.0/24")],
            call(f"{WEB}:40000", "10.1.0.99:80"),
            [f"? {WEB_POD} -> 10.1.0.99 TCP/80: unresolved: no pod had the address then"],
            id="a pod that nobody saw",
        ),
        pytest.param([], call("127.0.0.1:40000", "127.0.0.1:80"), [], id="loopback"),
    ],
)
def test_each_side_sees_what_its_filter_would(
    items: list[Json], seen: list[Seen], expected: list[str]
) -> None:
    """Services are gone, ports are the target's, and what nodes change is said for each side."""
    assert lines(mapped(snapshot(CLIENT, SERVER, *items), seen)) == expected


@pytest.mark.parametrize(
    ("watch", "items", "is_known"),
    [
        pytest.param((-1000, 1000), [], True, id="a watch"),
        pytest.param(None, [node("c", "192.168.0.3", pod_cidr="10.1.0.0/16")], True, id="ranges"),
        pytest.param(None, [], False, id="neither"),
        pytest.param(None, [node("c", "192.168.0.3", pod_cidr="fd00::/64")], False, id="of IPv6"),
    ],
)
def test_private_address_is_outside_only_where_no_pod_can_have_it(
    watch: tuple[float, float] | None, items: list[Json], is_known: bool
) -> None:
    """A database has such an address, and so has a pod that the snapshot lacks."""
    known = snapshot(CLIENT, *items, watch=watch)
    found = pod_flows(mapped(known, call(f"{WEB}:40000", "172.20.5.5:5432")))
    assert (len(found.flows), len(found.undecided)) == ((1, 0) if is_known else (0, 1))


def test_undecided_ends_name_whom_they_may_concern() -> None:
    """Of no direction both may have called; of an unknown end the other is known all the same."""
    seen = [*talk(f"{WEB}:40000", f"{API}:50000"), *call(f"{WEB}:40000", "10.1.0.99:80")]
    known = snapshot(CLIENT, SERVER, node("a", NODE_A, pod_cidr="10.1.0.0/24"))
    one, other = pod_flows(mapped(known, seen)).undecided
    names = [sorted(each.name for each in ends) for ends in (one.callers, one.called)]
    assert names == [["api", "web"], ["api", "web"]]
    assert [each.name for each in other.callers] == ["web"]
    assert other.called == frozenset()


OTHERWISE = {"load-balancer-name": (0, 2), "vm-overlay": (2, 0)}
"""How many only flows, and only the graph, have: what a load balancer's name led to, a filter sees
at an address outside; of a tunnel between pods it sees each way as a flow of its own (S25)."""


@pytest.mark.parametrize("directory", RECORDED, ids=lambda path: path.name)
def test_flows_between_workloads_are_the_graphs_calls(directory: Path) -> None:
    """Two ways through the same connections: the calls of the graph, and the flows' workloads."""
    (capture,) = open_captures([directory])
    everything = Inclusion(cluster_dns=True, attempts=True, internet=True)
    mapped_capture = map_capture(capture, Rules(inclusion=everything))
    calls = {
        (call.client, call.server, use.protocol, use.port)
        for call in mapped_capture.graph.calls
        if not isinstance(call.server, External) and not call.server.is_service
        for use in call.uses
        if not call.client.is_service
    }
    flows = {found for flow in pod_flows(mapped_capture).flows for found in _calls_of(flow)}
    assert (len(flows - calls), len(calls - flows)) == OTHERWISE.get(directory.name, (0, 0))


def _calls_of(flow: PodFlow) -> list[tuple[object, ...]]:
    if not isinstance(flow.client, PodEnd):
        return []
    ends = flow.server.ends if isinstance(flow.server, ServiceEnd) else (flow.server,)
    return [
        (flow.client.workload, end.workload, flow.protocol, flow.server_port)
        for end in ends
        if isinstance(end, PodEnd | NodeEnd) and end.workload is not None
    ]


def test_established_counts_before_attempts() -> None:
    """What was refused once and answered later is allowed traffic."""
    seen = [
        *attempt(f"{WEB}:40000", f"{API}:80", refused=True),
        *call(f"{WEB}:40001", f"{API}:80", at=2),
    ]
    (flow,) = pod_flows(mapped(snapshot(CLIENT, SERVER), seen)).flows
    assert (flow.status, flow.connections) == (ESTABLISHED, 2)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("169.254.169.254", "the cloud's metadata service (169.254.169.254)"),
        ("169.254.170.2", "169.254.170.2 (link-local)"),
        ("203.0.113.9", "203.0.113.9"),
    ],
)
def test_what_the_cloud_has_for_pods_is_no_server_outside(address: str, expected: str) -> None:
    """Link-local addresses are said to be that."""
    assert end_text(OutsideEnd(parse_address(address))) == expected
