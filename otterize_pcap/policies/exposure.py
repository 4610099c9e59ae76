"""What clients outside are meant to reach: behind NodePorts, load balancers and hostPorts."""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from otterize_pcap.addresses import MAPPED
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.flow_ends import NodeEnd, OutsideEnd, PodEnd, ServiceEnd
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.snapshot.snapshot import Pod, ServedPort, Service, Snapshot

SEVERAL = 2
LOCAL = "Local"


class Opening(Struct, frozen=True):
    """What opens a port to the outside: in words, and whether pods see clients' own addresses.

    A Service with the external traffic policy Local keeps them, and so do hostPorts; else nodes
    put their own in (Kubernetes documentation, "Using Source IP").
    """

    text: str
    keeps_clients: bool = False


class Exposure:
    """The ports of one snapshot's pods that Services or nodes open to the outside.

    Which type a Service is, a snapshot need not say: one with a NodePort, with a load balancer's
    name, or with an address beside its ClusterIP is for clients outside.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        addresses: dict[tuple[str, bool], set[bytes]] = defaultdict(set)
        for (address, _, _), listeners in snapshot.listeners.items():
            for listener in listeners:
                key = (_key(listener.service), address.startswith(MAPPED))
                addresses[key].add(address)
        several = {key for (key, _), found in addresses.items() if len(found) >= SEVERAL}
        self._services: dict[bytes, dict[ServedPort, Opening]] = defaultdict(dict)
        for service in snapshot.services:
            if not (
                service.hostnames
                or any(port.nodePort for port in service.ports)
                or _key(service) in several
            ):
                continue
            opening = Opening(f"Service {_key(service)}", service.external_policy == LOCAL)
            for (protocol, port), backends in service.backends.items():
                for backend in backends:
                    served = (protocol, port if backend.port is None else backend.port)
                    known = self._services[backend.address].setdefault(served, opening)
                    if opening.keeps_clients and not known.keeps_clients:
                        self._services[backend.address][served] = opening

    def has(self, pod: Pod, address: bytes, served: ServedPort) -> bool:
        """Whether a pod's port is open to the outside, by a Service or by its node."""
        return served in self._services.get(address, ()) or served in _by_node(pod)

    def of(self, pod: Pod) -> dict[ServedPort, Opening]:
        """The ports of a pod that are open to the outside, each with what opens it.

        Of several the one that keeps its clients' addresses: these have to be seen.
        """
        found = dict.fromkeys(_by_node(pod), Opening("a hostPort", keeps_clients=True))
        for address in pod.addresses:
            found.update(self._services.get(address, {}))
        return found

    def from_outside(self, flow: PodFlow) -> Iterator[tuple[Workload, ServedPort]]:
        """The workloads to which a flow brings a client outside, and at which of their ports.

        Another node than the pod's own puts its address in for such a client, unless all that opens
        the port keeps it; and where that hides a pod it is known. The pod's own node does so as
        well, but looks the same when it probes.
        """
        client, served = flow.client, (flow.protocol, flow.server_port)
        for server in flow.server.ends if isinstance(flow.server, ServiceEnd) else (flow.server,):
            if isinstance(server, PodEnd) and (
                isinstance(client, OutsideEnd)
                or (
                    isinstance(client, NodeEnd)
                    and client.names
                    and server.pod.node not in client.names
                    and not self._keeps_clients(server, served)
                )
            ):
                yield server.workload, served

    def _keeps_clients(self, server: PodEnd, served: ServedPort) -> bool:
        opening = self.of(server.pod).get(served)
        return opening is not None and opening.keeps_clients


def _by_node(pod: Pod) -> set[ServedPort]:
    return {(protocol, own) for (protocol, _), own in pod.host_ports.items()}


def _key(service: Service) -> str:
    return f"{service.name}.{service.namespace}"
