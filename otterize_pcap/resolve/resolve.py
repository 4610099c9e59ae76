"""Connections + snapshot → resolved or unresolved: which workloads were at both ends, and when.

A connection is resolved at its own time (S12). What cannot be known is an `Unresolved` with its
reason; nothing is guessed.
"""

from collections.abc import Iterable, Mapping, Sequence

from otterize_pcap.addresses import (
    Network,
    is_not_a_call,
    is_private,
)
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.service_graph import External
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.resolve.destinations import Destinations
from otterize_pcap.resolve.hand_owners import Owners
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    API_SERVER,
    API_SERVICE,
    CHANGED_HANDS,
    EXTERNAL_CLIENT,
    NO_POD,
    NODE_CLIENT,
    NOT_A_CALL,
    OUTSIDE_TENURE,
    UNDIRECTED,
    UNKNOWN_PRIVATE,
    FoundServer,
    Party,
    Resolution,
    Resolved,
    Seen,
    Unknown,
    Unresolved,
    party_of,
)
from otterize_pcap.resolve.service_routes import ServiceRoutes, distinct_services
from otterize_pcap.snapshot.snapshot import Listener, Service, Snapshot, Tenure
from otterize_pcap.table.rows import Endpoint
from otterize_pcap.timestamps import SECOND_NS

DEFAULT_SLACK_NS = 2 * SECOND_NS


def are_called(endpoints: Iterable[Endpoint]) -> bool:
    """Whether none of some ends is an address that nobody calls (S15)."""
    return not any(is_not_a_call(address) for address, _ in endpoints)


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
        self._hands = hands
        self._destinations = Destinations(snapshot, identities, routes, inside, self.holder)

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
        # Of legs seen at one time, any may come first: by whichever address a node called.
        if isinstance(client, Unknown) and self._is_webhook_called(connection, client):
            client = Party(API_SERVER)
        if isinstance(client, Unknown):
            known = None if isinstance(server, Unknown) else server
            return Unresolved(connection, client.fate, "client", client.candidates, server=known)
        if isinstance(server, Unknown):
            return Unresolved(connection, server.fate, "server", server.candidates, client=client)
        return Resolved(connection, client, server, port, services)

    def _is_webhook_called(self, connection: Seen, client: Unknown) -> bool:
        """Whether the API server, on a node, calls a webhook."""
        return client.fate == NODE_CLIENT and any(
            self._routes.api_server.calls_webhook(address, connection.protocol, connection.servers)
            for address, _ in connection.clients
        )

    def client(self, endpoints: Sequence[Endpoint], first_ns: int, last_ns: int) -> Party | Unknown:
        """The first end that a pod held; what stands before NAT is what called (S22)."""
        found = self._one_holder(endpoints, first_ns, last_ns)
        if found is not None:
            return found[0]
        address = endpoints[0][0]
        if address in self._nodes:
            return Unknown(NODE_CLIENT)
        if address in self._routes.api_server.addresses:
            return Party(API_SERVER)
        if self._snapshot.owns(address) or address in self._snapshot.tenures:
            return self.holder(address, first_ns, last_ns)
        if is_private(address):
            return Unknown(UNKNOWN_PRIVATE)
        return Unknown(NO_POD if self._destinations.is_inside(address) else EXTERNAL_CLIENT)

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
            self._routes.api_server.is_at(endpoint, protocol) for endpoint in endpoints
        ):
            ports = self._api_ports(protocol, endpoints, listeners, first_ns, last_ns)
            return Party(API_SERVER), (API_SERVICE,), ports.pop() if len(ports) == 1 else port
        found = self._one_holder(endpoints[::-1], first_ns, last_ns)
        if found is not None:
            return found[0], services, found[1]
        last = endpoints[-1]
        party, port = self._destinations.reached(last, protocol, listeners, first_ns, last_ns)
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
            if self._routes.api_server.is_at(endpoint, protocol):
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
        return party_of(self._identities, (certain or covering)[-1])

    def _shown(self, owners: Owners, touching: Sequence[Tenure]) -> Party | Unknown:
        """Whose hand it was; `touching` are those that the snapshot alone would have."""
        known = [tenure for tenure in owners if tenure is not None]
        workloads = {self._identities.of(tenure.pod).workload for tenure in known}
        if not known:
            return Unknown(CHANGED_HANDS if touching else NO_POD)
        if None in owners or len(workloads) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(workloads)))
        return party_of(self._identities, known[-1])

    def behind_services(
        self, services: Iterable[Service], protocol: int, port: int, first_ns: int, last_ns: int
    ) -> tuple[Party | External | Unknown, int] | None:
        """What is behind some Services' port; None where none has it."""
        return self._destinations.behind_services(services, protocol, port, first_ns, last_ns)
