"""Connections + snapshot → resolved or unresolved: which workloads were at both ends, and when.

A connection is resolved at its own time (S12). What cannot be known is an `Unresolved` with its
reason; nothing is guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from otterize_pcap.addresses import (
    Network,
    format_address,
    in_network,
    is_not_a_call,
    is_private,
)
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.rule import Rule
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.resolve.hand_owners import Owners
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.service_routes import ServiceRoutes, distinct_services
from otterize_pcap.snapshot.snapshot import Listener, Pod, Service, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint
from otterize_pcap.timestamps import SECOND_NS

DEFAULT_SLACK_NS = 2 * SECOND_NS

API_SERVER = Workload("kubernetes", "default", "Service")
API_SERVICE = "kubernetes.default"

UNDIRECTED = Fate(FateKind.UNDIRECTED, "no rule tells client from server")
NOT_A_CALL = Fate(FateKind.NOT_A_CALL, "loopback, link-local, multicast or broadcast")
NODE_CLIENT = Fate(FateKind.UNRESOLVED, "node as client")
NODE_SERVER = Fate(
    FateKind.UNRESOLVED, "node as server, no pod there declares the port or is named for it"
)
NO_POD = Fate(FateKind.UNRESOLVED, "no pod had the address then")
OUTSIDE_TENURE = Fate(
    FateKind.UNRESOLVED, "the pod did not have the address over all the time in which it sent"
)
CHANGED_HANDS = Fate(
    FateKind.UNRESOLVED, "the packets show another pod at the address than the snapshot has"
)
NO_BACKEND = Fate(FateKind.UNRESOLVED, "Service without pods behind that port")
UNKNOWN_PRIVATE = Fate(FateKind.UNRESOLVED, "unknown private address")
EXTERNAL_CLIENT = Fate(FateKind.EXTERNAL_CLIENT)
AMBIGUOUS = Fate(FateKind.AMBIGUOUS)


@dataclass(frozen=True, slots=True)
class Party:
    """A resolved end: its workload, and the pod and tenure it was found by.

    `pod` is None for the API server, and for a Service whose backends are several pods.
    """

    workload: Workload
    pod: Pod | None = None
    tenure: Tenure | None = None
    inferred: str | None = None


Seen = TypeVar("Seen", Connection, ConnectionGroup)


@dataclass(frozen=True, slots=True)
class Resolved(Generic[Seen]):
    """A connection, or a group, with both ends known.

    `port` is the server's own, `services` what led there.
    """

    connection: Seen
    client: Party
    server: Party | External
    port: int
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unresolved(Generic[Seen]):
    """A connection that is no call, or whose ends cannot be known.

    `side` is the end that `fate` speaks of, `candidates` the workloads between which it could
    not be decided. `client` and `server` are what was known all the same.
    """

    connection: Seen
    fate: Fate
    side: str = ""
    candidates: tuple[Workload, ...] = ()
    client: Party | None = None
    server: Party | External | None = None


Resolution = Resolved[Connection] | Unresolved[Connection]
"""What becomes of one connection."""

GroupResolution = Resolved[ConnectionGroup] | Unresolved[ConnectionGroup]
"""What becomes of each connection of a group."""

AnyResolved = Resolved[Connection] | Resolved[ConnectionGroup]
"""A connection, or a group of them, with both ends known."""


def of_one(resolution: GroupResolution, connection: Connection) -> Resolution:
    """What becomes of one connection of a group."""
    if connection.outcome != resolution.connection.outcome:
        connection = replace(connection, outcome=resolution.connection.outcome)
    if isinstance(resolution, Unresolved):
        return Unresolved(
            connection,
            resolution.fate,
            resolution.side,
            resolution.candidates,
            resolution.client,
            resolution.server,
        )
    return Resolved(
        connection, resolution.client, resolution.server, resolution.port, resolution.services
    )


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why an end is not known."""

    fate: Fate
    candidates: tuple[Workload, ...] = ()


def are_called(endpoints: Iterable[Endpoint]) -> bool:
    """Whether none of some ends is an address that nobody calls (S15)."""
    return not any(is_not_a_call(address) for address, _ in endpoints)


FoundServer = tuple[Party | External | Unknown, tuple[str, ...], int]
"""A server, the Services that led to it, and its port."""


class Resolver:
    """Resolves the connections of one capture against its snapshot.

    `nodes` maps node addresses to names of nodes; `slack_ns` is `--time-slack`; `inside` are
    ranges of the cluster that the snapshot need not know; `hands` is what packets say of tenures.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        identities: Identities,
        routes: ServiceRoutes,
        nodes: Mapping[bytes, frozenset[str]],
        slack_ns: int = DEFAULT_SLACK_NS,
        inside: Sequence[Network] = (),
        hands: ChangesOfHands | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._identities = identities
        self._routes = routes
        self._nodes = nodes
        self._slack = slack_ns
        self._inside = inside
        self._hands = hands

    def resolve(self, connection: Connection) -> Resolution:
        """Both ends of one connection."""
        if not are_called((*connection.clients, *connection.servers)):
            return Unresolved(connection, NOT_A_CALL)
        return self.put_together(
            connection,
            self.client(connection.clients, *connection.client_sent),
            self.server(connection.protocol, connection.servers, *connection.server_sent),
        )

    def put_together(
        self, connection: Seen, client: Party | Unknown, found: FoundServer
    ) -> Resolved[Seen] | Unresolved[Seen]:
        """The resolution of a call, or of a group of them, whose ends were looked up."""
        server, services, port = found
        if connection.rule is Rule.UNDIRECTED:
            one = client if isinstance(client, Party) else None
            other = None if isinstance(server, Unknown) else server
            return Unresolved(connection, UNDIRECTED, client=one, server=other)
        if client == Unknown(NODE_CLIENT) and self._routes.calls_as_api_server(
            connection.clients[0][0], connection.protocol, connection.servers
        ):
            client = Party(API_SERVER)
        if isinstance(client, Unknown):
            known = None if isinstance(server, Unknown) else server
            return Unresolved(connection, client.fate, "client", client.candidates, server=known)
        if isinstance(server, Unknown):
            return Unresolved(connection, server.fate, "server", server.candidates, client=client)
        return Resolved(connection, client, server, port, services)

    def client(self, endpoints: Sequence[Endpoint], first_ns: int, last_ns: int) -> Party | Unknown:
        """The first end that a pod held; what stands before NAT is what called (S22)."""
        found = self._one_holder(endpoints, first_ns, last_ns)
        if found is not None:
            return found[0]
        address = endpoints[0][0]
        if address in self._nodes:
            return Unknown(NODE_CLIENT)
        if self._routes.is_api_address(address):
            return Party(API_SERVER)
        if self._snapshot.owns(address) or address in self._snapshot.tenures:
            return self.holder(address, first_ns, last_ns)
        if is_private(address):
            return Unknown(UNKNOWN_PRIVATE)
        return Unknown(NO_POD if self._is_inside(address) else EXTERNAL_CLIENT)

    def server(
        self, protocol: int, endpoints: Sequence[Endpoint], first_ns: int, last_ns: int
    ) -> FoundServer:
        """The last end that a pod held, else what the Service at the first end stood for."""
        port = endpoints[-1][1]
        listeners: list[Listener] = []
        for endpoint in endpoints:
            listeners += self._routes.listeners(endpoint, protocol, first_ns, last_ns)
        services = distinct_services(listeners)
        if API_SERVICE in services or any(
            self._routes.is_api_server(endpoint, protocol) for endpoint in endpoints
        ):
            ports = self._api_ports(protocol, endpoints, listeners, first_ns, last_ns)
            return Party(API_SERVER), (API_SERVICE,), ports.pop() if len(ports) == 1 else port
        found = self._one_holder(endpoints[::-1], first_ns, last_ns)
        if found is not None:
            return found[0], services, found[1]
        party, port = self._reached(endpoints[-1], protocol, listeners, first_ns, last_ns)
        return party, services, port

    def _one_holder(
        self, endpoints: Iterable[Endpoint], first_ns: int, last_ns: int
    ) -> tuple[Party | Unknown, int] | None:
        """Who held the first of some endpoints that a pod held, and its port.

        One side of a connection is one pod, whatever NAT made of its address: pods that disagree
        are ambiguous. Then recordings were joined wrongly, or somebody made them up.
        """
        found: list[tuple[Party | Unknown, int]] = []
        for address, port in endpoints:
            held = self.holder(address, first_ns, last_ns)
            if isinstance(held, Party) or held.fate == AMBIGUOUS:
                found.append((held, port))
        workloads = {held.workload for held, _ in found if isinstance(held, Party)}
        if len(workloads) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(workloads))), found[0][1]
        return found[0] if found else None

    def _api_ports(
        self,
        protocol: int,
        endpoints: Sequence[Endpoint],
        listeners: Iterable[Listener],
        first_ns: int,
        last_ns: int,
    ) -> set[int]:
        """The API server's own port, which its Service's need not be; several if none tells."""
        for endpoint in reversed(endpoints):
            if self._routes.is_api_server(endpoint, protocol):
                return {endpoint[1]}
        return {
            port
            for listener in listeners
            for _, port in self._routes.targets(listener, first_ns, last_ns)
        }

    def holder(self, address: bytes, first_ns: int, last_ns: int) -> Party | Unknown:
        """The pod that held an address over a whole time (S12).

        Before it certainly did (S10) it was perhaps another that the snapshot does not know,
        unless a watch knew every pod of that time. Where packets show whose it was, they decide.
        """
        shown = self._hands.at(address, first_ns, last_ns) if self._hands else None
        touching = [
            tenure
            for tenure in self._snapshot.tenures.get(address, ())
            if tenure.possible.touches(first_ns, last_ns, self._slack)
        ]
        if shown is not None:
            return self._shown(shown, touching)
        if not touching:
            return Unknown(NO_POD)
        workloads = {self._identities.of(tenure.pod).workload for tenure in touching}
        if len(workloads) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(workloads)))
        covering = [
            tenure for tenure in touching if tenure.possible.covers(first_ns, last_ns, self._slack)
        ]
        if not covering:
            return Unknown(OUTSIDE_TENURE)
        certain = [
            tenure for tenure in covering if tenure.interval.covers(first_ns, last_ns, self._slack)
        ]
        if not certain and not self._snapshot.watched(first_ns, last_ns):
            return Unknown(AMBIGUOUS, tuple(workloads))
        return self._party((certain or covering)[-1])

    def _shown(self, owners: Owners, touching: Sequence[Tenure]) -> Party | Unknown:
        """Whose hand it was; `touching` are those that the snapshot alone would have."""
        known = [tenure for tenure in owners if tenure is not None]
        workloads = {self._identities.of(tenure.pod).workload for tenure in known}
        if not known:
            return Unknown(CHANGED_HANDS if touching else NO_POD)
        if None in owners or len(workloads) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(workloads)))
        return self._party(known[-1])

    def _party(self, tenure: Tenure) -> Party:
        identity = self._identities.of(tenure.pod)
        return Party(identity.workload, tenure.pod, tenure, identity.inferred)

    def _reached(
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
        return party, ports.pop() if len(ports) == 1 else port

    def _backend(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> tuple[Party | External | Unknown, int]:
        """What an endpoint of a Service is: like any destination, but no Service again."""
        address, port = endpoint
        if address in self._snapshot.tenures:
            return self.holder(address, first_ns, last_ns), port
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
            held = self.holder(address, first_ns, last_ns)
            return held if isinstance(held, Unknown) else Unknown(NO_POD)
        if is_private(address):
            return Unknown(UNKNOWN_PRIVATE)
        if self._is_inside(address):
            return Unknown(NO_POD)
        return External(format_address(address), is_address=True)

    def _is_inside(self, address: bytes) -> bool:
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
        party = self._party(tenure)
        same_node = len({tenure.pod.node for tenure, _ in found}) == 1
        return party if same_node else Party(party.workload, inferred=party.inferred), port
