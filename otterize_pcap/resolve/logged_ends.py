"""Connections of flow logs → resolved or unresolved: by what the log calls the ends.

The log saw them at the time, so its word goes before what a snapshot says of an address. What it
does not name, the snapshot may (`Resolver`); what neither does is unresolved, as of packets.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from otterize_pcap.addresses import is_private
from otterize_pcap.flow_logs.flow import Answer, LoggedEnd, StandsFor
from otterize_pcap.flow_logs.judge_flows import LoggedConnection
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import SERVICE, External, Workload
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    API_SERVER,
    API_SERVICE,
    EXTERNAL_CLIENT,
    NODE_CLIENT,
    NODE_SERVER,
    NOT_A_CALL,
    UNKNOWN_PRIVATE,
    FoundServer,
    Party,
    Resolution,
    Resolved,
    Unknown,
    Unresolved,
    party_of,
)
from otterize_pcap.resolve.resolve import Resolver, are_called
from otterize_pcap.snapshot.snapshot import Snapshot, Tenure

OTHER_CLUSTER = Fate(FateKind.UNRESOLVED, "pod of another cluster")

Told = Mapping[tuple[bytes, bytes], Sequence[tuple[int, str]]]
"""(client, address) → when DNS told the client that the address has a name, and which."""


class LoggedEnds:
    """Resolves connections of flow logs.

    `snapshot` is that with the pods of the logs in it (`log_snapshot`), `resolver` knows it by
    address. `answers` are what DNS told, where a log says it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        identities: Identities,
        resolver: Resolver,
        answers: Iterable[Answer],
    ) -> None:
        self._identities = identities
        self._resolver = resolver
        self._services = {f"{one.name}.{one.namespace}" for one in snapshot.services if one.ports}
        self._pods: dict[tuple[str, str], list[Tenure]] = {}
        for held in snapshot.tenures.values():
            for tenure in held:
                pod = tenure.pod
                self._pods.setdefault((pod.namespace, pod.name), []).append(tenure)
        self._told = told_by_dns(answers)

    def resolve(self, one: LoggedConnection) -> Resolution:
        """Both ends of one connection."""
        connection = one.connection
        if not are_called((*connection.clients, *connection.servers)):
            return Unresolved(connection, NOT_A_CALL)
        return self._resolver.put_together(connection, self._client(one), self._server(one))

    def shown(self, one: LoggedConnection, *, by_name: bool) -> Resolution:
        """The same, a server outside by its domain name where that is asked for."""
        resolution = self.resolve(one)
        name = self.name_of(one) if by_name else None
        if name and isinstance(resolution, Resolved) and isinstance(resolution.server, External):
            return replace(resolution, server=External(name))
        return resolution

    def name_of(self, one: LoggedConnection) -> str | None:
        """The domain name of a server outside, where the log tells one and no other (S50)."""
        names = set(one.servers[-1].names)
        if not names:
            key = one.clients[0].address, one.servers[-1].address
            told = self._told.get(key, ())
            names = {name for time_ns, name in told if time_ns <= one.connection.first_ns}
        return names.pop() if len(names) == 1 else None

    def _client(self, one: LoggedConnection) -> Party | Unknown:
        connection = one.connection
        named = self._named(one.clients)
        if named is not None:
            return named
        kinds = {end.stands_for for end in one.clients}
        if StandsFor.OTHER_CLUSTER in kinds:
            return Unknown(OTHER_CLUSTER)
        if StandsFor.NODE in kinds:
            return Unknown(NODE_CLIENT)
        if StandsFor.API_SERVER in kinds:
            return Party(API_SERVER)
        if StandsFor.WORLD in kinds and not any(is_private(end.address) for end in one.clients):
            return Unknown(EXTERNAL_CLIENT)
        return self._resolver.client(connection.clients, *connection.client_sent)

    def _server(self, one: LoggedConnection) -> FoundServer:
        connection, last = one.connection, one.servers[-1]
        services, port = tuple(sorted(one.services)), connection.servers[-1][1]
        if API_SERVICE in services or last.stands_for is StandsFor.API_SERVER:
            return Party(API_SERVER), (API_SERVICE,), port
        named = self._named(one.servers)
        if named is not None:
            return named, services, port
        if last.stands_for is StandsFor.OTHER_CLUSTER:
            return Unknown(OTHER_CLUSTER), services, port
        if services and not self._services.issuperset(services):
            # A Service is known that was asked, and not what answered in its place.
            return Party(_service(services[0])), services, port
        found, through, port = self._resolver.server(
            connection.protocol, connection.servers, *connection.server_sent
        )
        if last.stands_for is StandsFor.NODE and _is_nobody(found):
            return Unknown(NODE_SERVER), services, port
        return found, tuple(sorted({*services, *through})), port

    def _named(self, ends: Iterable[LoggedEnd]) -> Party | Unknown | None:
        """The pod that the log names; None where it names none."""
        found: dict[Workload, Party] = {}
        for end in ends:
            if not end.pod or end.stands_for is StandsFor.OTHER_CLUSTER:
                continue
            held = self._pods.get((end.namespace, end.pod), ())
            for tenure in held:
                party = party_of(self._identities, tenure)
                found.setdefault(party.workload, party)
        if len(found) > 1:
            return Unknown(AMBIGUOUS, tuple(sorted(found)))
        return next(iter(found.values()), None)


def told_by_dns(answers: Iterable[Answer]) -> Told:
    """What DNS told each client of each address."""
    told: dict[tuple[bytes, bytes], list[tuple[int, str]]] = {}
    for answer in answers:
        for address in answer.addresses:
            told.setdefault((answer.client, address), []).append((answer.time_ns, answer.name))
    return told


def _service(text: str) -> Workload:
    name, _, namespace = text.partition(".")
    return Workload(name, namespace, SERVICE)


def _is_nobody(found: Party | External | Unknown) -> bool:
    """Whether an address alone says nothing: a node's may read as one outside."""
    return isinstance(found, External) or found == Unknown(UNKNOWN_PRIVATE)
