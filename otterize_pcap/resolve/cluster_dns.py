"""Which calls are to the cluster's own DNS (S45)."""

from collections.abc import Collection, Iterator, Mapping

from otterize_pcap.addresses import NODE_LOCAL_DNS
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.stands import ConnectionGroup, Stand
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.resolution import AnyResolved, Party
from otterize_pcap.snapshot.snapshot import Backend, Service, Snapshot, Tenure

NAMES = ("kube-dns", "coredns", "dns-default")
DNS_LABEL = ("k8s-app", "kube-dns")
NAMESPACES = ("kube-system", "openshift-dns")
"""Where clusters keep their DNS. Elsewhere its name and label are anybody's to take."""

ServiceName = tuple[str, str]
"""Namespace and name."""


class ClusterDns:
    """Knows the cluster's DNS Services, their addresses, and the workloads behind them.

    Args:
        snapshot: The Services.
        identities: Who the pods behind them are.
        given: Services that somebody says are the cluster's DNS (`--cluster-dns`).
    """

    def __init__(
        self, snapshot: Snapshot, identities: Identities, given: tuple[ServiceName, ...] = ()
    ) -> None:
        found = {service for service in snapshot.services if _is_dns(service, given)}
        self._listening = {
            key
            for key, listeners in snapshot.listeners.items()
            if key[2] == DNS_PORT and any(each.service in found for each in listeners)
        }
        self._addresses = {key[0] for key in self._listening} | {NODE_LOCAL_DNS}
        self._called: dict[int, bool] = {}
        self._ports: dict[Workload, set[int]] = {}
        for service in found:
            for (_, port), backends in service.backends.items():
                for backend in backends if port == DNS_PORT else ():
                    self._addresses.add(backend.address)
                    for tenure in _held(snapshot, backend):
                        workload = identities.of(tenure.pod).workload
                        ports = self._ports.setdefault(workload, {DNS_PORT})
                        ports.add(backend.port or port)

    def answers_from(self, address: bytes) -> bool:
        """Whether the cluster's DNS has an address."""
        return address in self._addresses

    @property
    def ports(self) -> Mapping[Workload, Collection[int]]:
        """The workloads that are the cluster's DNS, with the ports at which their pods serve it."""
        return self._ports

    @property
    def addresses(self) -> Collection[bytes]:
        """The addresses of the cluster's DNS: of its Services, its pods and nodes' caches."""
        return self._addresses

    def is_called(self, resolved: AnyResolved) -> bool:
        """Whether a connection is to the cluster's DNS, or to a node's own cache of it.

        A cache answers at the Service's address (node-local DNS, Cilium's local redirect): what
        was sent there is asked of the cluster's DNS, whoever answers.
        """
        connection = resolved.connection
        if isinstance(connection, ConnectionGroup):
            return self.stands_at(connection.server, resolved.server, resolved.port)
        return self._is_at(connection, resolved.server, resolved.port)

    def stands_at(self, stand: Stand, server: Party | External, port: int) -> bool:
        """The same of all connections to a stand, whoever calls, and whose server and port it is.

        One capture's stands are asked for, which has each once.
        """
        if stand.number not in self._called:
            self._called[stand.number] = self._is_at(stand, server, port)
        return self._called[stand.number]

    def _is_at(self, seen: Connection | Stand, server: Party | External, port: int) -> bool:
        protocol = PROTOCOL_NAMES[seen.protocol]
        if (port, seen.servers[-1][0]) == (DNS_PORT, NODE_LOCAL_DNS):
            return True
        if any((address, protocol, at) in self._listening for address, at in seen.servers):
            return True
        return isinstance(server, Party) and port in self._ports.get(server.workload, ())


def _is_dns(service: Service, given: tuple[ServiceName, ...]) -> bool:
    if (service.namespace, service.name) in given:
        return True
    if service.namespace not in NAMESPACES:
        return False
    return (
        service.name in NAMES
        or DNS_LABEL in service.labels.items()
        or ("UDP", DNS_PORT) in ((port.protocol, port.port) for port in service.ports)
    )


def _held(snapshot: Snapshot, backend: Backend) -> Iterator[Tenure]:
    """The pods at a backend's address, those on the host's network by name."""
    yield from snapshot.tenures.get(backend.address, ())
    for held in snapshot.host_pods.values():
        for tenure in held:
            if backend.pod == (tenure.pod.namespace, tenure.pod.name):
                yield tenure
