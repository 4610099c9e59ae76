"""Policies → networking.k8s.io/v1 documents: YAML with the reasons as comments, or a file each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from otterize_pcap.addresses import format_network
from otterize_pcap.graph.naming import full_name
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.verdict import BOTH
from otterize_pcap.policies.workload_policy import AllowedPeer, WorkloadPolicy, peer_text
from otterize_pcap.render.yaml_text import Commented, comment, render_documents

Document = dict[str, Any]
PolicyForm = Callable[[WorkloadPolicy], Document]
"""Makes the document of a policy: `commented_document`, or that of another kind of policy."""
API_VERSION = "networking.k8s.io/v1"
NO_POLICIES = "No policy: too little was seen of any workload."
KEYS = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}


def render_policies(made: Sequence[WorkloadPolicy], form: PolicyForm) -> str:
    """One YAML document a policy, separated by `---`; first, as comments, what has none and why."""
    left_out = [line for each in made if each.policy is None for line in left_out_lines(each)]
    documents = [form(each) for each in made if each.policy is not None]
    if not documents:
        left_out.append(NO_POLICIES)
    head = "".join(f"{comment(line)}\n" for line in left_out)
    return head + render_documents(documents)


def render_policy_files(made: Iterable[WorkloadPolicy], form: PolicyForm) -> dict[str, str]:
    """A file a policy, by its name; each begins with `---`, so that all can be one stream."""
    return {
        policy_file(each): "---\n" + render_documents([form(each)])
        for each in made
        if each.policy is not None
    }


def policy_file(made: WorkloadPolicy) -> str:
    """The file of a workload's policy, `<name>.<namespace>.yaml`, whether or not it has one."""
    return f"{made.name}.{made.workload.namespace}.yaml"


def commented_document(made: WorkloadPolicy) -> Document:
    """A policy with the reasons of its workload above it, and above each rule whom it is for."""
    policy = made.policy
    if policy is None:
        message = f"{full_name(made.workload)} has no policy"
        raise ValueError(message)
    document = policy_document(policy)
    for direction in BOTH:
        key, _ = KEYS[direction]
        if direction in policy.policy_types:
            allowed = [each for each in made.allowed if each.direction == direction]
            document["spec"][key] = [
                Commented(rule_document(each.rule, direction), rule_lines(each)) for each in allowed
            ]
    return Commented(document, verdict_lines(made))


def policy_document(policy: NetworkPolicy) -> Document:
    """A policy as the API has it, ready to be written as YAML or JSON."""
    metadata: Document = {"name": policy.name, "namespace": policy.namespace}
    if policy.labels:
        metadata["labels"] = dict(policy.labels)
    spec: Document = {
        "podSelector": selector_document(policy.pod_selector),
        "policyTypes": [each for each in BOTH if each in policy.policy_types],
    }
    for direction in BOTH:
        rules = policy.rules(direction)
        if rules:
            spec[KEYS[direction][0]] = [rule_document(rule, direction) for rule in rules]
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": spec,
    }


def rule_document(rule: PolicyRule, direction: str) -> Document:
    """A rule of one direction; without peers it is for everybody, without ports for all ports."""
    document: Document = {}
    if rule.peers:
        document[KEYS[direction][1]] = [_peer(peer) for peer in rule.peers]
    if rule.ports:
        document["ports"] = [_port(port) for port in rule.ports]
    return document


def _peer(peer: Peer) -> Document:
    if peer.ip_block is not None:
        block: Document = {"cidr": format_network(peer.ip_block.cidr)}
        if peer.ip_block.excepted:
            block["except"] = [format_network(each) for each in peer.ip_block.excepted]
        return {"ipBlock": block}
    document = {}
    if peer.namespace_selector is not None:
        document["namespaceSelector"] = selector_document(peer.namespace_selector)
    if peer.pod_selector is not None:
        document["podSelector"] = selector_document(peer.pod_selector)
    return document


def _port(port: PolicyPort) -> Document:
    document: Document = {"protocol": port.protocol}
    if port.port is not None:
        document["port"] = port.port
    if port.end_port is not None:
        document["endPort"] = port.end_port
    return document


def selector_document(selector: LabelSelector) -> Document:
    """A label selector; an empty one matches everything."""
    document: Document = {}
    if selector.match_labels:
        document["matchLabels"] = dict(selector.match_labels)
    if selector.match_expressions:
        document["matchExpressions"] = [
            {"key": each.key, "operator": each.operator}
            | ({"values": list(each.values)} if each.values else {})
            for each in selector.match_expressions
        ]
    return document


def verdict_lines(made: WorkloadPolicy) -> Iterator[str]:
    """What a policy rests on, and which directions are left out and why, a line each."""
    yield f"{full_name(made.workload)} ({made.workload.kind or 'workload'})"
    types = made.policy.policy_types if made.policy is not None else frozenset()
    for reason in made.verdict.reasons:
        left = [each for each in reason.leaves_out if each not in types]
        what = f"{' and '.join(left)} left out: " if left else ""
        yield f"  {what}{reason.text}"


def left_out_lines(made: WorkloadPolicy) -> list[str]:
    """Why a workload has no policy: only what leaves a direction out."""
    why = [reason.text for reason in made.verdict.reasons if reason.leaves_out]
    return [f"no policy for {full_name(made.workload)}: {'; '.join(why)}"] if why else []


def rule_lines(allowed: AllowedPeer) -> Iterator[str]:
    """Whom a rule is for, and what is to be known of it."""
    peers = ", ".join(map(peer_text, allowed.peers)) or "everybody"
    services = sorted(allowed.seen.services) if allowed.seen else []
    through = f", through Service {', '.join(services)}" if services else ""
    unseen = "" if allowed.seen else ", known and not seen"
    yield f"{KEYS[allowed.direction][1]} {peers}{through}{unseen}"
    yield from allowed.remarks
