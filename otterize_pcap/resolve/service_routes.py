"""What a snapshot says of virtual addresses: where a Service led, and which ports are served.

Answers the questions that `join`, `direction` and `resolve` ask of Services (S21, S22, S24, S32),
by time. Whose pod a backend is, is `resolve`'s to say.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from otterize_pcap.connections.facts import Lead, Served, Span
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, PROTOCOL_NUMBERS
from otterize_pcap.resolve.api_server import ApiServer
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.resolve.held_times import EVER, HeldTimes
from otterize_pcap.resolve.node_pods import NodePods
from otterize_pcap.snapshot.snapshot import Backend, Listener, Service, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint


class ServiceRoutes:
    """The Services of one snapshot, looked up by endpoint and time.

    `nodes` maps every address of nodes to their names: those in the snapshot and those that a
    capture saved. Several nodes can have one, such as that of a DNS cache on each.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        nodes: Mapping[bytes, frozenset[str]],
        slack_ns: int,
        hands: ChangesOfHands | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._nodes = nodes
        self._node_pods = NodePods(snapshot, nodes)
        self._slack = slack_ns
        self._times = HeldTimes(slack_ns, snapshot.watches)
        self._hands = hands
        self._targets: Mapping[tuple[str, Endpoint], Sequence[Backend]] | None = None
        self._listening: dict[bytes, list[tuple[str, int, Listener]]] | None = None
        self._targeted_by_address: dict[bytes, list[tuple[str, int, Backend]]] | None = None
        self._changes: dict[tuple[int, Endpoint], frozenset[int]] = {}
        self.api_server = ApiServer(snapshot, self._node_pods.is_node)

    def listeners(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> list[Listener]:
        """The Service ports that listened on an endpoint over a time, NodePorts among them."""
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        found = self._snapshot.listeners.get((address, name, port), ())
        if address in self._nodes:
            found = (*found, *self._snapshot.node_ports.get((name, port), ()))
        return [entry for entry in found if self._times.during(entry, first_ns, last_ns)]

    def targets(self, listener: Listener, first_ns: int, last_ns: int) -> list[Endpoint]:
        """The endpoints behind a Service port over a time."""
        port = listener.port
        backends = listener.service.backends.get((port.protocol, port.port), ())
        return [
            (backend.address, port.port if backend.port is None else backend.port)
            for backend in backends
            if self._times.during(backend, first_ns, last_ns)
        ]

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """The endpoints that a Service's or a hostPort's led to; empty where it is neither."""
        listeners = self.listeners(endpoint, protocol, first_ns, last_ns)
        behind = [
            target for listener in listeners for target in self.targets(listener, first_ns, last_ns)
        ]
        through = [
            (lead.address, lead.port)
            for lead in self._node_pods.host_port(endpoint, PROTOCOL_NAMES.get(protocol, ""))
            if self._times.during(lead.tenure, first_ns, last_ns)
        ]
        return frozenset((*behind, *through))

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """Whether a pod held an address over some of a time."""
        tenures = self._snapshot.tenures.get(address, ())
        return any(self._times.during(tenure, first_ns, last_ns) for tenure in tenures)

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
            self._times.during(backend, first_ns, last_ns)
            for backend in self.targeted().get((name, endpoint), ())
        ):
            return True
        return any(
            (name, port) in tenure.pod.ports and self._times.during(tenure, first_ns, last_ns)
            for tenure in self._declaring(address)
        ) or any(
            self._times.during(lead.tenure, first_ns, last_ns)
            for lead in self._node_pods.host_port(endpoint, name)
        )

    def _declaring(self, address: bytes) -> Sequence[Tenure]:
        """The pods whose declared ports an address has: its own, else those of its node."""
        if self._node_pods.is_node(address):
            return self._node_pods.on_host_network(address)
        return self._snapshot.tenures.get(address, ())

    def is_node(self, address: bytes) -> bool:
        """Whether a node, and no Service, answers at an address (S14)."""
        return self._node_pods.is_node(address)

    def listens(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether a Service listened on an endpoint at an address of its own: no NodePort."""
        address, port = endpoint
        found = self._snapshot.listeners.get((address, PROTOCOL_NAMES.get(protocol, ""), port), ())
        return any(self._times.during(entry, first_ns, last_ns) for entry in found)

    def at_node(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> list[tuple[Tenure, int]]:
        """The pods, each with its own port, that answer at a node's address (S14).

        Those on the node's network that declare the port or that an EndpointSlice names; where
        there is none, those whose hostPort it is.
        """
        address, port = endpoint
        name = PROTOCOL_NAMES.get(protocol, "")
        named = {
            backend.pod
            for backend in self.targeted().get((name, endpoint), ())
            if self._times.during(backend, first_ns, last_ns)
        }
        on_host = [
            (tenure, port)
            for tenure in self._node_pods.on_host_network(address)
            if (name, port) in tenure.pod.ports or (tenure.pod.namespace, tenure.pod.name) in named
        ]
        through = [(lead.tenure, lead.port) for lead in self._node_pods.host_port(endpoint, name)]
        for found in (on_host, through):
            held = [
                entry
                for entry in found
                if entry[0].interval.touches(first_ns, last_ns, self._slack)
            ]
            if held:
                return held
        return []

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
            *self.api_server.addresses,
        }

    def facts_of(self, address: bytes) -> tuple[list[Span], list[Served]]:
        """When pods held an address, and which ports were served there (S32), as `serves` says."""
        held = [self._times.widened(tenure) for tenure in self._snapshot.tenures.get(address, ())]
        return held, list(dict.fromkeys(self._served_on(address)))

    def _served_on(self, address: bytes) -> Iterator[Served]:
        for protocol, port, listener in self._listeners_on(address):
            yield (PROTOCOL_NUMBERS[protocol], port, *self._times.widened(listener), True)
        for protocol, port, backend in self._backends_on().get(address, ()):
            yield (PROTOCOL_NUMBERS[protocol], port, *self._times.widened(backend), False)
        for protocol, port, lead in self._node_pods.host_ports(address):
            if protocol in PROTOCOL_NUMBERS:
                yield (PROTOCOL_NUMBERS[protocol], port, *self._times.widened(lead.tenure), True)
        for tenure in self._declaring(address):
            for protocol, port in sorted(tenure.pod.ports):
                if protocol in PROTOCOL_NUMBERS:
                    yield (PROTOCOL_NUMBERS[protocol], port, *self._times.widened(tenure), False)

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
        """The endpoints that a Service or a hostPort led to from one, each while both were there.

        Where they never were at the same time, the interval ends before it starts: no time lies in
        it, but one that touches both of them reaches over its ends.
        """
        found: dict[Lead, None] = {}
        for listener in self.listeners(endpoint, protocol, *EVER):
            start, end = self._times.widened(listener)
            port = listener.port
            for backend in listener.service.backends.get((port.protocol, port.port), ()):
                since, until = self._times.widened(backend)
                target = port.port if backend.port is None else backend.port
                found[backend.address, target, max(start, since), min(end, until)] = None
        for lead in self._node_pods.host_port(endpoint, PROTOCOL_NAMES.get(protocol, "")):
            found[lead.address, lead.port, *self._times.widened(lead.tenure)] = None
        return list(found)

    def client_changes(self, addresses: Collection[bytes]) -> list[int]:
        """The moments, in order, at which it changes who calls from some addresses."""
        return sorted({moment for address in addresses for moment in self._holder_changes(address)})

    def _holder_changes(self, address: bytes) -> Iterator[int]:
        """When the answer of `Resolver.holder` may change."""
        for tenure in self._snapshot.tenures.get(address, ()):
            yield from self._times.moments(tenure)
        if self._hands is not None:
            yield from self._hands.changes(address)

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
            addresses = {endpoint[0]}
            held: list[Tenure | Listener | Backend] = [*self._asked_at(endpoint, protocol)]
            for listener in self.listeners(endpoint, protocol, *EVER):
                held.append(listener)
                port = listener.port
                for backend in listener.service.backends.get((port.protocol, port.port), ()):
                    target = port.port if backend.port is None else backend.port
                    held += (backend, *self._asked_at((backend.address, target), protocol))
                    addresses.add(backend.address)
            known = frozenset(moment for each in held for moment in self._times.moments(each))
            if self._hands is not None:
                known |= {moment for one in addresses for moment in self._hands.changes(one)}
            self._changes[key] = known
        return known

    def _asked_at(self, endpoint: Endpoint, protocol: int) -> Iterator[Tenure | Backend]:
        """All that is asked of an endpoint where no Service listens."""
        name = PROTOCOL_NAMES.get(protocol, "")
        yield from self._snapshot.tenures.get(endpoint[0], ())
        if self._node_pods.is_node(endpoint[0]):
            yield from self._node_pods.on_host_network(endpoint[0])
            yield from (lead.tenure for lead in self._node_pods.host_port(endpoint, name))
            yield from self.targeted().get((name, endpoint), ())


def service_text(service: Service) -> str:
    """A Service as `name.namespace`."""
    return f"{service.name}.{service.namespace}"


def distinct_services(listeners: Iterable[Listener]) -> tuple[str, ...]:
    """The names of the Services that listeners belong to, sorted."""
    return tuple(sorted({service_text(listener.service) for listener in listeners}))
