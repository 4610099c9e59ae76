"""Who is at the ends of what a packet filter sees: pods, nodes, the API server, addresses outside.

A workload is not enough: policies select pods by labels, nodes and what is outside by addresses.
"""

from msgspec import Struct

from otterize_pcap.addresses import LINK_LOCAL, METADATA_SERVICE, format_address, in_network
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.snapshot.snapshot import Pod


class PodEnd(Struct, frozen=True):
    """A pod with an address of its own, and the address by which it took part."""

    pod: Pod
    workload: Workload
    address: bytes

    def __hash__(self) -> int:
        """By the address, whose hash is kept: flows are looked up by their ends, and many."""
        return hash(self.address)


class NodeEnd(Struct, frozen=True):
    """A node's own address: of its processes, and of pods on its network, which no policy selects.

    `names` are the nodes that have the address, several where each has it. `workload` is known
    where pods on the node's network serve the port that was called, and `pod` where one does.
    """

    address: bytes
    names: tuple[str, ...]
    pod: Pod | None = None
    workload: Workload | None = None


class ApiServerEnd(Struct, frozen=True):
    """The API server, at the addresses of its endpoints; never those of its Service."""

    addresses: tuple[bytes, ...]


class OutsideEnd(Struct, frozen=True):
    """An address that no pod, node or Service has, and by which name its client knew it."""

    address: bytes
    name: str | None = None


class ServiceEnd(Struct, frozen=True):
    """One of the backends of Services: which one was not seen."""

    services: tuple[str, ...]
    ends: tuple["PodEnd | NodeEnd | OutsideEnd", ...]


class UnknownEnd(Struct, frozen=True):
    """An address of which nobody knows whose it was, why, and whose it may have been."""

    address: bytes
    fate: Fate
    candidates: tuple[Workload, ...] = ()


CallerEnd = PodEnd | NodeEnd | ApiServerEnd | OutsideEnd
"""A client that is known."""
FlowEnd = CallerEnd | ServiceEnd
"""A server that is known."""
AnyEnd = FlowEnd | UnknownEnd


def outside_text(address: bytes) -> str:
    """An address that no pod and no node has: of the cloud, or of a server."""
    if address == METADATA_SERVICE:
        return f"the cloud's metadata service ({format_address(address)})"
    text = format_address(address)
    return f"{text} (link-local)" if in_network(address, LINK_LOCAL) else text


def end_text(end: AnyEnd) -> str:
    """An end in words."""
    match end:
        case PodEnd(pod, workload):
            return f"{workload.name}.{workload.namespace} (pod {pod.name})"
        case NodeEnd(address, names, pod, workload):
            where = f"node {', '.join(names) or format_address(address)}"
            return f"{workload.name}.{workload.namespace} on {where}" if workload else where
        case ApiServerEnd():
            return "the API server"
        case OutsideEnd(address, name):
            return f"{name} ({format_address(address)})" if name else outside_text(address)
        case ServiceEnd(services):
            return f"Service {', '.join(services)}"
        case UnknownEnd(address):
            return format_address(address)


def end_key(end: AnyEnd) -> tuple[str, ...]:
    """What puts ends in order: by kind, then namespace and name, then address."""
    match end:
        case PodEnd(pod, workload, address):
            names = (workload.namespace, workload.name, workload.kind, workload.group)
            return ("0", *names, pod.name, pod.uid, address.hex())
        case NodeEnd(address, names, pod):
            return ("1", address.hex(), *names, pod.name if pod else "", pod.uid if pod else "")
        case ApiServerEnd(addresses):
            return ("2", *(address.hex() for address in addresses))
        case OutsideEnd(address, name):
            return ("3", address.hex(), name or "")
        case ServiceEnd(services, ends):
            return ("4", *services, *(part for one in ends for part in end_key(one)))
        case UnknownEnd(address, fate):
            return ("5", address.hex(), str(fate))
