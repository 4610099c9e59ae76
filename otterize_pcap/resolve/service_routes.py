"""What a snapshot says of virtual addresses: where a Service led, and which ports are served.

Answers the questions that `join`, `direction` and `resolve` ask of Services (S21, S22, S24, S32),
by time. Whose pod a backend is, is `resolve`'s to say.
"""

from collections.abc import Iterable, Mapping, Sequence

from otterize_pcap.snapshot.snapshot import Backend, Listener, Service, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint

PROTOCOL_NAMES = {6: "TCP", 17: "UDP", 132: "SCTP"}
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

    def _during(self, held: Listener | Backend | Tenure, first_ns: int, last_ns: int) -> bool:
        return held.start_ns - self._slack <= last_ns and held.end_ns + self._slack >= first_ns


def service_text(service: Service) -> str:
    """A Service as `name.namespace`."""
    return f"{service.name}.{service.namespace}"


def distinct_services(listeners: Iterable[Listener]) -> tuple[str, ...]:
    """The names of the Services that listeners belong to, sorted."""
    return tuple(sorted({service_text(listener.service) for listener in listeners}))
