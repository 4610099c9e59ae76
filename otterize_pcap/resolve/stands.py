"""Groups of connections → resolutions: each side looked up once for as long as it stands."""

from collections.abc import Sequence
from dataclasses import replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.grouped import ConnectionGroup, Stand
from otterize_pcap.resolve.resolve import (
    NOT_A_CALL,
    FoundServer,
    Party,
    Resolution,
    Resolver,
    Unknown,
    Unresolved,
    is_call,
)


class StandResolver:
    """Resolves the groups of one capture."""

    def __init__(self, resolver: Resolver, stands: Sequence[Stand]) -> None:
        self._resolver = resolver
        self._stands = stands
        self._clients: dict[int, Party | Unknown] = {}
        self._servers: dict[int, FoundServer] = {}

    def resolve(self, group: ConnectionGroup) -> Resolution:
        """What all connections of a group resolve to; the connection in it stands for them."""
        connection = self._standing_for(group)
        if not is_call(connection):
            return Unresolved(connection, NOT_A_CALL)
        client = self._clients.get(group.client)
        if client is None:
            client = self._clients[group.client] = self._resolver.client(
                self._at_its_time(connection, self._stands[group.client])
            )
        server = self._servers.get(group.server)
        if server is None:
            server = self._servers[group.server] = self._resolver.server(
                self._at_its_time(connection, self._stands[group.server])
            )
        return self._resolver.put_together(connection, client, server)

    def _standing_for(self, group: ConnectionGroup) -> Connection:
        """A connection that resolves as every one of a group does; it has no legs."""
        return Connection(
            protocol=group.kind.protocol,
            clients=tuple((address, 0) for address in self._stands[group.client].clients),
            servers=self._stands[group.server].servers,
            rule=group.kind.rule,
            outcome=group.kind.outcome,
            first_ns=group.first_ns,
            last_ns=group.last_ns,
            packets=group.packets,
            bytes=group.bytes,
            syns=0,
            legs=(),
            joined_by=group.kind.joined_by,
        )

    def _at_its_time(self, connection: Connection, stand: Stand) -> Connection:
        """A connection at the time of one that a stand was seen with."""
        return replace(connection, first_ns=stand.first_ns, last_ns=stand.last_ns)
