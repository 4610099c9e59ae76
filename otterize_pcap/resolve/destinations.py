"""Where connections ended that no pod of the snapshot was seen to hold (S14, S21, S50)."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from otterize_pcap.addresses import (
    Network,
    in_network,
    is_private,
)
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.holders import Holder
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    NO_BACKEND,
    NO_POD,
    NODE_SERVER,
    UNKNOWN_PRIVATE,
    Party,
    Unknown,
    outside,
    party_of,
)
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.snapshot.snapshot import Listener, Pod, Service, Snapshot
from otterize_pcap.table.rows import Endpoint


class Destinations:
    """What stands at endpoints that were called.

    `inside` are ranges of the cluster that the snapshot need not know; `holder` says which pod held
    an address over a time (S12).
    """

    def __init__(
        self,
        snapshot: Snapshot,
        identities: Identities,
        routes: ServiceRoutes,
        inside: Sequence[Network],
        holder: Holder,
    ) -> None:
        self._snapshot = snapshot
        self._identities = identities
        self._routes = routes
        self._inside = inside
        self._holder = holder

    def reached(
        self,
        endpoint: Endpoint,
        protocol: int,
        listeners: Sequence[Listener],
        first_ns: int,
        last_ns: int,
    ) -> tuple[Party | External | Unknown, int]:
        """What stood at the last endpoint that was seen, which no pod held (S14, S21, S50).

        `listeners` are the Services that led there. Where one listens at the endpoint itself, what
        it leads to was not seen. Nor was a pod that the snapshot lacks: then the Service may tell
        whose it was. Behind one that selects no pods can be anything.
        """
        if not self._routes.listens(endpoint, protocol, first_ns, last_ns):
            if self._routes.is_node(endpoint[0]):
                found = self._at_node(endpoint, protocol, first_ns, last_ns)
                if found is not None:
                    return found
            elif not any(listener.service.has_selector for listener in listeners):
                return self._elsewhere(endpoint, first_ns, last_ns), endpoint[1]
        if listeners:
            return self._behind(listeners, protocol, first_ns, last_ns, endpoint[1])
        return Unknown(NODE_SERVER), endpoint[1]

    def behind_services(
        self, services: Iterable[Service], protocol: int, port: int, first_ns: int, last_ns: int
    ) -> tuple[Party | External | Unknown, int] | None:
        """What is behind some Services' port; None where none has it."""
        served = (PROTOCOL_NAMES.get(protocol), port)
        listeners = [
            Listener(service, each, service.interval)
            for service in services
            for each in service.ports
            if (each.protocol, each.port) == served
        ]
        if not listeners:
            return None
        return self._behind(listeners, protocol, first_ns, last_ns, port)

    def _behind(
        self,
        listeners: Iterable[Listener],
        protocol: int,
        first_ns: int,
        last_ns: int,
        port: int,
    ) -> tuple[Party | External | Unknown, int]:
        """The one workload behind Services, where their backends are all of one (S21)."""
        parties: dict[Workload | External, Party | External] = {}
        pods: set[Pod] = set()
        ports: set[int] = set()
        for listener in listeners:
            for endpoint in self._routes.targets(listener, first_ns, last_ns):
                found, target_port = self._backend(endpoint, protocol, first_ns, last_ns)
                if listener.service.has_selector and self._is_elsewhere(endpoint[0]):
                    # Selected, and so a pod, but none that the snapshot knows.
                    found = Unknown(NO_POD)
                if not isinstance(found, Unknown):
                    key = found.workload if isinstance(found, Party) else found
                    parties.setdefault(key, found)
                    pods.update({found.pod} if isinstance(found, Party) and found.pod else ())
                    ports.add(target_port)
                elif found.fate == AMBIGUOUS or endpoint[0] not in self._snapshot.tenures:
                    # A backend that no pod of the snapshot ever was could be any workload's.
                    return found, port
        if not parties:
            return Unknown(NO_BACKEND), port
        if len(parties) > 1:
            workloads = sorted(key for key in parties if isinstance(key, Workload))
            return Unknown(AMBIGUOUS, tuple(workloads)), port
        party = next(iter(parties.values()))
        if isinstance(party, Party) and len(pods) > 1:
            party = replace(party, is_example=True)
        return party, ports.pop() if len(ports) == 1 else port

    def _backend(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> tuple[Party | External | Unknown, int]:
        """What an endpoint of a Service is: like any destination, but no Service again."""
        address, port = endpoint
        if address in self._snapshot.tenures:
            return self._holder(address, first_ns, last_ns), port
        if not self._is_elsewhere(address):
            found = self._at_node(endpoint, protocol, first_ns, last_ns)
            return found if found is not None else (Unknown(NODE_SERVER), port)
        return self._elsewhere(endpoint, first_ns, last_ns), port

    def _is_elsewhere(self, address: bytes) -> bool:
        """Whether neither a pod nor a node ever had an address."""
        return address not in self._snapshot.tenures and not self._routes.is_node(address)

    def _elsewhere(
        self, endpoint: Endpoint, first_ns: int, last_ns: int
    ) -> Party | External | Unknown:
        """A server that is no pod, no Service and no node: outside, or nobody known (S50)."""
        address, _ = endpoint
        if self._snapshot.owns(address) or address in self._snapshot.tenures:
            held = self._holder(address, first_ns, last_ns)
            return held if isinstance(held, Unknown) else Unknown(NO_POD)
        if is_private(address):
            return Unknown(UNKNOWN_PRIVATE)
        if self.is_inside(address):
            return Unknown(NO_POD)
        return outside(endpoint)

    def is_inside(self, address: bytes) -> bool:
        """Whether routes lead to an address within the cluster: a pod that nobody saw (S50)."""
        return any(in_network(address, network) for network in self._inside)

    def _at_node(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> tuple[Party | Unknown, int] | None:
        """The pod that answers at a node's address; of several nodes the workload they share."""
        found = self._routes.at_node(endpoint, protocol, first_ns, last_ns)
        if not found:
            return None
        workloads = {self._identities.of(tenure.pod).workload for tenure, _ in found}
        if len(workloads) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(workloads))), endpoint[1]
        tenure, port = found[-1]
        party = party_of(self._identities, tenure)
        same_node = len({tenure.pod.node for tenure, _ in found}) == 1
        return party if same_node else Party(party.workload, inferred=party.inferred), port
