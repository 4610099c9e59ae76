"""S12, S14, S21, S24: which workload each end of a connection was."""

from typing import Any

import pytest

from otterize_pcap.graph.fate import Fate
from otterize_pcap.packets.protocols import ACK, FIN, RST
from otterize_pcap.resolve.build_graph import HIDDEN_DNS, HIDDEN_EXTERNAL, SHOWN
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    NO_BACKEND,
    NODE_CLIENT,
    NODE_SERVER,
    OUTSIDE_TENURE,
    UNKNOWN_PRIVATE,
)
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    OUTSIDE,
    Json,
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
    stamp,
)

JOB, SERVER = "10.1.0.1", "10.1.0.2"
CALL = call(f"{JOB}:40000", f"{SERVER}:80")
LATE_FIN = (packet(f"{SERVER}:80", f"{JOB}:40000", ACK | FIN, 7, 8), 9.0, 1)
LATE_RESET = (packet(f"{JOB}:40000", f"{SERVER}:80", RST, 8), 9.001, 1)
LATE_DATA = (packet(f"{JOB}:40000", f"{SERVER}:80", ACK, 8, 9), 9.002, 1)
BACK = call(f"{SERVER}:50000", f"{JOB}:80")
LATE_RETRY = (packet(f"{SERVER}:50000", f"{JOB}:80", ACK, 8, 9), 9.0, 1)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([*CALL, LATE_FIN], {"job -> server:80"}, id="the peer's FIN"),
        pytest.param([*CALL, LATE_FIN, LATE_RESET], {"job -> server:80"}, id="a heir's RST"),
        pytest.param([*BACK, LATE_RETRY], {"server -> job:80"}, id="retransmission to a server"),
        pytest.param([*CALL, LATE_FIN, LATE_DATA], set(), id="it sent later itself"),
    ],
)
def test_what_a_peer_sends_to_a_dead_pod_is_no_part_of_the_call(
    seen: list[Seen], expected: set[str], compiled: bool
) -> None:
    """S12: an address must be the pod's while it sent, whatever was sent to it later."""
    known = snapshot(
        pod("job", JOB, phase="Succeeded", finished=1),
        pod("server", SERVER),
    )
    found = mapped(known, recording(seen, compiled=compiled))
    assert edges(found) == expected
    assert fates(found) == ({SHOWN: 1} if expected else {OUTSIDE_TENURE: 1})


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
@pytest.mark.parametrize("dead_called", [True, False], ids=["the client", "the server"])
def test_heir_that_answers_what_was_meant_for_another_calls_nobody(
    dead_called: bool, compiled: bool
) -> None:
    """S40: of a call before the capture, conntrack's entry and a heir's RST are no call of his."""
    dead, peer = (f"{JOB}:40000", f"{SERVER}:80") if dead_called else (f"{JOB}:80", f"{SERVER}:40")
    seen = [
        (packet(peer, dead, ACK | FIN, 7, 8), 9.0, 1),
        (packet(dead, peer, RST, 8), 9.001, 1),
    ]
    before = pod("job", JOB, phase="Succeeded", finished=1)
    known = snapshot(before, pod("heir", JOB, start=5, ready=5), pod("server", SERVER))
    ends = (dead, peer) if dead_called else (peer, dead)
    dump = conntrack(entry(*ends, remaining=431999))
    found = mapped(known, recording(seen, compiled=compiled), dumps=[dump])
    assert edges(found) == set()


WEB, API, VIP = "10.1.0.3", "10.1.0.4", "10.96.0.1"
CLIENT = pod("web", WEB)


def named_slice(name: str, address: str, port: int, pod_name: str, **more: Any) -> Json:  # noqa: ANN401
    """An EndpointSlice whose only endpoint is a pod, by name."""
    made = endpoint_slice(name, [address], port, **more)
    made["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": pod_name, "namespace": "app"}
    return made


def through(front: str, back: str) -> list[Seen]:
    """One connection before and after destination NAT."""
    return [
        *call(f"{WEB}:40000", front, isn=7, interface=1),
        *call(f"{WEB}:40000", back, at=0.0001, isn=7, interface=2),
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [pod("typha", NODE_B, node="b", host_network=True, ports=[5473])],
            {"web -> typha:5473"},
            id="declares the port",
        ),
        pytest.param(
            [
                pod("typha", NODE_B, node="b", host_network=True),
                named_slice("typha", NODE_B, 5473, "typha-pod"),
            ],
            {"web -> typha:5473"},
            id="named by a slice",
        ),
        pytest.param(
            [pod("typha", NODE_B, node="b", host_network=True)],
            {"web -> typha:5473"},
            id="selected by the Service",
        ),
        pytest.param(
            [
                pod("typha", NODE_B, node="b", host_network=True),
                pod("other", NODE_B, node="b", host_network=True),
                named_slice("typha", NODE_B, 5473, "typha-pod"),
            ],
            {"web -> typha:5473"},
            id="another on that node",
        ),
        pytest.param(
            [
                pod("typha", NODE_A, node="a", host_network=True, ports=[5473]),
                endpoint_slice("typha", [NODE_B], 5473),
            ],
            set(),
            id="on another node",
        ),
    ],
)
@pytest.mark.parametrize("seen_behind", [True, False])
def test_host_network_pod_behind_a_service(
    items: list[Json], expected: set[str], seen_behind: bool
) -> None:
    """S14, S21: the endpoint after DNAT is looked at as a node's address, seen or not."""
    known = snapshot(CLIENT, service("typha", VIP, 5473), *items)
    seen = through(f"{VIP}:5473", f"{NODE_B}:5473")
    found = mapped(known, seen if seen_behind else seen[:4])
    assert edges(found) == expected
    assert fates(found) == ({SHOWN: 1} if expected else {NODE_SERVER: 1})


def test_two_host_network_pods_for_one_port() -> None:
    """S14: one that declares a port and another that a slice names are ambiguous."""
    known = snapshot(
        CLIENT,
        pod("one", NODE_B, node="b", host_network=True, ports=[9100]),
        pod("two", NODE_B, node="b", host_network=True),
        service("two", VIP, 9100),
        named_slice("two", NODE_B, 9100, "two-pod"),
    )
    found = mapped(known, call(f"{WEB}:40000", f"{NODE_B}:9100"))
    assert (edges(found), fates(found)) == (set(), {AMBIGUOUS: 1})


HOST_PORT: Json = {"containerPort": 8080, "hostPort": 8081}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [pod("edge", API, node="b", ports=[HOST_PORT])], {"web -> edge:8080"}, id="it"
        ),
        pytest.param([pod("edge", API, node="a", ports=[HOST_PORT])], set(), id="on another node"),
        pytest.param(
            [pod("edge", API, node="b", ports=[HOST_PORT | {"hostIP": "127.0.0.1"}])],
            set(),
            id="on one address alone",
        ),
        pytest.param(
            [
                pod("edge", API, node="b", ports=[HOST_PORT]),
                pod("host", NODE_B, node="b", host_network=True, ports=[8081]),
            ],
            {"web -> host:8081"},
            id="hostNetwork first",
        ),
        pytest.param(
            [
                pod("edge", API, node="b", ports=[HOST_PORT]),
                pod("np", "10.1.0.9"),
                service("np", VIP, ports=[{"port": 80, "nodePort": 8081}], type="NodePort"),
            ],
            {"web -> edge:8080"},
            id="before NodePort",
        ),
    ],
)
def test_host_port_of_an_ordinary_pod(items: list[Json], expected: set[str]) -> None:
    """S14: a node's address and a hostPort are the pod of that node, though it was not captured."""
    found = mapped(snapshot(CLIENT, *items), call(f"{WEB}:40000", f"{NODE_B}:8081"))
    assert edges(found) == expected
    assert fates(found) == ({SHOWN: 1} if expected else {NODE_SERVER: 1})


def test_host_ports_join_and_direct_as_services_do() -> None:
    """S20, S32: a hostPort leads to its pod, and is served; without a handshake that is all."""
    seen = [
        *datagrams(f"{WEB}:40000", f"{NODE_B}:8081"),
        *datagrams(f"{WEB}:40000", f"{API}:8080"),
    ]
    udp = pod("edge", API, node="b", ports=[HOST_PORT | {"protocol": "UDP"}])
    found = mapped(snapshot(CLIENT, udp), seen)
    assert (edges(found), fates(found)) == ({"web -> edge:8080/UDP"}, {SHOWN: 1})


def test_service_address_on_a_nodes_interface() -> None:
    """S14, S21: with IPVS each node has all Service addresses; they stay the Services'."""
    known = snapshot(
        CLIENT,
        pod("api", API),
        service("api", VIP, 443, target=8443),
        pod("ingress", NODE_A, host_network=True, ports=[443, 80]),
    )
    seen = [*call(f"{WEB}:40000", f"{VIP}:443"), *call(f"{WEB}:40001", f"{VIP}:80")]
    assert edges(mapped(known, seen, nodes={VIP: "a b"})) == {"web -> api:8443"}


@pytest.mark.parametrize(
    ("back", "fate"),
    [(f"{OUTSIDE}:5432", HIDDEN_EXTERNAL), ("10.77.0.1:5432", UNKNOWN_PRIVATE)],
)
@pytest.mark.parametrize("listed", [True, False], ids=["slice", "no slice"])
@pytest.mark.parametrize("seen_behind", [True, False])
def test_what_is_no_pod_behind_a_service_without_a_selector(
    back: str, fate: Fate, listed: bool, seen_behind: bool
) -> None:
    """S21, S50: an external database behind a Service is external, as if it was called itself."""
    address = back.rpartition(":")[0]
    lists = [endpoint_slice("rds", [address], 5432)] if listed else []
    known = snapshot(CLIENT, service("rds", VIP, 5432, selector={}), *lists)
    seen = through(f"{VIP}:5432", back)
    found = mapped(known, seen if seen_behind else seen[:4])
    assert fates(found) == {fate if listed or seen_behind else NO_BACKEND: 1}


def test_pod_or_the_internet_behind_one_service() -> None:
    """S21: where nobody saw which, a pod and an address outside are ambiguous."""
    known = snapshot(
        CLIENT,
        pod("api", API),
        service("mixed", VIP, selector={}),
        endpoint_slice("mixed", [API, OUTSIDE]),
    )
    assert fates(mapped(known, call(f"{WEB}:40000", f"{VIP}:80"))) == {AMBIGUOUS: 1}
    assert fates(mapped(known, through(f"{VIP}:80", f"{OUTSIDE}:80"))) == {HIDDEN_EXTERNAL: 1}
    assert edges(mapped(known, through(f"{VIP}:80", f"{API}:80"))) == {"web -> api:80"}


def api_server(address: str) -> list[Json]:
    """Service `kubernetes`, and where it leads to."""
    return [
        service("kubernetes", "10.96.0.2", 443, target=6443, namespace="default", selector={}),
        endpoint_slice("kubernetes", [address], 6443, "default"),
    ]


def test_api_server_as_client() -> None:
    """S24: what calls from an address of the API server that is no node's is the API server."""
    known = snapshot(CLIENT, *api_server("172.16.0.9"))
    found = mapped(known, call("172.16.0.9:40000", f"{WEB}:8443"))
    assert edges(found) == {"kubernetes -> web:8443"}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(f"{VIP}:443", {"kubernetes -> hook:8443"}, id="webhook by its Service"),
        pytest.param(f"{API}:8443", set(), id="a kubelet's probe"),
        pytest.param(f"{VIP}:8080", set(), id="no port of webhooks"),
    ],
)
def test_api_server_that_shares_a_nodes_address(seen: str, expected: set[str]) -> None:
    """S14, S24: of a node's processes only the API server calls Services at port 443."""
    listed = [{"name": str(port), "port": port, "targetPort": 8443} for port in (443, 8080)]
    known = snapshot(pod("hook", API), service("hook", VIP, ports=listed), *api_server(NODE_A))
    found = mapped(known, call(f"{NODE_A}:40000", seen))
    assert edges(found) == expected
    assert fates(found) == ({SHOWN: 1} if expected else {NODE_CLIENT: 1})
    assert fates(mapped(known, call(f"{NODE_B}:40000", seen))) == {NODE_CLIENT: 1}


@pytest.mark.parametrize("key", ["network-status", "networks-status"])
def test_address_of_a_second_network(key: str) -> None:
    """S10, S15: an address that Multus gave to a pod is the pod's, for as long as its others."""
    status = '[{"name": "cbr0", "ips": ["10.1.0.4"]}, {"name": "net1", "ips": ["10.99.0.4"]}]'
    known = snapshot(
        CLIENT,
        pod("store", API, annotations={f"k8s.v1.cni.cncf.io/{key}": status}, finished=50),
        observed=[
            {"kind": "Pod", "uid": "app/store-pod", "ip": API, "start": stamp(-50), "end": None}
        ],
    )
    seen = [
        *call(f"{WEB}:40000", "10.99.0.4:2049"),
        *call(f"{WEB}:40001", "10.99.0.4:2049", at=-60),
    ]
    found = mapped(known, seen)
    assert edges(found) == {"web -> store:2049"}
    assert sum(fates(found).values()) - fates(found)[SHOWN] <= 1


@pytest.mark.parametrize(
    "text", ["", "none", '{"ips": 1}', '[{"ips": ["x", null]}]', '[{"ips": ["x"]}]']
)
def test_annotation_that_multus_did_not_write(text: str) -> None:
    """S13: what is no list of networks names no address, and is no error."""
    annotations = {"k8s.v1.cni.cncf.io/network-status": text}
    known = snapshot(CLIENT, pod("store", API, annotations=annotations))
    assert edges(mapped(known, call(f"{WEB}:40000", f"{API}:80"))) == {"web -> store:80"}


def test_cluster_dns_on_the_host_network() -> None:
    """S14, S45: calls to a DNS that is on its node's network are hidden as any cluster's."""
    known = snapshot(
        CLIENT,
        pod("coredns", NODE_A, host_network=True, namespace="kube-system"),
        service(
            "kube-dns",
            VIP,
            53,
            selector={"app": "coredns"},
            namespace="kube-system",
            protocol="UDP",
        ),
    )
    found = mapped(known, datagrams(f"{WEB}:40000", f"{VIP}:53", at=40))
    assert (edges(found), fates(found)) == (set(), {HIDDEN_DNS: 1})
