"""Nodes → their addresses and the ranges that they give to pods (S14, S50)."""

from collections.abc import Iterable, Mapping, Sequence

from otterize_pcap.addresses import Network, parse_network
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.objects import (
    NodeItem,
    NodeSpec,
    NodeStatus,
    PodItem,
    address_of,
    describe,
)
from otterize_pcap.snapshot.pod_hold import pod_addresses
from otterize_pcap.snapshot.snapshot import Tenure

ADDRESS_TYPES = ("InternalIP", "ExternalIP")


def node_addresses(
    nodes: Iterable[NodeItem],
    pods: Iterable[Sequence[PodItem]],
    tenures: Mapping[bytes, Sequence[Tenure]],
    where: str,
) -> dict[bytes, str]:
    """Node addresses → names; `pods` are each pod's states, `tenures` who held which address.

    A node of which there is no object has the addresses that its pods name. One that a pod of the
    same node holds is the pod's own: on Fargate each pod is a node.

    Raises:
        SnapshotError: An address is none.
    """
    found: dict[bytes, str] = {}
    known: set[str] = set()
    for node in nodes:
        name = node.metadata.name
        known.add(name)
        for entry in (node.status or NodeStatus()).addresses or ():
            if entry.type in ADDRESS_TYPES:
                found[address_of(entry.address, where, describe(node))] = name
    for states in pods:
        for pod in states:
            name = (pod.spec.nodeName if pod.spec else None) or ""
            if name and name not in known:
                for address in _of_node(pod, where):
                    found.setdefault(address, name)
    return {
        address: name
        for address, name in found.items()
        if all(tenure.pod.node != name for tenure in tenures.get(address, ()))
    }


def pod_networks(nodes: Iterable[NodeItem], where: str) -> tuple[Network, ...]:
    """The pod ranges of all nodes.

    Raises:
        SnapshotError: One is no range.
    """
    networks: dict[Network, None] = {}
    for node in nodes:
        spec = node.spec or NodeSpec()
        for text in spec.podCIDRs or ((spec.podCIDR,) if spec.podCIDR else ()):
            try:
                networks[parse_network(text)] = None
            except ValueError as error:
                message = f"{where}: {describe(node)}: podCIDR: {error}; take the snapshot again"
                raise SnapshotError(message) from error
    return tuple(networks)


def _of_node(pod: PodItem, where: str) -> list[bytes]:
    """The addresses of its node that a pod names."""
    status = pod.status
    if status is None:
        return []
    texts = [entry.ip for entry in status.hostIPs or ()] or [status.hostIP or ""]
    if pod.spec and pod.spec.hostNetwork:
        texts += pod_addresses(status)
    return [address_of(text, where, describe(pod)) for text in texts if text]
