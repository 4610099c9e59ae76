"""Policies that would cut a workload off from what a capture could not show: none is made."""

from collections.abc import Sequence

import pytest

from otterize_pcap.addresses import Network, format_address, parse_network
from otterize_pcap.policies.generate import Wanted, make_policies
from otterize_pcap.policies.needs import NeedPeer, NodesPeer, OutsidePeer, PodsPeer
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.observation import observe
from otterize_pcap.policies.verdict import ReasonKind
from otterize_pcap.policies.workload_policy import WorkloadPolicy
from tests.cluster_builder import NODE_A, NODE_B, Json, Seen, call, mapped, pod, recording
from tests.cluster_builder import service as service_of
from tests.cluster_builder import snapshot as snapshot_of

QUIET = call("127.0.0.1:1", "127.0.0.1:2")
WEB, CLIENT = pod("web", "10.1.0.1", ports=[80]), pod("client", "10.1.0.2", node="b")
BY_NODE_PORT = [
    *call("10.1.0.2:4000", f"{NODE_A}:30080", 1, isn=7, interface=1),
    *call(f"{NODE_A}:4000", "10.1.0.1:80", 1.0001, isn=7, interface=2),
]
PROBE = call(f"{NODE_A}:4000", "10.1.0.1:80", 1)
CALL = call("10.1.0.2:4000", "10.1.0.1:80", 2)


def made(
    items: Sequence[Json], packets: Sequence[Seen], wanted: Wanted | None = None
) -> dict[str, WorkloadPolicy]:
    """Policies by their workloads' names, of two nodes that saw some packets."""
    recordings = [recording([*packets, *QUIET], name) for name in "ab"]
    capture = mapped(snapshot_of(*items), *recordings)
    policies = make_policies([observe(capture)], wanted or Wanted())
    return {each.workload.name: each for each in policies}


def open_to_all(policy: str | None) -> Json:
    """A Service that keeps its clients' addresses, or does not."""
    return service_of(
        "web",
        "10.96.0.10",
        ports=[{"port": 80, "targetPort": 80, "nodePort": 30080, "protocol": "TCP"}],
        type="LoadBalancer",
        externalTrafficPolicy=policy,
    )


@pytest.mark.parametrize("policy", ["Local", "Cluster"])
@pytest.mark.parametrize("packets", [PROBE, [*PROBE, *CALL], BY_NODE_PORT])
def test_a_probe_is_nobody_from_outside(policy: str, packets: list[Seen]) -> None:
    """A node that calls what a Service opens shows no client outside, whose address is its own."""
    found = made([WEB, CLIENT, open_to_all(policy)], packets)["web"]
    assert ReasonKind.EXPOSED in {reason.kind for reason in found.verdict.reasons}
    assert not found.verdict.is_known(INGRESS)


NODE_B_CALLS = call(f"{NODE_B}:4000", "10.1.0.1:80", 1)
FROM_OUTSIDE = [
    *call("203.0.113.9:4000", f"{NODE_B}:30080", 1, isn=7, interface=1),
    *call(f"{NODE_B}:4000", "10.1.0.1:80", 1.0001, isn=7, interface=2),
]
KEPT = [
    *call("203.0.113.9:4000", f"{NODE_A}:30080", 1, isn=7, interface=1),
    *call("203.0.113.9:4000", "10.1.0.1:80", 1.0001, isn=7, interface=2),
]


@pytest.mark.parametrize(
    ("policy", "is_open"), [("Local", True), ("Cluster", False), (None, False)]
)
def test_a_node_stands_for_clients_outside_only_where_it_hides_them(
    policy: str | None, *, is_open: bool
) -> None:
    """Where pods see clients themselves, what another node sends is its own."""
    found = made([WEB, CLIENT, open_to_all(policy)], [*NODE_B_CALLS, *CALL])["web"]
    assert (ReasonKind.EXPOSED in {each.kind for each in found.verdict.reasons}) == is_open
    assert found.verdict.is_known(INGRESS) != is_open


@pytest.mark.parametrize(
    ("policy", "packets", "peers"),
    [
        ("Cluster", FROM_OUTSIDE, {PodsPeer, NodesPeer, OutsidePeer}),
        ("Local", KEPT, {PodsPeer, OutsidePeer}),
    ],
)
def test_whom_a_service_for_clients_outside_needs(
    policy: str, packets: list[Seen], peers: set[type[NeedPeer]]
) -> None:
    """Local: anybody outside. Cluster: other nodes, which put their address in, as well.

    By its own node a client comes as it is: filters see packets before addresses are put in.
    """
    found = made([WEB, CLIENT, open_to_all(policy)], [*packets, *CALL])["web"]
    assert found.verdict.is_known(INGRESS)
    rules = [each for each in found.allowed if each.direction == INGRESS]
    assert {type(peer) for each in rules for peer in each.peers} == peers


def test_long_names_that_are_cut_alike_make_two_policies() -> None:
    """The second would replace the first when both are applied."""
    long = "a" * 250
    items = [
        pod(f"{long}b", "10.1.0.3", name="b", labels={"app": "b"}),
        pod(f"{long}c", "10.1.0.4", name="c", labels={"app": "c"}),
        WEB,
    ]
    packets = [*call("10.1.0.3:4000", "10.1.0.1:80"), *call("10.1.0.4:4000", "10.1.0.1:80", 1)]
    names = [each.name for each in made(items, packets).values() if each.workload.name != "web"]
    assert len(set(names)) == 2
    assert all(name.startswith("otterize-a") and len(name) <= 253 for name in names)


def test_a_cache_of_dns_on_nodes_is_known_by_its_pods() -> None:
    """Nobody asked it meanwhile, and all will: it takes over the DNS Service's address."""
    items = [
        WEB,
        CLIENT,
        pod("coredns", "10.1.9.9", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
        service_of(
            "kube-dns",
            "10.96.0.53",
            53,
            protocol="UDP",
            namespace="kube-system",
            selector={"k8s-app": "kube-dns"},
        ),
        pod(
            "node-local-dns",
            NODE_A,
            namespace="kube-system",
            labels={"k8s-app": "node-local-dns"},
            host_network=True,
        ),
    ]
    policy = made(items, CALL)["client"].policy
    assert policy is not None
    blocks = {
        format_address(peer.ip_block.cidr[0].to_bytes(16))
        for rule in policy.rules(EGRESS)
        for peer in rule.peers
        if peer.ip_block is not None
    }
    assert blocks == {"10.96.0.53", "169.254.20.10"}


@pytest.mark.parametrize("ranges", [(), (parse_network("192.168.0.0/24"),)])
def test_rules_for_nodes_say_that_they_are_addresses(ranges: tuple[Network, ...]) -> None:
    """A node that joins later is denied, unless the range that it comes from is said."""
    found = made([WEB, CLIENT], [*PROBE, *CALL], Wanted(node_ranges=ranges))["web"]
    (remark,) = (text for rule in found.allowed for text in rule.remarks)
    assert remark.startswith("by address: no policy selects nodes")
    assert ("--node-cidr" in remark) == (not ranges)
