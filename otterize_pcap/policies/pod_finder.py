"""Which pods of a snapshot a policy or a peer of it means, found by one of the labels asked for."""

from collections import defaultdict
from collections.abc import Iterator

from otterize_pcap.policies.action_rule import ActionPeer, AnyPolicy, EndpointPeer
from otterize_pcap.policies.asked_labels import Label, asked_labels
from otterize_pcap.policies.cilium_identity import Identity, asked_pod_labels, selector_means
from otterize_pcap.policies.network_policy import LabelSelector, NetworkPolicy, Peer
from otterize_pcap.policies.peers import NamespaceLabels
from otterize_pcap.policies.policy_index import selects
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

    def selected(self, policy: AnyPolicy) -> Iterator[Pod]:
        """The pods that a policy selects, as far as is known."""
        if isinstance(policy, NetworkPolicy):
            yield from self.meant(Peer(policy.pod_selector), policy.namespace)
            return
        for group in self._by_namespace.values():
            yield from (pod for pod in group if selects(policy, pod, self.labels))

    def meant(self, peer: ActionPeer, own_namespace: str) -> Iterator[Pod]:
        """The pods that a peer means by its selectors, or may mean, for all that is known."""
        if isinstance(peer, EndpointPeer):
            yield from self._endpoints(peer)
            return
        if not isinstance(peer, Peer) or peer.ip_block is not None:
            return
        for pod in self.having(peer.pod_selector or LabelSelector()):
            if peer.namespace_selector is None:
                is_there = pod.namespace == own_namespace
            else:
                is_there = bool(self.labels.match(peer.namespace_selector, pod.namespace))
            if is_there:
                yield pod

    def _endpoints(self, peer: EndpointPeer) -> Iterator[Pod]:
        for pod in self._candidates(asked_pod_labels(peer.selector)):
            is_there = peer.namespace in ("", pod.namespace)
            known = is_there and selector_means(peer.selector, Identity(pod), self.labels)
            if known is not False:
                yield pod

    def having(self, selector: LabelSelector) -> Iterator[Pod]:
        """The pods of all namespaces that a selector matches."""
        candidates = self._candidates(asked_labels(selector))
        yield from (pod for pod in candidates if selector.matches(pod.labels))

    def _candidates(self, labels: tuple[Label, ...]) -> Iterator[Pod]:
        """The pods that have one of some labels; all where none is asked for."""
        groups = (
            (self._by_label.get(label, ()) for label in labels)
            if labels
            else self._by_namespace.values()
        )
        for group in groups:
            yield from group
