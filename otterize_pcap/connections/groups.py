"""Tables → groups of plain connections, and the rows that are left to look at one by one.

Input: the compiled tables of one capture. A group stands for all its connections between the same
addresses to the same server port with the same outcome and rule of direction; each is plain, as
`_fast_grouping.pxi` and `_fast_datagrams.pxi` define it for TCP and UDP. The rows that are left go
through `legs` and `joined` as any other.
A million connections cost C a second this way, and Python as many steps as there are pairs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Protocol

from otterize_pcap.connections.clocks import relative_offsets
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.direction import Known, conntrack_originals
from otterize_pcap.connections.legs import Flow, Recording, Tuple5
from otterize_pcap.table.chunk import FAST_PATH
from otterize_pcap.table.rows import UDP, Endpoint, Row

if FAST_PATH:
    from otterize_pcap.table._fastpath import FastTable, PlainConnections


class SteadyAnswers(Protocol):
    """What grouping asks of a snapshot: answers that hold for the whole capture, or none."""

    def could_be_service(self, address: bytes) -> bool:
        """Whether a Service could answer on an address."""
        ...

    def served_ports(self, protocol: int, address: bytes) -> frozenset[int] | None:
        """The ports served on an address (S32); None where that changed meanwhile."""
        ...

    def backends(self, protocol: int, endpoint: Endpoint) -> tuple[bool, frozenset[Endpoint]]:
        """Whether a Service led to the same endpoints all the time, and all that it ever led to."""
        ...


@dataclass(frozen=True, slots=True)
class ConnectionGroup:
    """Connections alike in all that resolution asks for, counted.

    `number` is the group's own. `clients` are the addresses from where the connections began to
    where they ended, `servers` the endpoints; NAT adds one for each rewriting. `packets` and
    `bytes` are (to the server, to the client), each connection by its fullest leg. Times are ns
    with clock offsets removed. `file`, `packet` and `evidence_ns` show the earliest packet.
    """

    number: int
    protocol: int
    rule: str
    outcome: str
    clients: tuple[bytes, ...]
    servers: tuple[Endpoint, ...]
    connections: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    first_ns: int
    last_ns: int
    file: str
    packet: int
    evidence_ns: int


def standing_for(group: ConnectionGroup) -> Connection:
    """One connection that resolves as every connection of a group does; it has no legs."""
    return Connection(
        protocol=group.protocol,
        clients=tuple((address, 0) for address in group.clients),
        servers=group.servers,
        rule=group.rule,
        outcome=group.outcome,
        first_ns=group.first_ns,
        last_ns=group.last_ns,
        packets=group.packets,
        bytes=group.bytes,
        syns=0,
        legs=(),
    )


def compiled_tables(
    recordings: Iterable[Recording], held_by_pod: Callable[[bytes], bool]
) -> "list[FastTable] | None":
    """The recordings' tables, where all are compiled and no pod made one of their tunnels (S25)."""
    tables: list[FastTable] = []
    for recording in recordings:
        if not FAST_PATH or not isinstance(recording.table, FastTable):
            return None
        for path in recording.table.paths:
            if any(held_by_pod(end) for tunnel in path for end in (tunnel.low, tunnel.high)):
                return None
        tables.append(recording.table)
    return tables


class Grouping:
    """The plain connections of one capture's recordings.

    `offsets` are the clock offsets by node, in ns, as `clocks.measure_offsets` gives them.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        tables: "Sequence[FastTable]",
        ahead: Mapping[str, int] | None = None,
    ) -> None:
        self._recordings = recordings
        nodes = sorted({recording.node for recording in recordings})
        self._files = sorted({file for recording in recordings for file in recording.files})
        ranks = {file: rank for rank, file in enumerate(self._files)}
        self._plain = PlainConnections(
            list(tables),
            [nodes.index(recording.node) for recording in recordings],
            [[ranks[file] for file in recording.files] for recording in recordings],
        )
        differences = self._plain.clock_differences() if len(nodes) > 1 else {}
        self.offsets = relative_offsets(
            {
                (nodes[one], nodes[other]): median_low(found)
                for (one, other), found in differences.items()
            },
            nodes,
            ahead,
        )

    def alone(self, place: int) -> Iterator[Row]:
        """The rows of one recording that are a whole connection each, by the time they began.

        That holds where no Service and no conntrack entry can join them to others.
        """
        return self._plain.alone_rows(place)

    def crowded(self) -> list[Recording]:
        """The recordings with all other rows."""
        return [
            replace(recording, rows=tuple(self._plain.crowded_rows(place)))
            for place, recording in enumerate(self._recordings)
        ]

    def group(self, dumps: Iterable[Dump], answers: SteadyAnswers) -> list[ConnectionGroup]:
        """All groups."""
        entries = [entry for dump in dumps for entry in dump.entries]
        self._plain.group(
            [self.offsets.get(recording.node, 0) for recording in self._recordings],
            [recording.first_ns for recording in self._recordings],
            [
                (entry.protocol, entry.client, entry.target, entry.reply_to, entry.server)
                for entry in entries
                if entry.is_translated
            ],
            [
                (UDP, client, other)
                for entry in entries
                if entry.protocol == UDP
                for client, other in (
                    (entry.client, entry.target),
                    (entry.reply_to, entry.server),
                )
            ],
            [
                (entry.protocol, one, other)
                for entry in entries
                if entry.assured
                for one, other in ((entry.client, entry.target), (entry.reply_to, entry.server))
            ],
            answers,
        )
        return [
            ConnectionGroup(*found[:11], self._files[found[11]], *found[12:])
            for found in self._plain.grouped()
        ]

    def left(self, broken: Iterable[ConnectionGroup] = ()) -> list[Recording]:
        """The recordings with the rows that are in no group, or in a broken one."""
        numbers = {group.number for group in broken}
        return [
            Recording(
                recording.files,
                recording.node,
                tuple(self._plain.left_rows(place, numbers)),
                recording.first_ns,
            )
            for place, recording in enumerate(self._recordings)
        ]

    def shows(self, ends: Tuple5) -> bool:
        """Whether the captures hold a packet between two endpoints."""
        return self._plain.shows(*ends)

    def survey(self, flows: Collection[Flow], dumps: Sequence[Dump]) -> Known:
        """What direction asks of the whole capture, where `flows` are those that are left.

        The flows that `join` makes out of conntrack's entries are asked for as well.
        """
        ends = {(flow.protocol, flow.endpoint(side)) for flow in flows for side in (0, 1)}
        loose = {
            (flow.protocol, flow.endpoint(side))
            for flow in flows
            if flow.client is None
            for side in (0, 1)
        }
        tracked = {
            (entry.protocol, end)
            for dump in dumps
            for entry in dump.entries
            for end in (entry.client, entry.target, entry.reply_to, entry.server)
        }
        datagrams = {(protocol, end) for protocol, end in tracked if protocol == UDP}
        return Known(
            servers=frozenset(self._plain.servers(ends | tracked)),
            originals=conntrack_originals(dumps),
            peers=self._plain.peers(loose | datagrams),
        )
