"""The rules of one direction, each once: what others allow already is no rule of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import product

from msgspec.structs import replace

from otterize_pcap.addresses import Network
from otterize_pcap.policies.needs import (
    AddressPeer,
    DnsPeer,
    NeedPeer,
    PodsPeer,
    Sighting,
    add_sightings,
)
from otterize_pcap.policies.network_policy import (
    IN,
    IPBlock,
    LabelSelector,
    Peer,
    PolicyPort,
    PolicyRule,
    Requirement,
)
from otterize_pcap.policies.selectors import Labels
from otterize_pcap.policies.workload_policy import AllowedPeer

LabelsOf = Callable[[NeedPeer], Sequence[Labels]]
"""The labels of each pod of a workload; none of what is no workload's pods."""


def joined_rules(
    rules: Iterable[AllowedPeer], labels_of: LabelsOf, *, by_identity: bool
) -> list[AllowedPeer]:
    """Rules for single addresses outside as one where their ports are alike, none without need.

    Args:
        rules: All of one direction, in order.
        labels_of: What tells whether a selector for other pods has a workload's as well.
        by_identity: Whether ranges mean neither pods nor nodes, as Cilium has it; then no range
            stands in for a rule of another kind.
    """
    kept = _with_one_rule_outside(rules)
    for each in reversed(kept.copy()):
        others = [
            other
            for other in kept
            if other is not each and not (by_identity and _differ(other, each))
        ]
        covering = list(_covering(each, others, labels_of))
        if covering:
            first = covering[0]
            rest = (other for other in kept if other is not each)
            kept = [_with(other, each) if other is first else other for other in rest]
    return kept


def _with_one_rule_outside(rules: Iterable[AllowedPeer]) -> list[AllowedPeer]:
    found: list[list[AllowedPeer]] = []
    alike: dict[tuple[PolicyPort, ...], list[AllowedPeer]] = {}
    for each in rules:
        if not isinstance(each.peers[0] if each.peers else None, AddressPeer):
            found.append([each])
        elif each.rule.ports in alike:
            alike[each.rule.ports].append(each)
        else:
            alike[each.rule.ports] = [each]
            found.append(alike[each.rule.ports])
    return [each[0] if len(each) == 1 else _as_one(each) for each in found]


def _as_one(rules: Sequence[AllowedPeer]) -> AllowedPeer:
    """A rule for the addresses of several; put together at once, since there can be thousands."""
    peers = dict.fromkeys(peer for each in rules for peer in each.peers)
    blocks = dict.fromkeys(peer for each in rules for peer in each.rule.peers)
    seen = reduce(_seen_by_both, (each.seen for each in rules))
    rule = PolicyRule(tuple(blocks), rules[0].rule.ports)
    return replace(rules[0], peers=tuple(peers), seen=seen, rule=rule)


def _seen_by_both(one: Sighting | None, other: Sighting | None) -> Sighting | None:
    return add_sightings(one, other) if one and other else one or other


def _with(known: AllowedPeer, more: AllowedPeer) -> AllowedPeer:
    """A rule that is for another's peers as well."""
    # Everybody is no list of some.
    peers = tuple(dict.fromkeys((*known.peers, *more.peers))) if known.peers else ()
    return replace(known, peers=peers, seen=_seen_by_both(known.seen, more.seen))


def _differ(one: AllowedPeer, other: AllowedPeer) -> bool:
    """Whether one rule is for pods and the other for addresses."""
    return bool(one.peers and other.peers) and not (_are_pods(one) and _are_pods(other))


def _are_pods(rule: AllowedPeer) -> bool:
    return all(isinstance(peer, PodsPeer | DnsPeer) for peer in rule.peers)


def _covering(
    rule: AllowedPeer, others: Sequence[AllowedPeer], labels_of: LabelsOf
) -> Iterator[AllowedPeer]:
    """Rules that allow together all that one does; none where a part of it is missing."""
    labels = labels_of(rule.peers[0]) if len(rule.peers) == 1 else ()
    found: list[AllowedPeer] = []
    for peer, port in product(rule.rule.peers or (None,), rule.rule.ports or (None,)):
        of_part = next(
            (
                other
                for other in others
                if _any_covers(other.rule.peers, peer, labels)
                and (not other.rule.ports or (port and _has_port(other.rule.ports, port)))
            ),
            None,
        )
        if of_part is None:
            return
        found.append(of_part)
    yield from found


def _any_covers(peers: Sequence[Peer], narrow: Peer | None, labels: Sequence[Labels]) -> bool:
    if narrow is None or not peers:
        return not peers
    return any(_covers(peer, narrow, labels) for peer in peers)


def _covers(wide: Peer, narrow: Peer, labels: Sequence[Labels]) -> bool:
    """Whether a peer means all whom another means, in policies of one namespace."""
    if wide.ip_block is not None or narrow.ip_block is not None:
        both = wide.ip_block is not None and narrow.ip_block is not None
        return both and _block_covers(wide.ip_block, narrow.ip_block)
    if wide.namespace_selector != narrow.namespace_selector:
        return False
    selector = wide.pod_selector or LabelSelector()
    if labels and all(map(selector.matches, labels)):
        return True
    asked = (narrow.pod_selector or LabelSelector()).requirements
    return all(any(_implies(each, one) for each in asked) for one in selector.requirements)


def _implies(narrow: Requirement, wide: Requirement) -> bool:
    if narrow.key == wide.key and narrow.operator == wide.operator == IN:
        return set(narrow.values) <= set(wide.values)
    return narrow == wide


def _block_covers(wide: IPBlock | None, narrow: IPBlock | None) -> bool:
    if wide is None or narrow is None or wide.is_ipv4 != narrow.is_ipv4:
        return False
    return _lies_in(narrow.cidr, wide.cidr) and all(
        any(_lies_in(out, own) for own in narrow.excepted) or not _meet(out, narrow.cidr)
        for out in wide.excepted
    )


def _lies_in(inner: Network, outer: Network) -> bool:
    return inner[1] & outer[1] == outer[1] and inner[0] & outer[1] == outer[0]


def _meet(one: Network, other: Network) -> bool:
    return _lies_in(one, other) or _lies_in(other, one)


def _has_port(ports: Iterable[PolicyPort], narrow: PolicyPort) -> bool:
    return any(_port_covers(wide, narrow) for wide in ports)


def _port_covers(wide: PolicyPort, narrow: PolicyPort) -> bool:
    if wide.protocol != narrow.protocol:
        return False
    if wide.port is None or wide == narrow:
        return True
    if not (isinstance(wide.port, int) and isinstance(narrow.port, int)):
        return False
    last = narrow.end_port or narrow.port
    return wide.port <= narrow.port and last <= (wide.end_port or wide.port)
