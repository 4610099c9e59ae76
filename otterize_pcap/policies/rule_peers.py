"""The peers of a rule, found by what an end of a flow is: a rule can have hundreds."""

from collections import defaultdict
from collections.abc import Iterator

from otterize_pcap.policies.flow_ends import FlowEnd, PodEnd
from otterize_pcap.policies.network_policy import LabelSelector, Peer, PolicyRule
from otterize_pcap.policies.peers import Known, NamespaceLabels, peer_matches
from otterize_pcap.policies.policy_index import Label, asked_labels

Numbered = tuple[int, Peer]


class RulePeers:
    """A rule's peers, by a label that each asks of pods."""

    def __init__(self, rule: PolicyRule) -> None:
        self._blocks: list[Numbered] = []
        self._rest: list[Numbered] = []
        self._by_label: dict[Label, list[Numbered]] = defaultdict(list)
        for number, peer in enumerate(rule.peers):
            if peer.ip_block is not None:
                self._blocks.append((number, peer))
                continue
            labels = asked_labels(peer.pod_selector or LabelSelector())
            for label in labels:
                self._by_label[label].append((number, peer))
            if not labels:
                self._rest.append((number, peer))

    def matching(
        self, own_namespace: str, end: FlowEnd, labels: NamespaceLabels
    ) -> tuple[tuple[int, ...], bool]:
        """The numbers of those that mean an end, and whether others may, for all that is known."""
        found: list[int] = []
        unknown = False
        for number, peer in self._candidates(end):
            known: Known = peer_matches(peer, own_namespace, end, labels)
            if known:
                found.append(number)
            unknown = unknown or known is None
        return tuple(sorted(found)), unknown

    def _candidates(self, end: FlowEnd) -> Iterator[Numbered]:
        yield from self._blocks
        if isinstance(end, PodEnd):
            yield from self._rest
            for label in end.pod.labels.items():
                yield from self._by_label.get(label, ())
