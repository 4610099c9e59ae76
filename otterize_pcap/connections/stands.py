"""Who stood at one side of connections, and the connections between two of them, counted."""

from typing import NamedTuple

from msgspec import Struct

from otterize_pcap.connections.rule import Rule
from otterize_pcap.connections.verdicts import ConnectionClass
from otterize_pcap.table.rows import Endpoint

EVERY, AT_ADDRESSES = 1, 2
"""Which connections of a group are wanted: all, or those at some addresses."""


class Stand(Struct, frozen=True):
    """Who was asked for at one side of connections, at a time between two changes there.

    `number` is its place in `GroupedConnections.stands`. `clients` and `servers` are endpoints,
    from where the connections began to where they ended; one of the two is empty, and the ports of
    clients are 0. The times, in ns, are those in which this side sent in one of the connections.
    `is_example` where it is one of several addresses of which nothing is known, and stands for all.
    """

    number: int
    protocol: int
    clients: tuple[Endpoint, ...]
    servers: tuple[Endpoint, ...]
    first_ns: int
    last_ns: int
    is_example: bool = False


class ConnectionGroup(NamedTuple):
    """Connections of one class between two stands, counted; it resolves as each of them does.

    `number` is its place in `GroupedConnections.groups`. `packets` and `bytes` are (to the server,
    to the client), each connection by its fullest leg. Times are ns with clock offsets removed.
    `file`, `packet` and `evidence_ns` show the earliest packet. Where groups were added up, `rules`
    are all that decided, each with its connections, and `kind` is that of the packet.

    It is a named tuple, since a capture can have a hundred thousand: a frozen dataclass takes seven
    times as long to make.
    """

    number: int
    kind: ConnectionClass
    client: Stand
    server: Stand
    connections: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    first_ns: int
    last_ns: int
    file: str
    packet: int
    evidence_ns: int
    rules: tuple[tuple[Rule, int], ...] = ()

    @property
    def protocol(self) -> int:
        """The IP protocol number."""
        return self.kind.protocol

    @property
    def rule(self) -> Rule:
        """The rule that decided the direction."""
        return self.kind.rule

    @property
    def outcome(self) -> str:
        """What came of each of them."""
        return self.kind.outcome

    @property
    def clients(self) -> tuple[Endpoint, ...]:
        """The clients' addresses from where the connections began to where they ended; no ports."""
        return self.client.clients

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The servers' endpoints from where the connections began to where they ended."""
        return self.server.servers
