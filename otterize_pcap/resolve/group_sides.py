"""Groups of connections → resolutions: each side looked up once, however many groups have it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from otterize_pcap.addresses import is_not_a_call
from otterize_pcap.connections.groups import ConnectionGroup, standing_for
from otterize_pcap.resolve.resolve import (
    NOT_A_CALL,
    FoundServer,
    Party,
    Resolution,
    Resolver,
    Unknown,
    Unresolved,
)
from otterize_pcap.resolve.timeless import Timeless
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Side(Generic[Found]):
    """What is at one side of connections; `stands` tells whether that holds for each of them."""

    found: Found
    stands: bool
    is_call: bool


class GroupSides:
    """Resolves the groups of one capture."""

    def __init__(self, snapshot: Snapshot, resolver: Resolver, timeless: Timeless) -> None:
        self._snapshot = snapshot
        self._resolver = resolver
        self._timeless = timeless
        self._clients: dict[tuple[bytes, ...], Side[Party | Unknown]] = {}
        self._servers: dict[tuple[int, tuple[Endpoint, ...]], Side[FoundServer]] = {}

    def resolve(self, group: ConnectionGroup) -> Resolution | None:
        """What all connections of a group resolve to; None where each has to be looked at."""
        connection = standing_for(group)
        client = self._clients.get(group.clients)
        if client is None:
            client = self._clients[group.clients] = Side(
                self._resolver.client(connection),
                self._timeless.holds_clients(group.clients) and self._is_one(group.clients),
                not any(map(is_not_a_call, group.clients)),
            )
        ends = (group.protocol, group.servers)
        server = self._servers.get(ends)
        if server is None:
            addresses = [address for address, _ in group.servers]
            server = self._servers[ends] = Side(
                self._resolver.server(connection),
                self._timeless.holds_servers(*ends) and self._is_one(addresses),
                not any(map(is_not_a_call, addresses)),
            )
        if not (client.stands and server.stands):
            return None
        if not (client.is_call and server.is_call):
            return Unresolved(connection, NOT_A_CALL)
        return self._resolver.put_together(connection, client.found, server.found)

    def _is_one(self, addresses: Collection[bytes]) -> bool:
        """Whether these are one pod at most, as NAT leaves it."""
        return sum(address in self._snapshot.tenures for address in set(addresses)) < 2
