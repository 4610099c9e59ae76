"""Which pods answer at a node's own address (S14): on its network, or by hostPort."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from otterize_pcap.snapshot.snapshot import Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint


class HostPort(Struct, frozen=True):
    """Where a hostPort leads: an ordinary pod's hold on an address, that address, and its port."""

    tenure: Tenure
    address: bytes
    port: int


class NodePods:
    """The pods of one snapshot by the nodes that they are on.

    `nodes` maps every address of nodes to their names.
    """

    def __init__(self, snapshot: Snapshot, nodes: Mapping[bytes, frozenset[str]]) -> None:
        self._snapshot = snapshot
        self._nodes = nodes
        self._host_ports: dict[str, list[tuple[str, int, HostPort]]] | None = None

    def is_node(self, address: bytes) -> bool:
        """Whether a node, and no Service, answers at an address.

        kube-proxy's IPVS mode and a DNS cache on each node give Service addresses to interfaces.
        """
        return address in self._nodes and (
            address in self._snapshot.nodes or address not in self._snapshot.virtual
        )

    def on_host_network(self, address: bytes) -> tuple[Tenure, ...]:
        """The hostNetwork pods of the nodes that have an address; none where it is no node's."""
        return tuple(
            tenure
            for node in self._names(address)
            for tenure in self._snapshot.host_pods.get(node, ())
        )

    def host_ports(self, address: bytes) -> Iterable[tuple[str, int, HostPort]]:
        """The hostPorts of ordinary pods at an address: protocol, port and where it leads."""
        if self._host_ports is None:
            self._host_ports = {}
            for held, tenures in self._snapshot.tenures.items():
                for tenure in tenures:
                    found = self._host_ports.setdefault(tenure.pod.node, [])
                    for (protocol, port), target in tenure.pod.host_ports.items():
                        found.append((protocol, port, HostPort(tenure, held, target)))
        return [entry for node in self._names(address) for entry in self._host_ports.get(node, ())]

    def host_port(self, endpoint: Endpoint, protocol: str) -> list[HostPort]:
        """Where a hostPort leads."""
        address, port = endpoint
        return [
            found
            for name, number, found in self.host_ports(address)
            if (name, number) == (protocol, port)
        ]

    def _names(self, address: bytes) -> list[str]:
        return sorted(self._nodes[address]) if self.is_node(address) else []
