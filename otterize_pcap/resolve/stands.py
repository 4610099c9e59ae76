"""Groups of connections → resolutions: each side looked up once for as long as it stands."""

from otterize_pcap.connections.stands import ConnectionGroup, Stand
from otterize_pcap.resolve.resolution import (
    NOT_A_CALL,
    FoundServer,
    GroupResolution,
    Party,
    Unknown,
    Unresolved,
)
from otterize_pcap.resolve.resolve import Resolver, are_called


class StandResolver:
    """Resolves the groups of one capture."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._clients: dict[int, Party | Unknown | None] = {}
        self._servers: dict[int, FoundServer | None] = {}

    def resolve(self, group: ConnectionGroup) -> GroupResolution:
        """What all connections of a group resolve to; the group stands for each of them."""
        client, server = self.client(group.client), self.server(group.server)
        if client is None or server is None:
            return Unresolved(group, NOT_A_CALL)
        return self._resolver.put_together(group, client, server)

    def client(self, stand: Stand) -> Party | Unknown | None:
        """Who called from a stand; None where nobody calls from there."""
        if stand.number not in self._clients:
            called = are_called(stand.clients)
            self._clients[stand.number] = (
                self._resolver.client(stand.clients, stand.first_ns, stand.last_ns)
                if called
                else None
            )
        return self._clients[stand.number]

    def server(self, stand: Stand) -> FoundServer | None:
        """Who answered at a stand; None where nobody can be called."""
        if stand.number not in self._servers:
            called = are_called(stand.servers)
            self._servers[stand.number] = (
                self._resolver.server(stand.protocol, stand.servers, stand.first_ns, stand.last_ns)
                if called
                else None
            )
        return self._servers[stand.number]
