"""Which pods of a snapshot a policy or a peer of it means, found by one of the labels asked for."""

from collections import defaultdict
from collections.abc import Iterator

from otterize_pcap.policies.network_policy import LabelSelector, NetworkPolicy, Peer
from otterize_pcap.policies.peers import NamespaceLabels
from otterize_pcap.policies.policy_index import Label, asked_labels
from otterize_pcap.snapshot.snapshot import Pod, Snapshot


class PodFinder:
    """The pods of one snapshot that policies can select: none on its node's network."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.labels = NamespaceLabels(snapshot.namespaces)
        self.namespaces = frozenset(snapshot.namespaces) | {pod.namespace for pod in snapshot.pods}
        self._meant: dict[LabelSelector, bool] = {}
        self._by_namespace: dict[str, list[Pod]] = defaultdict(list)
        self._by_label: dict[Label, list[Pod]] = defaultdict(list)
        for pod in snapshot.pods:
            if not pod.host_network:
                self._by_namespace[pod.namespace].append(pod)
                for label in pod.labels.items():
                    self._by_label[label].append(pod)

    def has_namespace(self, selector: LabelSelector) -> bool:
        """Whether a selector means a namespace, as far as is known."""
        found = self._meant.get(selector)
        if found is None:
            names = self.namespaces
            found = any(self.labels.match(selector, name) for name in names)
            self._meant[selector] = found
        return found

    def selected(self, policy: NetworkPolicy) -> Iterator[Pod]:
        """The pods that a policy selects."""
        return self.meant(Peer(policy.pod_selector), policy.namespace)

    def meant(self, peer: Peer, own_namespace: str) -> Iterator[Pod]:
        """The pods that a peer means by its selectors, as far as is known."""
        if peer.ip_block is not None:
            return
        for pod in self.having(peer.pod_selector or LabelSelector()):
            if peer.namespace_selector is None:
                is_there = pod.namespace == own_namespace
            else:
                is_there = bool(self.labels.match(peer.namespace_selector, pod.namespace))
            if is_there:
                yield pod

    def having(self, selector: LabelSelector) -> Iterator[Pod]:
        """The pods of all namespaces that a selector matches."""
        labels = asked_labels(selector)
        groups = (
            (self._by_label.get(label, ()) for label in labels)
            if labels
            else self._by_namespace.values()
        )
        yield from (pod for group in groups for pod in group if selector.matches(pod.labels))
