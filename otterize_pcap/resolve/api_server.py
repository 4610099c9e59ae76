"""The API server's own ends of connections (S24)."""

from collections.abc import Callable, Iterable

from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint

API_SERVER_NAME = ("default", "kubernetes")
"""Namespace and name of the Service that leads to it."""
WEBHOOK_PORT = 443


class ApiServer:
    """Where the API server of a snapshot listens, and from where it calls.

    `is_node` says whether a node, and no Service, answers at an address.
    """

    def __init__(self, snapshot: Snapshot, is_node: Callable[[bytes], bool]) -> None:
        self._snapshot = snapshot
        self._is_node = is_node
        self._ports = {
            (backend.address, protocol, port if backend.port is None else backend.port)
            for service in snapshot.services
            if (service.namespace, service.name) == API_SERVER_NAME
            for (protocol, port), found in service.backends.items()
            for backend in found
        }
        self.addresses = frozenset(address for address, _, _ in self._ports)

    def is_at(self, endpoint: Endpoint, protocol: int) -> bool:
        """Whether an endpoint is the API server's own: address, port and protocol."""
        address, port = endpoint
        return (address, PROTOCOL_NAMES.get(protocol, ""), port) in self._ports

    def calls_webhook(self, address: bytes, protocol: int, servers: Iterable[Endpoint]) -> bool:
        """Whether what calls from an address that a node shares is the API server there.

        It calls webhooks and aggregated APIs by their Services, at port 443 unless they name
        another (admissionregistration.k8s.io/v1 and apiregistration.k8s.io/v1, ServiceReference).
        A kubelet, which shares the address, probes pods and never a Service.
        """
        return address in self.addresses and any(
            ("TCP", port) == (PROTOCOL_NAMES.get(protocol), WEBHOOK_PORT)
            and server in self._snapshot.virtual
            and not self._is_node(server)
            for server, port in servers
        )
