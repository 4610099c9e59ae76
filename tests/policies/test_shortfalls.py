"""What policies lack that no denied call shows: the cluster's DNS, nodes, pods on other nodes."""

import pytest

from otterize_pcap.policies.policy_rules import Remark
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    Json,
    Seen,
    call,
    datagrams,
    mapped,
    node,
    pod,
    recording,
    service,
    snapshot,
)
from tests.policies.judged import check_policies, policies

WEB, API, DNS_POD = "10.1.0.1", "10.1.0.2", "10.1.9.9"
DNS: tuple[Json, ...] = (
    pod("coredns", DNS_POD, namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    service(
        "kube-dns",
        "10.96.0.53",
        53,
        protocol="UDP",
        namespace="kube-system",
        selector={"k8s-app": "kube-dns"},
    ),
)
PODS: tuple[Json, ...] = (
    pod("web", WEB, namespace="shop", node="a", ports=[8080]),
    pod("api", API, namespace="shop", node="b", ports=[8080]),
    node("a", NODE_A),
    node("b", NODE_B),
)
TO_API = "{to: [{podSelector: {matchLabels: {app: api}}}]}"
EGRESS = "p: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [%s]}"
INGRESS = "p: {podSelector: {matchLabels: {app: api}}, ingress: [%s]}"
NO_DNS = "policy-without-dns: no egress rule lets web.shop ask the cluster's DNS by "
NO_NODE = "policy-without-nodes: no ingress rule lets node"
OWN_NODE = (
    " b (192.168.0.2) reach api.shop at TCP 8080, as its own node does without one, which not "
    "every network allows"
)
CALLED = call(f"{WEB}:40000", f"{API}:8080")


def remarks(text: str, *objects: Json, seen: list[Seen] = CALLED) -> list[str]:
    """What is said of policies, as `rule: text`."""
    capture = mapped(snapshot(*PODS, *objects), *(recording(seen, name) for name in "ab"))
    _, found = check_policies(policies(text), [capture])
    return list(map(said, found))


def said(remark: Remark) -> str:
    """A remark as a line."""
    return f"{remark.rule.name}: {remark.text}"


@pytest.mark.parametrize(
    ("rules", "protocols"),
    [
        (TO_API, ["TCP and UDP"]),
        (TO_API + ", {to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}]}", ["TCP"]),
        (TO_API + ", {to: [{ipBlock: {cidr: 10.96.0.53/32}}]}", ["TCP and UDP"]),
        (TO_API + ", {to: [{ipBlock: {cidr: 10.1.9.0/24}}]}", []),
        ("{}", []),
        (TO_API + ", {ports: [{port: 53}, {port: 53, protocol: UDP}]}", []),
    ],
)
def test_egress_without_dns(rules: str, protocols: list[str]) -> None:
    """Whoever is isolated asks the DNS that the snapshot has, whether or not he was seen to."""
    assert remarks(EGRESS % rules, *DNS) == [NO_DNS + each for each in protocols]


@pytest.mark.parametrize(
    ("rules", "protocols"),
    [
        (TO_API, ["TCP and UDP"]),
        (TO_API + ", {to: [{ipBlock: {cidr: 10.96.0.10/32}}], ports: [{port: 53}]}", ["UDP"]),
        (TO_API + ", {ports: [{port: dns, protocol: UDP}, {port: dns}]}", []),
        ("{to: [{podSelector: {}}], ports: [{port: 8080}]}, {to: [{namespaceSelector: {}}]}", []),
    ],
)
def test_egress_without_dns_that_the_snapshot_lacks(rules: str, protocols: list[str]) -> None:
    """Where it is nobody knows: what may be meant for it is not spoken against."""
    assert remarks(EGRESS % rules) == [NO_DNS + each for each in protocols]


def test_a_policy_that_shuts_the_clusters_dns() -> None:
    """Whom its own policy does not let in is named, by labels and namespaces as they are."""
    text = """kube-system/dns: {podSelector: {}, ingress: [
        {from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}]}]}"""
    more = (pod("x1", "10.1.0.3"), pod("x2", "10.1.0.4"), pod("x3", "10.1.0.5"))
    assert remarks(text, *DNS, *more) == [
        f"policy-without-dns: no ingress rule lets {names} ask the cluster's DNS by TCP and UDP"
        for names in ("web.shop, x1.app, x2.app and 1 more",)
    ]


def test_who_asked_is_denied_a_call_as_well() -> None:
    """A question that was asked is a call like others."""
    seen = [*CALLED, *datagrams(f"{WEB}:40001", f"{DNS_POD}:53")]
    assert remarks(EGRESS % TO_API, *DNS, seen=seen) == [NO_DNS + "TCP and UDP"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("{from: [{ipBlock: {cidr: 192.168.0.0/16}}]}", []),
        (
            "{from: [{podSelector: {}}]}",
            [NO_NODE + OWN_NODE],
        ),
        (
            "{from: [{ipBlock: {cidr: 192.168.0.2/32}}]}",
            [f"{NO_NODE} a (192.168.0.1) reach api.shop at TCP 8080, as another did"],
        ),
    ],
)
def test_nodes_that_need_a_rule(rules: str, expected: list[str]) -> None:
    """A probe passes by the API's definition alone; and pods and clients come to other nodes."""
    assert remarks(INGRESS % rules, seen=call(f"{NODE_B}:40000", f"{API}:8080")) == expected


def test_nodes_of_each_capture() -> None:
    """A node that joined later has no rule, whatever the nodes before it had."""
    probe = recording(call(f"{NODE_B}:40000", f"{API}:8080"), "b")
    before, after = (
        mapped(snapshot(PODS[1], *joined), probe) for joined in ((), (node("c", "192.168.0.9"),))
    )
    text = INGRESS % "{from: [{ipBlock: {cidr: 192.168.0.0/29}}]}"
    for captures in ([before, after], [after, before]):
        _, found = check_policies(policies(text), captures)
        (told,) = map(said, found)
        assert told == f"{NO_NODE} c (192.168.0.9) reach api.shop at TCP 8080, as another did"


def test_nodes_of_each_family() -> None:
    """A rule for the nodes' IPv4 addresses lets in none that comes by IPv6."""
    node_b, api = "fd00::b", "fd00:1::2"
    both = (
        node("b", NODE_B, node_b),
        pod("api", [API, api], namespace="shop", node="b", ports=[8080]),
    )
    seen = [*call(f"{NODE_B}:40000", f"{API}:8080"), *call(f"[{node_b}]:40001", f"[{api}]:8080")]
    capture = mapped(snapshot(*both), recording(seen, "b"))
    text = INGRESS % "{from: [{ipBlock: {cidr: 192.168.0.0/16}}]}"
    _, found = check_policies(policies(text), [capture])
    assert list(map(said, found)) == [f"{NO_NODE}{OWN_NODE.replace(NODE_B, node_b)}"]


def test_nodes_of_pods_whose_port_has_no_name() -> None:
    """A port's name is its pod's: the same policies let nodes in at one pod and not at another."""
    named = {"containerPort": 8080, "name": "http"}
    pods = (
        pod("api", API, namespace="shop", node="b", labels={"app": "api"}, ports=[named]),
        pod("old", "10.1.0.7", namespace="shop", node="b", labels={"app": "api"}, ports=[8080]),
        node("b", NODE_B),
    )
    seen = [*call(f"{NODE_B}:40000", f"{API}:8080"), *call(f"{NODE_B}:40001", "10.1.0.7:8080")]
    capture = mapped(snapshot(*pods), recording(seen, "b"))
    text = INGRESS % "{from: [{ipBlock: {cidr: 192.168.0.0/16}}], ports: [{port: http}]}"
    _, found = check_policies(policies(text), [capture])
    assert list(map(said, found)) == [f"{NO_NODE}{OWN_NODE.replace('api.shop', 'old.shop')}"]


def test_nodes_by_either_direction_of_one_policy() -> None:
    """That a policy was met at its pod's way out says nothing of who comes in."""
    text = """p: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress],
        ingress: [{from: [{podSelector: {}}]}],
        egress: [{to: [{ipBlock: {cidr: 192.168.0.2/32}}, {podSelector: {}}]},
            {ports: [{port: 53}, {port: 53, protocol: UDP}]}]}"""
    probe = call(f"{NODE_A}:40000", f"{WEB}:8080", 1, isn=9)
    capture = mapped(snapshot(*PODS, FRONT), *(recording([*BY_NODE, *probe], n) for n in "ab"))
    _, found = check_policies(policies(text), [capture])
    own = OWN_NODE.replace("b (192.168.0.2)", "a (192.168.0.1)").replace("api", "web")
    assert f"{NO_NODE}{own}" in list(map(said, found))


FRONT = service(
    "api",
    "10.96.0.9",
    namespace="shop",
    ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}],
    selector={"app": "api"},
)
BY_NODE = [
    *call(f"{WEB}:40000", f"{NODE_B}:30080", isn=5, interface=1),
    *call(f"{NODE_B}:40000", f"{API}:8080", 0.0001, isn=5, interface=2),
]


def test_a_call_that_passes_by_where_its_pods_are() -> None:
    """By another node's NodePort the filter sees that node; by its own it would see the pod."""
    to_node = "{to: [{ipBlock: {cidr: 192.168.0.2/32}}]}"
    dns = "{ports: [{port: 53}, {port: 53, protocol: UDP}]}"
    (found,) = remarks(EGRESS % f"{to_node}, {dns}", FRONT, seen=BY_NODE)
    assert found == (
        "call-denied-elsewhere: no egress rule lets web.shop reach api.shop at TCP 8080, which "
        "passes only as its pods are placed now"
    )
