"""Whether a rule's peers and ports mean an end of a flow: yes, no, or not known.

Not known is what asks for labels of namespaces that the snapshot lacks: that every namespace is
labelled with its name holds without it (Kubernetes documentation, "Network Policies").
"""

from collections.abc import Iterable, Mapping

from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, PodEnd, ServiceEnd
from otterize_pcap.policies.network_policy import ANY_PROTOCOL, LabelSelector, Peer, PolicyPort
from otterize_pcap.resolve.workload_labels import NAME_LABEL
from otterize_pcap.snapshot.snapshot import Pod

Known = bool | None
"""None where nobody knows."""
NAMESPACE_UNKNOWN = "the snapshot does not have the labels of namespaces that a rule asks for"


class NamespaceLabels:
    """The labels of namespaces, as far as a snapshot has them."""

    def __init__(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        self._labels = labels
        self._known: dict[tuple[LabelSelector, str], Known] = {}

    @property
    def is_recorded(self) -> bool:
        """Whether the snapshot has namespaces at all."""
        return bool(self._labels)

    def has(self, name: str) -> bool:
        """Whether all labels of a namespace are known."""
        return name in self._labels

    def labels(self, name: str) -> Mapping[str, str]:
        """What is known of a namespace's labels: its name always."""
        return {NAME_LABEL: name, **self._labels.get(name, {})}

    def match(self, selector: LabelSelector, name: str) -> Known:
        """Whether a selector means a namespace."""
        found = self._known.get((selector, name), 0)
        if found == 0:
            found = self._known[selector, name] = self._match(selector, name)
        return found if found is None else bool(found)

    def _match(self, selector: LabelSelector, name: str) -> Known:
        labels = self.labels(name)
        if name in self._labels:
            return selector.matches(labels)
        known = [each for each in selector.requirements if each.key == NAME_LABEL]
        if not all(requirement.matches(labels) for requirement in known):
            return False
        return True if len(known) == len(selector.requirements) else None


def peer_matches(peer: Peer, own_namespace: str, end: FlowEnd, labels: NamespaceLabels) -> Known:
    """Whether a peer of a policy in `own_namespace` means an end."""
    if peer.ip_block is not None:
        address = address_of(end)
        return address is not None and peer.ip_block.contains(address)
    if not isinstance(end, PodEnd):
        return False
    if peer.pod_selector is not None and not peer.pod_selector.matches(end.pod.labels):
        return False
    if peer.namespace_selector is None:
        return end.pod.namespace == own_namespace
    return labels.match(peer.namespace_selector, end.pod.namespace)


def address_of(end: FlowEnd) -> bytes | None:
    """Where an end is; None where it is at one of several places, each judged by itself."""
    if isinstance(end, ServiceEnd):
        return None
    if isinstance(end, ApiServerEnd):
        return end.addresses[0] if len(end.addresses) == 1 else None
    return end.address


def port_matches(port: PolicyPort, protocol: str, number: int, pod: Pod | None) -> bool:
    """Whether a rule's port is one that was called; names are those of `pod`, who was called."""
    if port.protocol not in (protocol, ANY_PROTOCOL):
        return False
    if port.port is None:
        return True
    if isinstance(port.port, str):
        return pod is not None and pod.numbers.get((port.port, protocol)) == number
    return port.port <= number <= (port.end_port or port.port)


def all_of(found: Iterable[Known]) -> Known:
    """Whether all hold: no where one does not, whatever is not known of others."""
    unknown = False
    for each in found:
        if each is False:
            return False
        unknown = unknown or each is None
    return None if unknown else True


def alike(found: Iterable[Known]) -> Known:
    """What all say; not known where they differ, or one does not know."""
    said = set(found)
    return said.pop() if len(said) == 1 else None
