"""Nodes → their addresses and the ranges that they give to pods (S14, S50)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from otterize_pcap.addresses import AddressError, Network, parse_network
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.object_fields import address_of, describe
from otterize_pcap.snapshot.objects import (
    NodeItem,
    NodeSpec,
    NodeStatus,
    PodItem,
    PodSpec,
    PodStatus,
)
from otterize_pcap.snapshot.pod_hold import pod_addresses
from otterize_pcap.snapshot.snapshot import Pod, Tenure
from otterize_pcap.snapshot.states import ObjectStates

ADDRESS_TYPES = ("InternalIP", "ExternalIP")


def node_addresses(
    states: ObjectStates,
    pods: Iterable[Pod],
    tenures: Mapping[bytes, Sequence[Tenure]],
    where: str,
) -> dict[bytes, str]:
    """Node addresses → names; `pods` are those of `states`, `tenures` who held which address.

    A node of which there is no object has the addresses that its pods name. One that a pod of the
    same node holds is the pod's own: on Fargate each pod is a node.

    Raises:
        SnapshotError: An address is none.
    """
    found: dict[bytes, str] = {}
    known: set[str] = set()
    for node_states in states.of_type(NodeItem, where):
        for node in node_states:
            known.add(node.metadata.name)
            for entry in (node.status or NodeStatus()).addresses or ():
                # The GCE cloud provider writes an empty ExternalIP where there is none.
                if entry.type in ADDRESS_TYPES and entry.address:
                    address = address_of(entry.address, where, describe(node))
                    found[address] = node.metadata.name
    if {pod.node for pod in pods} - known - {""}:
        for address, name in _named_by_pods(states, where):
            if name not in known:
                found.setdefault(address, name)
    return {
        address: name
        for address, name in found.items()
        if all(tenure.pod.node != name for tenure in tenures.get(address, ()))
    }


def _named_by_pods(states: ObjectStates, where: str) -> Iterator[tuple[bytes, str]]:
    """The node addresses that pods name, and the node."""
    for pod_states in states.of_type(PodItem, where):
        for pod in pod_states:
            status, spec = pod.status or PodStatus(), pod.spec or PodSpec()
            texts = [entry.ip for entry in status.hostIPs or ()] or [status.hostIP or ""]
            if spec.hostNetwork:
                texts += pod_addresses(status)
            for text in filter(None, texts if spec.nodeName else ()):
                yield address_of(text, where, describe(pod)), spec.nodeName or ""


def pod_networks(states: ObjectStates, where: str) -> tuple[Network, ...]:
    """The pod ranges of all nodes.

    Raises:
        SnapshotError: One is no range.
    """
    networks: dict[Network, None] = {}
    nodes = (node for found in states.of_type(NodeItem, where) for node in found)
    for node in nodes:
        spec = node.spec or NodeSpec()
        for text in spec.podCIDRs or ((spec.podCIDR,) if spec.podCIDR else ()):
            try:
                networks[parse_network(text)] = None
            except AddressError as error:
                message = f"{where}: {describe(node)}: podCIDR: {error}"
                raise SnapshotError(message) from error
    return tuple(networks)
