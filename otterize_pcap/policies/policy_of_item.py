"""NetworkPolicy objects → values, with the API server's defaults filled in."""

from collections.abc import Callable, Sequence

from otterize_pcap.addresses import parse_network
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.network_policy import (
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    PolicyRule,
    Requirement,
    policy_types_of,
)
from otterize_pcap.policies.validate import Path
from otterize_pcap.snapshot import objects, policy_objects
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem, NetworkPolicySpec

Locate = Callable[[Path], Place | None]
"""Where a part of the object stands."""


def nowhere(_: Path) -> Place | None:
    """The places of an object that is in no file."""
    return None


def policy_of(item: NetworkPolicyItem, namespace: str, locate: Locate = nowhere) -> NetworkPolicy:
    """A policy's value.

    Args:
        item: One in which `problems_of` finds none.
        namespace: Its own, or the one that it is applied to where it names none.
        locate: Where its parts stand.
    """
    spec = item.spec or NetworkPolicySpec()
    egress = spec.egress or ()
    return NetworkPolicy(
        name=item.metadata.name,
        namespace=namespace,
        pod_selector=selector_of(spec.podSelector),
        policy_types=policy_types_of(spec.policyTypes, len(egress)),
        ingress=tuple(
            _rule(rule, locate(("spec", "ingress", at)))
            for at, rule in enumerate(spec.ingress or ())
        ),
        egress=tuple(_rule(rule, locate(("spec", "egress", at))) for at, rule in enumerate(egress)),
        labels=tuple(sorted((item.metadata.labels or {}).items())),
        place=locate(()),
    )


def _rule(
    rule: policy_objects.NetworkPolicyIngressRule | policy_objects.NetworkPolicyEgressRule,
    place: Place | None,
) -> PolicyRule:
    ports = (
        PolicyPort(port.protocol or "TCP", port.port, port.endPort) for port in rule.ports or ()
    )
    return PolicyRule(tuple(map(_peer, rule.peers or ())), tuple(ports), place)


def _peer(peer: policy_objects.NetworkPolicyPeer) -> Peer:
    block = peer.ipBlock
    return Peer(
        None if peer.podSelector is None else selector_of(peer.podSelector),
        None if peer.namespaceSelector is None else selector_of(peer.namespaceSelector),
        None
        if block is None
        else IPBlock(parse_network(block.cidr), _networks(block.excepted or ())),
    )


def _networks(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    return tuple(map(parse_network, texts))


def selector_of(selector: objects.LabelSelector | None) -> LabelSelector:
    """A selector's value; without one, one that selects everything."""
    if selector is None:
        return LabelSelector()
    expressions = (
        Requirement(each.key, each.operator, each.values or ())
        for each in selector.matchExpressions or ()
    )
    return LabelSelector(tuple((selector.matchLabels or {}).items()), tuple(expressions))
