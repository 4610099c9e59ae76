"""A small cluster, and what policies written in YAML make of calls in it."""

from collections.abc import Iterable, Sequence

import yaml

from otterize_pcap.addresses import parse_address
from otterize_pcap.graph.service_graph import ESTABLISHED, Evidence, Workload
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.check_policies import EVERYTHING, CheckScope, PolicyCheck, PolicyChecker
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import FlowEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.judgement import Judgement
from otterize_pcap.policies.network_policy import NetworkPolicy
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.policy_rules import Remark
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import NODE_A, NODE_B, Json, pod, snapshot

POSTGRES = {"containerPort": 5432, "name": "postgres"}
DNS = {"containerPort": 53, "name": "dns", "protocol": "UDP"}
OBJECTS = (
    pod("web", "10.1.0.1", namespace="shop", labels={"app": "web", "tier": "front"}),
    pod("db", "10.1.0.2", namespace="shop", node="b", ports=[POSTGRES, DNS]),
    pod(
        "db", "10.1.0.3", namespace="shop", name="db-2", ports=[{**POSTGRES, "containerPort": 6432}]
    ),
    pod("monitor", "10.2.0.1", namespace="ops"),
    pod("web", "10.2.0.2", namespace="ops"),
    pod("web", "10.3.0.1", namespace="unlisted"),
    pod("agent", NODE_B, namespace="shop", node="b", host_network=True, ports=[9100]),
    {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}},
    {"kind": "Namespace", "metadata": {"name": "ops", "labels": {"team": "b"}}},
)
WORDS = {
    "$NS": "k8s:io.kubernetes.pod.namespace",
    "$TEAM": "k8s:io.cilium.k8s.namespace.labels.team",
    "$SUBJECT": "endpointSelector: {matchLabels: {app: db}}",
    "$DENY_WEB": "ingressDeny: [{fromEndpoints: [{matchLabels: {app: web}}]}]",
    "$ALL": "[{namespaces: {}}]",
    "$ANY": "subject: {namespaces: {}}",
    "$WEB_OF_B": (
        "{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}"
    ),
}
CLUSTER = snapshot(*OBJECTS)
NODES = {NODE_A: "a", NODE_B: "b"}


def check_policies(
    given: Sequence[AnyPolicy],
    captures: Iterable[MappedCapture],
    scope: CheckScope = EVERYTHING,
    *,
    attempts: bool = False,
) -> tuple[PolicyCheck, tuple[Remark, ...]]:
    """What a check of captures finds, one looked at after the other."""
    checker = PolicyChecker(given, scope, attempts=attempts)
    for mapped in captures:
        checker.look_at(mapped)
    return checker.found()


def policies(text: str) -> tuple[NetworkPolicy, ...]:
    """Policies by their specs alone, as a YAML mapping: of namespace shop, or of the one named."""
    documents: list[Json] = []
    for name, spec in yaml.safe_load(text).items():
        namespace, _, own = name.rpartition("/")
        meta = {"name": own, "namespace": namespace or "shop"}
        documents.append(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": meta,
                "spec": spec,
            }
        )
    found = read_policies([NamedFile("p.yaml", yaml.safe_dump_all(documents).encode())])
    assert not found.remarks
    return tuple(each for each in found.policies if isinstance(each, NetworkPolicy))


def of_cilium(text: str, file: str = "p.yaml") -> tuple[AnyPolicy, ...]:
    """Cilium's policies by their specs alone: of namespace shop, or the one named; `all`, of all.

    A list of specs is an object with `specs`. Words with `$` stand for what is long.
    """
    documents: list[Json] = []
    for name, spec in yaml.safe_load(_in_full(text)).items():
        namespace, _, own = name.rpartition("/")
        is_wide = namespace == "all"
        documents.append(
            {
                "apiVersion": "cilium.io/v2",
                "kind": "CiliumClusterwideNetworkPolicy" if is_wide else "CiliumNetworkPolicy",
                "metadata": {"name": own}
                if is_wide
                else {"name": own, "namespace": namespace or "shop"},
                "specs" if isinstance(spec, list) else "spec": spec,
            }
        )
    found = read_policies([NamedFile(file, yaml.safe_dump_all(documents).encode())])
    assert not found.remarks
    return found.policies


def of_administrators(text: str) -> tuple[AnyPolicy, ...]:
    """Administrators' policies by their specs alone; one called `default` is the baseline."""
    documents: list[Json] = [
        {
            "apiVersion": "policy.networking.k8s.io/v1alpha1",
            "kind": "BaselineAdminNetworkPolicy" if name == "default" else "AdminNetworkPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        for name, spec in yaml.safe_load(_in_full(text)).items()
    ]
    found = read_policies([NamedFile("p.yaml", yaml.safe_dump_all(documents).encode())])
    assert not found.remarks
    return found.policies


def _in_full(text: str) -> str:
    for word, meant in WORDS.items():
        text = text.replace(word, meant)
    return text


def end(text: str, cluster: Snapshot = CLUSTER) -> FlowEnd:
    """`namespace/pod`, the address of a node, or one that is outside."""
    for each in cluster.pods:
        if f"{each.namespace}/{each.name.removesuffix('-pod')}" == text:
            workload = Workload(each.name, each.namespace, "Deployment")
            if each.host_network:
                return NodeEnd(each.addresses[0], (each.node,), each, workload)
            return PodEnd(each, workload, each.addresses[0])
    assert "/" not in text
    if text in NODES:
        return NodeEnd(parse_address(text), (NODES[text],))
    return OutsideEnd(parse_address(text))


def flow(
    client: FlowEnd, server: FlowEnd, port: int = 5432, protocol: str = "TCP", **fields: object
) -> PodFlow:
    """One flow that nothing changed on its way, unless fields say so."""
    plain: dict[str, object] = {
        "client": client,
        "server": server,
        "source": client,
        "destination": server,
        "protocol": protocol,
        "port": port,
        "server_port": port,
        "status": ESTABLISHED,
        "connections": 1,
        "first_ns": 0,
        "last_ns": 0,
        "services": (),
        "evidence": Evidence("a.pcap", 1, 0, "syn"),
    }
    return PodFlow(**{**plain, **fields})  # type: ignore[arg-type] # as the fields are


def judged(
    text: str | Sequence[AnyPolicy], found: PodFlow, cluster: Snapshot = CLUSTER
) -> Judgement:
    """What policies make of a flow: NetworkPolicies in YAML, or any."""
    known = policies(text) if isinstance(text, str) else text
    return Evaluator(known, cluster).judge(found)


def verdict(
    text: str | Sequence[AnyPolicy],
    client: str,
    server: str,
    port: int = 5432,
    protocol: str = "TCP",
) -> str:
    """Allowed, denied or unknown."""
    return judged(text, flow(end(client), end(server), port, protocol)).outcome.value
