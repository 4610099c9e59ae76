"""Peers of rules, found by what an end of a flow is: a rule can have thousands, and a policy."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from otterize_pcap.policies.action_rule import (
    ActionPeer,
    AnyRule,
    CIDRPeer,
    EndpointPeer,
)
from otterize_pcap.policies.asked_labels import Label, asked_labels
from otterize_pcap.policies.cilium_identity import asked_pod_labels
from otterize_pcap.policies.flow_ends import FlowEnd, PodEnd
from otterize_pcap.policies.network_policy import IPBlock, LabelSelector, Peer
from otterize_pcap.policies.peer_matcher import PeerMatcher
from otterize_pcap.policies.peers import address_of
from otterize_pcap.snapshot.snapshot import Pod

Numbered = tuple[int, ActionPeer]


class PeerIndex:
    """Numbered peers, by a label that each asks of pods, or by the range that it is."""

    def __init__(self, peers: Iterable[Numbered]) -> None:
        self._others: list[Numbered] = []
        self._of_pods: list[Numbered] = []
        self._by_label: dict[Label, list[Numbered]] = defaultdict(list)
        # By mask, and then by where the range begins.
        self._ranges: dict[int, dict[int, list[Numbered]]] = defaultdict(lambda: defaultdict(list))
        for number, peer in peers:
            block = _block_of(peer)
            if block is not None:
                value, mask = block.cidr
                self._ranges[mask][value].append((number, peer))
                continue
            labels = _asked(peer)
            for label in labels:
                self._by_label[label].append((number, peer))
            if not labels:
                of_pods = isinstance(peer, Peer)
                (self._of_pods if of_pods else self._others).append((number, peer))

    def candidates(self, end: FlowEnd) -> Iterator[Numbered]:
        """All peers that may mean an end, and few others."""
        yield from self._others
        if self._ranges:
            yield from self._around(address_of(end))
        if isinstance(end, PodEnd):
            yield from self._of_pods
            for label in end.pod.labels.items():
                yield from self._by_label.get(label, ())

    def _around(self, address: bytes | None) -> Iterator[Numbered]:
        """The ranges that have an address; all where there is no single one."""
        value = None if address is None else int.from_bytes(address)
        for mask, ranges in self._ranges.items():
            if value is not None:
                yield from ranges.get(value & mask, ())
                continue
            for found in ranges.values():
                yield from found


class RulePeers:
    """A rule's peers."""

    def __init__(self, rule: AnyRule) -> None:
        self._index = PeerIndex(enumerate(rule.peers))

    def matching(
        self, own_namespace: str, end: FlowEnd, own: Pod, matcher: PeerMatcher
    ) -> tuple[tuple[int, ...], str]:
        """The numbers of those that mean an end, and why others may, for all that is known."""
        found: list[int] = []
        unknown = ""
        for number, peer in self._index.candidates(end):
            known = matcher.matches(peer, own_namespace, end, own)
            if known:
                found.append(number)
            elif known is None:
                unknown = unknown or matcher.why_unknown(peer)
        return tuple(sorted(found)), unknown


class PolicyRules:
    """The rules of one direction of a policy, by their peers."""

    def __init__(self, rules: Sequence[AnyRule]) -> None:
        self._for_all = [number for number, rule in enumerate(rules) if not rule.peers]
        self._index = PeerIndex(
            (number, peer) for number, rule in enumerate(rules) for peer in rule.peers
        )

    def candidates(self, end: FlowEnd) -> list[int]:
        """The numbers of all rules that may mean an end, in order."""
        return sorted({*self._for_all, *(number for number, _ in self._index.candidates(end))})


def _block_of(peer: ActionPeer) -> IPBlock | None:
    if isinstance(peer, CIDRPeer):
        return peer.block
    return peer.ip_block if isinstance(peer, Peer) else None


def _asked(peer: ActionPeer) -> tuple[Label, ...]:
    if isinstance(peer, EndpointPeer):
        return asked_pod_labels(peer.selector)
    return asked_labels(peer.pod_selector or LabelSelector()) if isinstance(peer, Peer) else ()
