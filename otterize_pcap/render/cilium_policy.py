"""Policies → cilium.io/v2 CiliumNetworkPolicy documents.

Cilium goes by identities: a range of addresses never means a pod, a node or the API server there,
which have entities instead, and what is outside can go by its name (Cilium documentation, "Layer 3
Policies"). A rule has one kind of peer.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from otterize_pcap.addresses import NODE_LOCAL_DNS, format_address, format_network
from otterize_pcap.policies.action_rule import AnyRule, CIDRPeer, EndpointPeer, EntityPeer
from otterize_pcap.policies.needs import (
    AddressPeer,
    ApiServerPeer,
    DnsPeer,
    NodesPeer,
    OutsidePeer,
    PublicPeer,
)
from otterize_pcap.policies.network_policy import (
    EGRESS,
    LabelSelector,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.verdict import BOTH
from otterize_pcap.policies.workload_policy import AllowedPeer, WorkloadPolicy
from otterize_pcap.render.network_policy import (
    KEYS,
    Document,
    rule_document,
    rule_lines,
    selector_document,
    verdict_lines,
)
from otterize_pcap.render.yaml_text import Commented
from otterize_pcap.resolve.workload_labels import NAME_LABEL

API_VERSION = "cilium.io/v2"
KIND = "CiliumNetworkPolicy"
NAMESPACE_LABEL = "k8s:io.kubernetes.pod.namespace"
NODES = ["host", "remote-node"]
ALL_NAMES = {"dns": [{"matchPattern": "*"}]}
"""Has Cilium see the answers of DNS, without which it knows no addresses of names."""


def cilium_document(made: WorkloadPolicy) -> Document:
    """A policy for Cilium, with the reasons of its workload and of each rule as comments."""
    policy, selector = made.policy, made.selector
    if policy is None or selector is None:
        message = f"{made.workload.name} has no policy"
        raise ValueError(message)
    spec: Document = {"endpointSelector": selector_document(selector)}
    by_name = any(
        isinstance(peer, AddressPeer) and peer.name for each in made.allowed for peer in each.peers
    )
    for direction in BOTH:
        if direction in policy.policy_types:
            spec[KEYS[direction][0]] = [
                document
                for each in made.allowed
                if each.direction == direction
                for document in _rules(each, by_name=by_name)
            ]
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": policy.name,
            "namespace": policy.namespace,
            "labels": dict(policy.labels),
        },
        "spec": spec,
    }
    return Commented(document, verdict_lines(made))


def remedy_document(rule: AnyRule, direction: str) -> Document:
    """A rule as the kind of policy has it that it is for."""
    if isinstance(rule, PolicyRule):
        return rule_document(rule, direction)
    way = KEYS[direction][1]
    document: Document = {}
    for peer in rule.peers:
        match peer:
            case EntityPeer(name):
                document.setdefault(f"{way}Entities", []).append(name)
            case CIDRPeer(block):
                document.setdefault(f"{way}CIDR", []).append(format_network(block.cidr))
            case EndpointPeer(selector):
                endpoint = selector_document(selector)
                document.setdefault(f"{way}Endpoints", []).append(endpoint)
    return {**document, "toPorts": [_ports(rule.ports, None)]} if rule.ports else document


def _rules(allowed: AllowedPeer, *, by_name: bool) -> Iterator[Document]:
    """The rules of one peer, the first with the comment."""
    is_dns = allowed.direction == EGRESS and DnsPeer() in allowed.peers
    ports = _ports(allowed.rule.ports, ALL_NAMES if is_dns and by_name else None)
    # What is said of nodes' addresses is not so of the entities that stand in their place.
    is_entity = NodesPeer() in allowed.peers
    lines = tuple(rule_lines(replace(allowed, remarks=()) if is_entity else allowed))
    for number, peer in enumerate(_peers(allowed)):
        document = {**peer, **({"toPorts": [ports]} if ports["ports"] else {})}
        yield Commented(document, lines) if number == 0 else document


def _peers(allowed: AllowedPeer) -> Iterator[Document]:
    way = KEYS[allowed.direction][1]
    kinds = {type(peer) for peer in allowed.peers}
    if not kinds:
        yield {f"{way}Entities": ["all"]}
    elif ApiServerPeer in kinds:
        yield {f"{way}Entities": ["kube-apiserver"]}
    elif NodesPeer in kinds:
        yield {f"{way}Entities": NODES}
    elif OutsidePeer in kinds or PublicPeer in kinds:
        yield {f"{way}Entities": ["world"]}
    elif AddressPeer in kinds:
        yield from _outside(allowed, way)
    else:
        yield from _inside(allowed.rule.peers, way)


def _outside(allowed: AllowedPeer, way: str) -> Iterator[Document]:
    peers = [peer for peer in allowed.peers if isinstance(peer, AddressPeer)]
    names = sorted({peer.name for peer in peers if peer.name})
    if names and allowed.direction == EGRESS:
        yield {"toFQDNs": [{"matchName": name} for name in names]}
        peers = [peer for peer in peers if not peer.name]
    if peers:
        yield {f"{way}CIDR": sorted({_single(peer.address) for peer in peers})}


def _single(address: bytes) -> str:
    text = format_address(address)
    return f"{text}/{128 if ':' in text else 32}"


def _inside(peers: Iterable[Peer], way: str) -> Iterator[Document]:
    """Pods by their labels; caches of DNS at addresses that nodes have."""
    endpoints = [_endpoint(peer) for peer in peers if peer.ip_block is None]
    ranges = [format_network(peer.ip_block.cidr) for peer in peers if peer.ip_block is not None]
    if endpoints:
        yield {f"{way}Endpoints": endpoints}
    if ranges:
        yield {f"{way}CIDR": ranges}
        if _single(NODE_LOCAL_DNS) in ranges:
            yield {f"{way}Entities": ["host"]}


def _endpoint(peer: Peer) -> Document:
    """Pods by labels, the namespace's name among these."""
    document = selector_document(peer.pod_selector or LabelSelector())
    if peer.namespace_selector is not None:
        names = dict(peer.namespace_selector.match_labels)
        labels = {NAMESPACE_LABEL: names[NAME_LABEL], **document.get("matchLabels", {})}
        document = {**document, "matchLabels": labels}
    return document


def _ports(ports: Iterable[PolicyPort], rules: dict[str, Any] | None) -> Document:
    written = []
    for port in ports:
        document: Document = {"port": str(port.port), "protocol": port.protocol}
        if port.end_port is not None:
            document["endPort"] = port.end_port
        written.append(document)
    return {"ports": written, **({"rules": rules} if rules else {})}
