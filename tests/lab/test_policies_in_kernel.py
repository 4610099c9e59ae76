"""What the kernel lets through is what we say that policies allow, call by call.

`packet_filter` turns policies into nftables rules from the API's documentation alone; every call
between pods on two nodes, the nodes and somebody outside is tried, and judged.
"""

import itertools
import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import yaml

from otterize_pcap.addresses import parse_address
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import FlowEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.judgement import Outcome
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import node, pod
from tests.lab.packet_filter import NodePort, PacketFilter, Pod
from tests.lab.policy_network import IPV4, IPV6, NODES, Call, PolicyNetwork, in_ipv6
from tests.policies.judged import flow

MISSING = [name for name in ("ip", "nft", "sysctl") if shutil.which(name) is None]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

Json = dict[str, Any]
RANGE = re.compile(r"\d+\.\d+\.\d+\.\d+/\d+")
NAMESPACES = {"shop": {"team": "a"}, "ops": {"team": "b"}, "bare": {}}
HTTP, METRICS = ("TCP", 8080), ("UDP", 8125)
PODS = [
    Pod("web", "shop", "10.1.0.1", "a", {"app": "web", "tier": "front"}, {"http": HTTP}),
    Pod("db", "shop", "10.1.0.2", "b", {"app": "db"}, {"http": ("TCP", 9090), "stats": METRICS}),
    Pod("job", "shop", "10.1.0.3", "b", {"job": "x"}),
    Pod("web", "ops", "10.2.0.1", "b", {"app": "web"}, {"http": HTTP}),
    Pod("agent", "ops", "10.2.0.2", "a", {"app": "agent", "tier": "back"}, {"stats": METRICS}),
    Pod("lone", "bare", "10.3.0.1", "a", {}),
]
PORTS = [
    HTTP,
    ("TCP", 9090),
    ("TCP", 32000),
    ("TCP", 32005),
    METRICS,
    ("UDP", 8080),
    ("SCTP", 8080),
]
ENDS = [*(f"{each.namespace}/{each.name}" for each in PODS), *NODES, "outside"]
# A pod to its own address is loopback; two that no policy can stand between say nothing.
CALLS: list[Call] = [
    (client, server, *port)
    for client, server in itertools.product(ENDS, ENDS)
    if client != server and ("/" in client or "/" in server)
    for port in PORTS
]

FEATURES = """
- {podSelector: {}}
- {podSelector: {}, policyTypes: [Egress]}
- {podSelector: {}, policyTypes: [Ingress, Egress]}
- {podSelector: {}, ingress: [{}], egress: [{}]}
- {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}]}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 8080}]}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}}]}]}
- {podSelector: {matchExpressions: [{key: tier, operator: Exists}]}, ingress: [{ports: [{port: http}, {port: stats, protocol: UDP}]}]}
- {podSelector: {}, ingress: [{ports: [{port: http}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}, {to: [{podSelector: {}}], ports: [{port: stats, protocol: UDP}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.2.0.0/16]}}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}]}
- {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/24, 10.2.0.1/32]}}]}]}
- {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}], ports: [{port: 32000, endPort: 32004}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.0.1/32}}]}]}
- {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ports: [{protocol: UDP}]}], egress: [{ports: [{protocol: SCTP}, {}]}]}
- {podSelector: {}, ingress: [{ports: [{port: 8080, protocol: SCTP}]}]}
- {podSelector: {}, policyTypes: [Ingress], egress: [{}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bare}}}]}]}
"""  # noqa: E501 - a policy a line


def policy(name: str, namespace: str, spec: Json) -> Json:
    """A NetworkPolicy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


class Choices:
    """Policies by chance, of what the cluster has and what it has not."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def policies(self) -> list[Json]:
        """A few, in any namespaces."""
        return [
            policy(f"p{number}", self._random.choice(list(NAMESPACES)), self._spec())
            for number in range(self._random.randint(1, 5))
        ]

    def _spec(self) -> Json:
        spec: Json = {"podSelector": self._selector(("app", "tier", "job"))}
        types = self._random.choice([None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]])
        if types:
            spec["policyTypes"] = types
        for field, peers in (("ingress", "from"), ("egress", "to")):
            if self._random.random() < 0.7:
                spec[field] = [self._rule(peers) for _ in range(self._random.randint(0, 3))]
        return spec

    def _rule(self, peers: str) -> Json:
        rule: Json = {}
        if self._random.random() < 0.8:
            rule[peers] = [self._peer() for _ in range(self._random.randint(1, 3))]
        if self._random.random() < 0.6:
            rule["ports"] = [self._port() for _ in range(self._random.randint(1, 3))]
        return rule

    def _peer(self) -> Json:
        kind = self._random.randint(0, 3)
        if kind == 0:
            cidr = self._random.choice(["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "10.2.0.1/32"])
            excepted = [] if "/32" in cidr else self._random.choice([[], [f"10.1.0.2/{32}"]])
            return {"ipBlock": {"cidr": cidr, **({"except": excepted} if excepted else {})}}
        peer: Json = {}
        if kind != 1:
            peer["namespaceSelector"] = self._selector(("team", "kubernetes.io/metadata.name"))
        if kind != 2:
            peer["podSelector"] = self._selector(("app", "tier", "job"))
        return peer

    def _port(self) -> Json:
        port: Json = {}
        if self._random.random() < 0.7:
            port["protocol"] = self._random.choice(["TCP", "UDP", "SCTP"])
        number = self._random.choice([None, 8080, 9090, 8125, 32000, "http", "stats", "none"])
        if number is not None:
            port["port"] = number
        if number == 32000 and self._random.random() < 0.5:
            port["endPort"] = 32005
        return port

    def _selector(self, keys: tuple[str, ...]) -> Json:
        values = ["web", "db", "agent", "front", "back", "x", "a", "b", "shop", "ops"]
        selector: Json = {}
        if self._random.random() < 0.5:
            selector["matchLabels"] = {self._random.choice(keys): self._random.choice(values)}
        if self._random.random() < 0.4:
            operator = self._random.choice(["In", "NotIn", "Exists", "DoesNotExist"])
            each: Json = {"key": self._random.choice(keys), "operator": operator}
            if operator in ("In", "NotIn"):
                each["values"] = self._random.sample(values, 3)
            selector["matchExpressions"] = [each]
        return selector


@cache
def cluster(family: str) -> Snapshot:
    """The same cluster as a snapshot."""
    written = in_ipv6 if family == IPV6 else str
    items = [
        *(
            pod(
                each.name,
                written(each.address),
                name=each.name,
                namespace=each.namespace,
                node=each.node,
                labels=each.labels,
                ports=[
                    {"name": name, "protocol": protocol, "containerPort": number}
                    for name, (protocol, number) in each.ports.items()
                ],
            )
            for each in PODS
        ),
        *(node(name, written(address)) for name, address in NODES.items()),
        *(
            {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name, labels in NAMESPACES.items()
        ),
    ]
    return parse_snapshot([("s", yaml.safe_dump({"kind": "List", "items": items}).encode())])


def ends(snapshot: Snapshot, network: PolicyNetwork) -> dict[str, FlowEnd]:
    """Who is who, as flows have them."""
    found: dict[str, FlowEnd] = {
        name: NodeEnd(parse_address(address), (name,)) for name, address in network.nodes.items()
    }
    found["outside"] = OutsideEnd(parse_address(network.addresses["outside"]))
    for each in snapshot.pods:
        workload = Workload(each.name, each.namespace, "Deployment")
        found[f"{each.namespace}/{each.name}"] = PodEnd(each, workload, each.addresses[0])
    return found


@pytest.fixture(scope="module", params=[IPV4, IPV6])
def network(request: pytest.FixtureRequest) -> Iterator[PolicyNetwork]:
    """The pods' network, in the kernel."""
    with PolicyNetwork(pods_of(request.param), PORTS, request.param) as made:
        yield made


def pods_of(family: str) -> list[Pod]:
    """The pods with addresses of a family."""
    if family == IPV4:
        return PODS
    return [replace(each, address=in_ipv6(each.address)) for each in PODS]


def enforced(network: PolicyNetwork, policies: list[Json]) -> Evaluator:
    """Have the kernel do what policies say; what the package makes of them.

    Ranges are those of the network's family.
    """
    text = json.dumps({"kind": "List", "items": policies})
    if network.family == IPV6:
        text = RANGE.sub(lambda found: in_ipv6(found.group()), text)
    written = json.loads(text)["items"]
    made = PacketFilter(written, pods_of(network.family), NAMESPACES, network.family)
    for name in NODES:
        network.filter(name, made.ruleset(name))
    read = read_policies([NamedFile("p.yaml", text.encode())])
    assert not [each for each in read.remarks if each.rule.level == "error"]
    return Evaluator(read.policies, cluster(network.family))


def differing(network: PolicyNetwork, policies: list[Json]) -> dict[Call, tuple[bool, str]]:
    """Calls of which the kernel and the package do not say the same."""
    evaluator = enforced(network, policies)
    known = ends(cluster(network.family), network)
    found = {}
    for call, passed in network.passes(CALLS).items():
        client, server, protocol, port = call
        said = evaluator.judge(flow(known[client], known[server], port, protocol)).outcome
        if said is not (Outcome.ALLOWED if passed else Outcome.DENIED):
            found[call] = (passed, said.value)
    return found


def test_without_policies_all_passes(network: PolicyNetwork) -> None:
    """The network itself stops nothing."""
    assert differing(network, []) == {}
    assert all(network.passes(CALLS).values())


@pytest.mark.parametrize("number", range(len(yaml.safe_load(FEATURES))))
def test_features(network: PolicyNetwork, number: int) -> None:
    """Each feature of the API by itself, in one namespace and in all."""
    spec = yaml.safe_load(FEATURES)[number]
    assert differing(network, [policy("p", "shop", spec)]) == {}
    everywhere = [policy("p", namespace, spec) for namespace in NAMESPACES]
    assert differing(network, everywhere) == {}


@pytest.mark.parametrize("seed", range(40))
def test_policies_by_chance(network: PolicyNetwork, seed: int) -> None:
    """Several at once, of every combination that the API allows."""
    assert differing(network, Choices(seed).policies()) == {}


FRONT = 30080
BEHIND = PODS[1]
CALLED_BY_NODE = [
    (client, node, "TCP", FRONT)
    for client in ENDS
    for node in NODES
    if client != f"{BEHIND.namespace}/{BEHIND.name}"
]
FORMS = """
- {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.1/32}}]}]}
- {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: http}]}]}
- {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 9090}]}]}
- {podSelector: {}, ingress: [{ports: [{port: 30080}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.0.0/16}}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 9090}]}]}
- {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 30080}]}]}
"""  # noqa: E501 - a policy a line


@pytest.mark.parametrize("is_local", [True, False], ids=["Local", "Cluster"])
def test_node_ports(network: PolicyNetwork, *, is_local: bool) -> None:
    """What filters see of NodePorts: nodes change destinations ahead of them, sources behind."""
    front = NodePort(FRONT, pods_of(network.family)[PODS.index(BEHIND)], 9090, is_local)
    for name, address in network.nodes.items():
        network.apply(name, front.ruleset(name, address, network.family))
    differ: dict[tuple[int, Call], tuple[bool, str]] = {}
    try:
        for number, spec in enumerate([*yaml.safe_load(FORMS), *yaml.safe_load(FEATURES)]):
            evaluator = enforced(network, [policy("p", each, spec) for each in NAMESPACES])
            known = ends(cluster(network.family), network)
            for call, passed in network.passes(CALLED_BY_NODE).items():
                expected = by_node_port(call, known, is_local=is_local)
                said = Outcome.DENIED if expected is None else evaluator.judge(expected).outcome
                if said is not (Outcome.ALLOWED if passed else Outcome.DENIED):
                    differ[number, call] = (passed, said.value)
    finally:
        for name in NODES:
            network.apply(name, f"delete table {network.family} services")
    assert differ == {}


def by_node_port(call: Call, known: dict[str, FlowEnd], *, is_local: bool) -> PodFlow | None:
    """A call to a NodePort as flows have it; None where no pod is behind it there."""
    client, node, protocol, port = call
    server = known[f"{BEHIND.namespace}/{BEHIND.name}"]
    if is_local and node != BEHIND.node:
        return None
    nodes = {f"{each.namespace}/{each.name}": each.node for each in PODS} | {
        name: name for name in NODES
    }
    leads = nodes.get(client) == node
    masked = not is_local and node != BEHIND.node
    return flow(
        known[client],
        server,
        9090 if leads else port,
        protocol,
        server_port=9090,
        destination=server if leads else known[node],
        source=known[node] if masked else known[client],
    )
