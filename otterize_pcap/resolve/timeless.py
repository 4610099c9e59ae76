"""Which answers of a snapshot hold for a whole capture, whatever the time within it.

A group of connections can be resolved once only where every interval that its resolution asks for
either covers the capture's whole span or stays clear of it. Where one begins or ends within, its
connections are resolved one by one.
"""

from collections.abc import Iterable, Mapping

from otterize_pcap.resolve.service_routes import PROTOCOL_NAMES, ServiceRoutes
from otterize_pcap.snapshot.snapshot import OPEN, Backend, Listener, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint

Held = Tenure | Listener | Backend
EVER = (-2 * OPEN, 2 * OPEN)


class Timeless:
    """Answers for one capture that lasted from `first_ns` to `last_ns`."""

    def __init__(
        self,
        snapshot: Snapshot,
        routes: ServiceRoutes,
        nodes: Mapping[bytes, frozenset[str]],
        slack_ns: int,
        span: tuple[int, int],
    ) -> None:
        self._snapshot = snapshot
        self._routes = routes
        self._nodes = nodes
        self._slack = slack_ns
        self._first_ns, self._last_ns = span
        self._addresses: dict[bytes, bool] = {}
        self._endpoints: dict[tuple[int, Endpoint], bool] = {}
        self._held_ports: dict[str, dict[bytes, list[tuple[int, Held]]]] = {}

    def holds_clients(self, addresses: Iterable[bytes]) -> bool:
        """Whether clients at these addresses are the same all the time."""
        return all(map(self._address, addresses))

    def holds_servers(self, protocol: int, endpoints: Iterable[Endpoint]) -> bool:
        """Whether these endpoints lead to the same servers all the time."""
        return all(self._endpoint(protocol, endpoint) for endpoint in endpoints)

    def _address(self, address: bytes) -> bool:
        known = self._addresses.get(address)
        if known is None:
            tenures = self._snapshot.tenures.get(address, ())
            known = self._addresses[address] = all(map(self._steady, tenures))
        return known

    def _endpoint(self, protocol: int, endpoint: Endpoint) -> bool:
        key = (protocol, endpoint)
        known = self._endpoints.get(key)
        if known is None:
            known = self._endpoints[key] = self._address(endpoint[0]) and self._served(*key)
        return known

    def _served(self, protocol: int, endpoint: Endpoint) -> bool:
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        listeners = self._snapshot.listeners.get((address, name, port), ())
        nodes = self._nodes.get(address)
        if nodes is not None:
            listeners = (*listeners, *self._snapshot.node_ports.get((name, port), ()))
            if not all(map(self._steady, self._routes.on_nodes(nodes))):
                return False
        return all(
            self._steady(listener)
            and all(
                self._steady(backend) and self._address(backend.address)
                for backend in listener.service.backends.get((name, listener.port.port), ())
            )
            for listener in listeners
        )

    def could_be_service(self, address: bytes) -> bool:
        """Whether a Service could answer on an address: its own, or as NodePort a node's."""
        return address in self._snapshot.virtual or address in self._nodes

    def served_ports(self, protocol: int, address: bytes) -> frozenset[int] | None:
        """The ports for which `ServiceRoutes.serves` holds; None where one of them came or went."""
        name = PROTOCOL_NAMES.get(protocol, "")
        held = [*self._ports_of(name).get(address, ())]
        nodes = self._nodes.get(address)
        tenures: Iterable[Tenure] = self._snapshot.tenures.get(address, ())
        if nodes is not None:
            tenures = self._routes.on_nodes(nodes)
            held += [
                (port, listener)
                for (called, port), listeners in self._snapshot.node_ports.items()
                if called == name
                for listener in listeners
            ]
        held += [
            (port, tenure)
            for tenure in tenures
            for called, port in tenure.pod.ports
            if called == name
        ]
        if not all(self._steady(each) for _, each in held):
            return None
        return frozenset(port for port, each in held if self._covers(each))

    def backends(self, protocol: int, endpoint: Endpoint) -> tuple[bool, frozenset[Endpoint]]:
        """Whether `ServiceRoutes.backends` is the same all the time, and all there ever were."""
        ever = self._routes.backends(endpoint, protocol, *EVER)
        if not ever:
            return True, ever
        if not self._served(protocol, endpoint):
            return False, ever
        return True, self._routes.backends(endpoint, protocol, self._first_ns, self._last_ns)

    def _ports_of(self, name: str) -> Mapping[bytes, list[tuple[int, Held]]]:
        """What Services listen on and lead to in one protocol, by address."""
        found = self._held_ports.get(name)
        if found is None:
            found = self._held_ports[name] = {}
            for (address, called, port), listeners in self._snapshot.listeners.items():
                if called == name:
                    found.setdefault(address, []).extend((port, each) for each in listeners)
            for (called, (address, port)), backends in self._routes.targeted().items():
                if called == name:
                    found.setdefault(address, []).extend((port, each) for each in backends)
        return found

    def _steady(self, held: Held) -> bool:
        """Whether an interval covers the whole capture, or none of it."""
        begins, ends = held.start_ns - self._slack, held.end_ns + self._slack
        return self._covers(held) or begins > self._last_ns or ends < self._first_ns

    def _covers(self, held: Held) -> bool:
        begins, ends = held.start_ns - self._slack, held.end_ns + self._slack
        return begins <= self._first_ns and ends >= self._last_ns
