"""What a snapshot says of virtual addresses: where a Service led, and which ports are served.

Answers the questions that `join`, `direction` and `resolve` ask of Services (S21, S22, S24, S32),
by time. Whose pod a backend is, is `resolve`'s to say.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from otterize_pcap.connections.facts import Lead, Served, Span
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, PROTOCOL_NUMBERS
from otterize_pcap.snapshot.snapshot import Backend, Listener, Service, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint

EVER = (-(1 << 62), 1 << 62)
"""A time longer than anything lasts."""
API_SERVER = ("default", "kubernetes")


class ServiceRoutes:
    """The Services of one snapshot, looked up by endpoint and time.

    `nodes` maps every address of nodes to their names: those in the snapshot and those that a
    capture saved. Several nodes can have one, such as that of a DNS cache on each.
    """

    def __init__(
        self, snapshot: Snapshot, nodes: Mapping[bytes, frozenset[str]], slack_ns: int
    ) -> None:
        self._snapshot = snapshot
        self._nodes = nodes
        self._slack = slack_ns
        self._targets: Mapping[tuple[str, Endpoint], Sequence[Backend]] | None = None
        self._listening: dict[bytes, list[tuple[str, int, Listener]]] | None = None
        self._targeted_by_address: dict[bytes, list[tuple[str, int, Backend]]] | None = None
        self._changes: dict[tuple[int, Endpoint], frozenset[int]] = {}
        self._api_ports = {
            (backend.address, protocol, port if backend.port is None else backend.port)
            for service in snapshot.services
            if (service.namespace, service.name) == API_SERVER
            for (protocol, port), found in service.backends.items()
            for backend in found
        }

    def listeners(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> list[Listener]:
        """The Service ports that listened on an endpoint over a time, NodePorts among them."""
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        found = self._snapshot.listeners.get((address, name, port), ())
        if address in self._nodes:
            found = (*found, *self._snapshot.node_ports.get((name, port), ()))
        return [entry for entry in found if self._during(entry, first_ns, last_ns)]

    def targets(self, listener: Listener, first_ns: int, last_ns: int) -> list[Endpoint]:
        """The endpoints behind a Service port over a time."""
        port = listener.port
        backends = listener.service.backends.get((port.protocol, port.port), ())
        return [
            (backend.address, port.port if backend.port is None else backend.port)
            for backend in backends
            if self._during(backend, first_ns, last_ns)
        ]

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """The endpoints that a Service address and port led to; empty where it is no Service."""
        listeners = self.listeners(endpoint, protocol, first_ns, last_ns)
        return frozenset(
            target for listener in listeners for target in self.targets(listener, first_ns, last_ns)
        )

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """Whether a pod held an address over some of a time."""
        tenures = self._snapshot.tenures.get(address, ())
        return any(self._during(tenure, first_ns, last_ns) for tenure in tenures)

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether the snapshot declares the port as served there (S32).

        A Service listens there, an EndpointSlice lists it, or a container of the pod that held
        the address declares it.
        """
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        if self.listeners(endpoint, protocol, first_ns, last_ns):
            return True
        if any(
            self._during(backend, first_ns, last_ns)
            for backend in self.targeted().get((name, endpoint), ())
        ):
            return True
        nodes = self._nodes.get(address)
        tenures = self._snapshot.tenures.get(address, ()) if nodes is None else self.on_nodes(nodes)
        return any(
            (name, port) in tenure.pod.ports and self._during(tenure, first_ns, last_ns)
            for tenure in tenures
        )

    def on_nodes(self, nodes: Iterable[str]) -> tuple[Tenure, ...]:
        """The hostNetwork pods of some nodes."""
        return tuple(
            tenure for node in sorted(nodes) for tenure in self._snapshot.host_pods.get(node, ())
        )

    def is_api_server(self, endpoint: Endpoint, protocol: int) -> bool:
        """Whether an endpoint is the API server's own: address, port and protocol (S24)."""
        address, port = endpoint
        return (address, PROTOCOL_NAMES.get(protocol, ""), port) in self._api_ports

    def targeted(self) -> Mapping[tuple[str, Endpoint], Sequence[Backend]]:
        """What Services lead to, by (protocol, endpoint)."""
        if self._targets is None:
            targets: dict[tuple[str, Endpoint], list[Backend]] = {}
            for service in self._snapshot.services:
                for (protocol, port), found in service.backends.items():
                    for backend in found:
                        target = port if backend.port is None else backend.port
                        key = (protocol, (backend.address, target))
                        targets.setdefault(key, []).append(backend)
            self._targets = targets
        return self._targets

    def addresses(self) -> set[bytes]:
        """All addresses of which the snapshot says anything."""
        return {
            *self._snapshot.tenures,
            *self._snapshot.virtual,
            *self._nodes,
            *(address for _, (address, _) in self.targeted()),
            *(address for address, _, _ in self._api_ports),
        }

    def facts_of(self, address: bytes) -> tuple[list[Span], list[Served]]:
        """When pods held an address, and which ports were served there (S32), as `serves` says."""
        held = [self._widened(tenure) for tenure in self._snapshot.tenures.get(address, ())]
        return held, list(dict.fromkeys(self._served_on(address)))

    def _served_on(self, address: bytes) -> Iterator[Served]:
        for protocol, port, listener in self._listeners_on(address):
            yield (PROTOCOL_NUMBERS[protocol], port, *self._widened(listener), True)
        for protocol, port, backend in self._backends_on().get(address, ()):
            yield (PROTOCOL_NUMBERS[protocol], port, *self._widened(backend), False)
        nodes = self._nodes.get(address)
        tenures = self._snapshot.tenures.get(address, ()) if nodes is None else self.on_nodes(nodes)
        for tenure in tenures:
            for protocol, port in sorted(tenure.pod.ports):
                if protocol in PROTOCOL_NUMBERS:
                    yield (PROTOCOL_NUMBERS[protocol], port, *self._widened(tenure), False)

    def _listeners_on(self, address: bytes) -> Iterator[tuple[str, int, Listener]]:
        """Every Service port on an address, NodePorts among them."""
        for protocol, port, listener in self._listeners_by_address().get(address, ()):
            yield protocol, port, listener
        if address in self._nodes:
            for (protocol, port), listeners in self._snapshot.node_ports.items():
                for listener in listeners if protocol in PROTOCOL_NUMBERS else ():
                    yield protocol, port, listener

    def _listeners_by_address(self) -> Mapping[bytes, list[tuple[str, int, Listener]]]:
        if self._listening is None:
            self._listening = {}
            for (address, protocol, port), listeners in self._snapshot.listeners.items():
                if protocol in PROTOCOL_NUMBERS:
                    self._listening.setdefault(address, []).extend(
                        (protocol, port, listener) for listener in listeners
                    )
        return self._listening

    def _backends_on(self) -> Mapping[bytes, list[tuple[str, int, Backend]]]:
        if self._targeted_by_address is None:
            self._targeted_by_address = {}
            for (protocol, (address, port)), backends in self.targeted().items():
                if protocol in PROTOCOL_NUMBERS:
                    self._targeted_by_address.setdefault(address, []).extend(
                        (protocol, port, backend) for backend in backends
                    )
        return self._targeted_by_address

    def leads(self, protocol: int, endpoint: Endpoint) -> list[Lead]:
        """The endpoints that a Service led to from one, each while both were there.

        Where they never were at the same time, the interval ends before it starts: no time lies in
        it, but one that touches both of them reaches over its ends.
        """
        found: dict[Lead, None] = {}
        for listener in self.listeners(endpoint, protocol, *EVER):
            start, end = self._widened(listener)
            port = listener.port
            for backend in listener.service.backends.get((port.protocol, port.port), ()):
                since, until = self._widened(backend)
                target = port.port if backend.port is None else backend.port
                found[backend.address, target, max(start, since), min(end, until)] = None
        return list(found)

    def client_changes(self, addresses: Collection[bytes]) -> list[int]:
        """The moments, in order, at which it changes who calls from some addresses."""
        return sorted(
            {
                moment
                for address in addresses
                for tenure in self._snapshot.tenures.get(address, ())
                for moment in self._moments(tenure)
            }
        )

    def server_changes(self, protocol: int, endpoints: Collection[Endpoint]) -> list[int]:
        """The moments, in order, at which it changes who answers at some endpoints."""
        moments: set[int] = set()
        for endpoint in endpoints:
            moments.update(self._endpoint_changes(protocol, endpoint))
        return sorted(moments)

    def _endpoint_changes(self, protocol: int, endpoint: Endpoint) -> frozenset[int]:
        key = (protocol, endpoint)
        known = self._changes.get(key)
        if known is None:
            held: list[Tenure | Listener | Backend] = [
                *self._snapshot.tenures.get(endpoint[0], ()),
                *self.on_nodes(self._nodes.get(endpoint[0], ())),
            ]
            for listener in self.listeners(endpoint, protocol, *EVER):
                held.append(listener)
                port = listener.port
                for backend in listener.service.backends.get((port.protocol, port.port), ()):
                    held += (backend, *self._snapshot.tenures.get(backend.address, ()))
            known = frozenset(moment for each in held for moment in self._moments(each))
            self._changes[key] = known
        return known

    def _widened(self, held: Listener | Backend | Tenure) -> Span:
        found = held.possible if isinstance(held, Tenure) else held.interval
        return max(found.start_ns - self._slack, EVER[0]), min(found.end_ns + self._slack, EVER[1])

    def _moments(self, held: Listener | Backend | Tenure) -> Iterator[int]:
        """When the answer to any question about something held may change."""
        bounds = [held.interval.start_ns, held.interval.end_ns]
        if isinstance(held, Tenure) and held.possible != held.interval:
            bounds += (held.possible.start_ns, held.possible.end_ns)
            # Within a watch nobody else can have had the address.
            bounds += (
                time for watch in self._snapshot.watches for time in (watch.start_ns, watch.end_ns)
            )
        for moment in bounds:
            for change in (moment - self._slack, moment, moment + 1, moment + self._slack + 1):
                if EVER[0] < change < EVER[1]:
                    yield change

    def _during(self, held: Listener | Backend | Tenure, first_ns: int, last_ns: int) -> bool:
        interval = held.possible if isinstance(held, Tenure) else held.interval
        return interval.touches(first_ns, last_ns, self._slack)


def service_text(service: Service) -> str:
    """A Service as `name.namespace`."""
    return f"{service.name}.{service.namespace}"


def distinct_services(listeners: Iterable[Listener]) -> tuple[str, ...]:
    """The names of the Services that listeners belong to, sorted."""
    return tuple(sorted({service_text(listener.service) for listener in listeners}))
