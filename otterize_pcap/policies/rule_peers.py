"""The peers of a rule, found by what an end of a flow is: a rule can have hundreds."""

from collections import defaultdict
from collections.abc import Iterator

from otterize_pcap.policies.action_rule import ActionPeer, AnyRule, EndpointPeer
from otterize_pcap.policies.asked_labels import Label, asked_labels
from otterize_pcap.policies.cilium_identity import asked_pod_labels
from otterize_pcap.policies.flow_ends import FlowEnd, PodEnd
from otterize_pcap.policies.network_policy import LabelSelector, Peer
from otterize_pcap.policies.peer_matcher import PeerMatcher
from otterize_pcap.snapshot.snapshot import Pod

Numbered = tuple[int, ActionPeer]


class RulePeers:
    """A rule's peers, by a label that each asks of pods."""

    def __init__(self, rule: AnyRule) -> None:
        self._others: list[Numbered] = []
        self._of_pods: list[Numbered] = []
        self._by_label: dict[Label, list[Numbered]] = defaultdict(list)
        for number, peer in enumerate(rule.peers):
            is_of_pods = isinstance(peer, Peer) and peer.ip_block is None
            labels = _asked(peer)
            for label in labels:
                self._by_label[label].append((number, peer))
            if not labels:
                (self._of_pods if is_of_pods else self._others).append((number, peer))

    def matching(
        self, own_namespace: str, end: FlowEnd, own: Pod, matcher: PeerMatcher
    ) -> tuple[tuple[int, ...], str]:
        """The numbers of those that mean an end, and why others may, for all that is known."""
        found: list[int] = []
        unknown = ""
        for number, peer in self._candidates(end):
            known = matcher.matches(peer, own_namespace, end, own)
            if known:
                found.append(number)
            elif known is None:
                unknown = unknown or matcher.why_unknown(peer)
        return tuple(sorted(found)), unknown

    def _candidates(self, end: FlowEnd) -> Iterator[Numbered]:
        yield from self._others
        if isinstance(end, PodEnd):
            yield from self._of_pods
            for label in end.pod.labels.items():
                yield from self._by_label.get(label, ())


def _asked(peer: ActionPeer) -> tuple[Label, ...]:
    if isinstance(peer, EndpointPeer):
        return asked_pod_labels(peer.selector)
    if isinstance(peer, Peer) and peer.ip_block is None:
        return asked_labels(peer.pod_selector or LabelSelector())
    return ()
