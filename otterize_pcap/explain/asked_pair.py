"""The pair that was asked about: whom its names mean in one capture, and what speaks of them."""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.explain.asked_names import AskedName, find_asked
from otterize_pcap.graph.fate import FateKind
from otterize_pcap.graph.service_graph import Call, External, Workload
from otterize_pcap.resolve.api_server import API_SERVER_NAME
from otterize_pcap.resolve.identity import Identities, held_by_workloads
from otterize_pcap.resolve.lookups import Lookup
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
    API_SERVER,
    GroupResolution,
    Resolution,
    Resolved,
    Unresolved,
)
from otterize_pcap.snapshot.snapshot import Snapshot

Held = Mapping[bytes, Collection[Workload]]


class Question(Struct, frozen=True):
    """Which pair to explain: names as the map writes them, and how many connections to show."""

    client: str
    server: str
    most: int = 10


def is_between(question: Question, mapped: MappedCapture, calls: Iterable[Call]) -> bool:
    """Whether one of some calls is one of the pair."""
    pair = AskedPair.of(question, mapped.snapshot, mapped.identities, mapped.held)
    return any(pair.is_call(call) for call in calls)


def asked_services(
    question: Question, snapshot: Snapshot, identities: Identities
) -> frozenset[str] | None:
    """The names of the Services that may stand for the server asked about (S42).

    None where it is no workload that the snapshot knows: any name in the packets may be its own.
    To keep them all took minutes where a capture has a million lookups.
    """
    server = find_asked(question.server, snapshot, identities)
    held = held_by_workloads(snapshot, identities)
    is_api_server = API_SERVER in server.workloads
    if not server.addresses and not is_api_server:
        return None
    asked = server.addresses
    names = frozenset(
        service.name
        for service in snapshot.services
        if any(
            # Who holds an address that no pod has is told later: a node's, a hostNetwork pod's.
            backend.address in asked or backend.address not in held
            for backends in service.backends.values()
            for backend in backends
        )
    )
    return names | {API_SERVER_NAME[1]} if is_api_server else names


class AskedPair(Struct, frozen=True):
    """Whom the two names mean in one capture, and who held which address there."""

    client: AskedName
    server: AskedName
    held: Held

    @classmethod
    def of(
        cls, question: Question, snapshot: Snapshot, identities: Identities, held: Held
    ) -> "AskedPair":
        """Whom a question's names mean; `held` says who held which address at any time."""
        client, server = (
            find_asked(name, snapshot, identities) for name in (question.client, question.server)
        )
        return cls(client, server, held)

    @property
    def unknown(self) -> list[AskedName]:
        """Names that mean nothing; a Service calls nobody."""
        client = () if self.client.is_known and not self.client.services else (self.client,)
        return [*client, *(() if self.server.is_known else (self.server,))]

    @property
    def addresses(self) -> frozenset[bytes] | None:
        """Addresses that each connection of the pair has; None where none was asked for."""
        asked = {one.address for one in (self.client, self.server) if one.address is not None}
        return frozenset(asked) or None

    def is_looked_up(self, lookup: Lookup) -> bool:
        """Whether DNS told the one of the other."""
        by = self.client.is_party(lookup.client)
        if self.client.address is not None:
            by = lookup.answer.client == self.client.address
        return bool(by) and self.server.is_workload(lookup.server)

    def is_call(self, call: Call) -> bool:
        """Whether a call of the graph may be one of the two."""
        through = {name for use in call.uses for name in use.services}
        return _may_be(self.client, call.client) and (
            _may_be(self.server, call.server) or not through.isdisjoint(self.server.services)
        )

    def is_spoken_of(self, resolution: Resolution | GroupResolution) -> bool:
        """Whether a connection is, or could be, of the pair: one end surely, the other perhaps.

        Where nothing tells client from server, it speaks of the pair either way round.
        """
        client = self._says(resolution, "client", self.client)
        server = self._says(resolution, "server", self.server)
        if isinstance(resolution, Unresolved) and resolution.fate.kind is FateKind.UNDIRECTED:
            turned = (
                self._says(resolution, "server", self.client),
                self._says(resolution, "client", self.server),
            )
            return turned == (True, True) or (client, server) == (True, True)
        return client is not False and server is not False and (client or server) is True

    def _says(
        self, resolution: Resolution | GroupResolution, side: str, asked: AskedName
    ) -> bool | None:
        """Whether one end is who was asked about; None where it could be."""
        connection = resolution.connection
        ends = connection.clients if side == "client" else connection.servers
        if asked.address is not None:
            # An example stands for any: whether it is the one that is meant, each connection says.
            if isinstance(connection, ConnectionGroup) and getattr(connection, side).is_example:
                return True
            return any(address == asked.address for address, _ in ends)
        if asked.services:
            through = resolution.services if isinstance(resolution, Resolved) else None
            return None if through is None else bool(asked.services.intersection(through))
        party = getattr(resolution, side)
        if party is not None:
            return asked.is_party(party)
        if isinstance(resolution, Unresolved) and resolution.side == side:
            if resolution.candidates:
                return any(map(asked.is_workload, resolution.candidates))
            if resolution.fate.kind is FateKind.EXTERNAL_CLIENT:
                return False
        if asked.pods:
            return any(address in asked.addresses for address, _ in ends)
        holders = {one for address, _ in ends for one in self.held.get(address, ())}
        return any(map(asked.is_workload, holders)) if holders else None


def _may_be(asked: AskedName, party: Workload | External) -> bool:
    """Whether an end of a call may be who was asked about; nobody holds some addresses."""
    return asked.is_workload(party) or (asked.address is not None and not asked.workloads)
