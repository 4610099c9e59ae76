"""Which answers of a snapshot hold for a whole capture, whatever the time within it.

A group of connections can be resolved once only where every interval that its resolution asks for
either covers the capture's whole span or stays clear of it. Where one begins or ends within, its
connections are resolved one by one.
"""

from collections.abc import Mapping

from otterize_pcap.flows.groups import ConnectionGroup
from otterize_pcap.flows.legs import Address
from otterize_pcap.resolve.nat import PROTOCOL_NAMES, ServiceRoutes
from otterize_pcap.snapshot.snapshot import Backend, Listener, Snapshot, Tenure


class Timeless:
    """Answers for one capture that lasted from `first_ns` to `last_ns`."""

    def __init__(
        self,
        snapshot: Snapshot,
        routes: ServiceRoutes,
        nodes: Mapping[bytes, str],
        slack_ns: int,
        span: tuple[int, int],
    ) -> None:
        self._snapshot = snapshot
        self._routes = routes
        self._nodes = nodes
        self._slack = slack_ns
        self._first_ns, self._last_ns = span
        self._addresses: dict[bytes, bool] = {}
        self._endpoints: dict[tuple[int, Address], bool] = {}

    def holds(self, group: ConnectionGroup) -> bool:
        """Whether all connections of a group resolve alike."""
        return all(self._address(address) for address in group.clients) and all(
            self._endpoint(group.protocol, endpoint) for endpoint in group.servers
        )

    def _address(self, address: bytes) -> bool:
        known = self._addresses.get(address)
        if known is None:
            tenures = self._snapshot.tenures.get(address, ())
            known = self._addresses[address] = all(map(self._steady, tenures))
        return known

    def _endpoint(self, protocol: int, endpoint: Address) -> bool:
        key = (protocol, endpoint)
        known = self._endpoints.get(key)
        if known is None:
            known = self._endpoints[key] = self._address(endpoint[0]) and self._served(*key)
        return known

    def _served(self, protocol: int, endpoint: Address) -> bool:
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        listeners = self._snapshot.listeners.get((address, name, port), ())
        node = self._nodes.get(address)
        if node is not None:
            listeners = (*listeners, *self._snapshot.node_ports.get((name, port), ()))
            if not all(map(self._steady, self._routes.on_node(node))):
                return False
        return all(
            self._steady(listener)
            and all(
                self._steady(backend) and self._address(backend.address)
                for backend in listener.service.backends.get((name, listener.port.port), ())
            )
            for listener in listeners
        )

    def _steady(self, held: Tenure | Listener | Backend) -> bool:
        """Whether an interval covers the whole capture, or none of it."""
        begins, ends = held.start_ns - self._slack, held.end_ns + self._slack
        covers = begins <= self._first_ns and ends >= self._last_ns
        return covers or begins > self._last_ns or ends < self._first_ns
