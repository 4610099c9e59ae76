"""Administrators' policy objects → values."""

from collections.abc import Collection, Iterator

from otterize_pcap.addresses import parse_network
from otterize_pcap.policies.action_rule import (
    ALLOW,
    ActionPeer,
    ActionRule,
    AdminPolicy,
    NamePeer,
    UnjudgedPeer,
)
from otterize_pcap.policies.admin_objects import (
    AdminItem,
    AdminPort,
    AnyItem,
    BaselineSpec,
    EgressPeer,
    RuleObject,
    Subject,
    rules_of,
)
from otterize_pcap.policies.cilium_of_item import NODE, NODE_LABELS, not_known
from otterize_pcap.policies.network_policy import ANY_PROTOCOL, IPBlock, Peer, PolicyPort
from otterize_pcap.policies.policy_of_item import Locate, nowhere, selector_of
from otterize_pcap.policies.validate import Path


def admin_policy(
    item: AnyItem, locate: Locate = nowhere, unknown: Collection[Path] = ()
) -> AdminPolicy:
    """A policy's value.

    Args:
        item: One in which `admin_problems` finds none.
        locate: Where its parts stand.
        unknown: The paths of fields that are not known here.
    """
    spec = item.spec or BaselineSpec()
    sections = {
        section: tuple(
            _rule(section, at, rule, locate, unknown)
            for at, rule in enumerate(rules_of(spec, section))
        )
        for section in ("ingress", "egress")
    }
    return AdminPolicy(
        kind=item.kind,
        name=item.metadata.name,
        subject=_pods(spec.subject or Subject()),
        priority=item.spec.priority or 0 if isinstance(item, AdminItem) and item.spec else 0,
        is_baseline=not isinstance(item, AdminItem),
        ingress=sections["ingress"],
        egress=sections["egress"],
        place=locate(()),
    )


def _rule(
    section: str, at: int, rule: RuleObject, locate: Locate, unknown: Collection[Path]
) -> ActionRule:
    path: Path = ("spec", section, at)
    # What is not known of the whole policy may be of any of its rules.
    concerned = [
        each for each in unknown if each[:3] == path or each[1:2] not in (("ingress",), ("egress",))
    ]
    return ActionRule(
        section,
        at,
        rule.action or ALLOW,
        tuple(peer for each in rule.peers or () for peer in _peers(each)),
        tuple(map(_port, rule.ports or ())),
        not_known(concerned),
        place=locate(path),
    )


def _pods(found: Subject) -> Peer:
    """Pods by namespaces, or by both selectors."""
    if found.pods is not None:
        return Peer(selector_of(found.pods.podSelector), selector_of(found.pods.namespaceSelector))
    return Peer(namespace_selector=selector_of(found.namespaces))


def _peers(peer: Subject) -> Iterator[ActionPeer]:
    if not isinstance(peer, EgressPeer) or peer.namespaces is not None or peer.pods is not None:
        yield _pods(peer)
        return
    for text in peer.networks or ():
        yield Peer(ip_block=IPBlock(parse_network(text)))
    if peer.nodes is not None:
        yield UnjudgedPeer("nodes", NODE_LABELS, frozenset((NODE,)))
    for name in peer.domainNames or ():
        # Here `*.example.com` means all names below it, however deep.
        yield NamePeer(f"*{name}" if name.startswith("*.") else name, pattern="*" in name)


def _port(port: AdminPort) -> PolicyPort:
    if port.portRange is not None:
        ports = port.portRange
        return PolicyPort(ports.protocol or "TCP", ports.start, ports.end)
    if port.portNumber is not None:
        return PolicyPort(port.portNumber.protocol or "TCP", port.portNumber.port)
    return PolicyPort(ANY_PROTOCOL, port.namedPort)
