"""What a whole capture shows of an endpoint: `_ends.pyx`, readable.

That it answered a handshake (S33), which ports its address calls from, that it served several
connections (S35), and whether it sent first in most of its UDP flows.
"""

from collections.abc import Sequence

from otterize_pcap.connections.component_index import IndexedRow, RowIndex
from otterize_pcap.connections.pieces import TableTimes
from otterize_pcap.connections.port_ranges import (
    ENOUGH_PORTS,
    SYSTEM,
    USUAL,
    WELL_KNOWN,
    PortFacts,
    Ranges,
    port_facts,
    zone_of,
)
from otterize_pcap.connections.shapes import EndFact
from otterize_pcap.connections.snapshot_answers import SnapshotAnswers
from otterize_pcap.packets.packet import CLIENT
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Endpoint, Row

ENOUGH_FLOWS = 3
"""Fewer flows than that have no majority."""
Ends = tuple[Endpoint, Endpoint]


class KnownEnds:
    """The endpoints of an index's rows.

    Args:
        index: All rows.
        answers: What the snapshot says: a Service's address calls nobody.
        times: Of each table.
        ranges: The ephemeral ports that nodes saved, by address.
    """

    def __init__(
        self,
        index: RowIndex,
        answers: SnapshotAnswers,
        times: Sequence[TableTimes],
        ranges: Ranges,
    ) -> None:
        self._index, self._answers, self._times, self._ranges = index, answers, times, ranges
        self._servers: set[tuple[int, Endpoint]] = set()
        self._shown: dict[bytes, list[set[int]]] = {}
        self._peers: dict[tuple[int, Endpoint], int] = {}
        self._votes: dict[tuple[int, Endpoint], list[int]] = {}
        numbers = range(len(index.tuples))
        for number in numbers:
            self._note_servers(number)
            self._note_shown(number)
            self._note_vote(number)
        for number in numbers:
            self._note_fixed(number)
        for number in numbers if self._peers else ():
            self._count_peers(number)

    def facts(self, protocol: int, endpoint: Endpoint) -> EndFact:
        """What is true of an endpoint, beside what the snapshot says."""
        facts = EndFact(0)
        if (protocol, endpoint) in self._servers:
            facts |= EndFact.ANSWERED
        if self._peers.get((protocol, endpoint), 0) > 1:
            facts |= EndFact.SHARED
        first, second = self._votes.get((protocol, endpoint), (0, 0))
        if first + second >= ENOUGH_FLOWS and first != second:
            facts |= EndFact.MOSTLY_CLIENT if first > second else EndFact.MOSTLY_SERVER
        return facts

    def port_facts(self, endpoint: Endpoint) -> PortFacts:
        """Whether its port is ephemeral."""
        address, port = endpoint
        shown = sum(
            (len(ports) >= ENOUGH_PORTS) << zone
            for zone, ports in enumerate(self._shown.get(address, ()))
        )
        return port_facts(port, self._ranges.get(address, USUAL), shown)

    def _note_servers(self, number: int) -> None:
        protocol, low, high = self._index.tuples[number]
        for indexed in self._index.rows_of(number):
            client = indexed.row.client
            if client is not None and indexed.row.server_isn is not None:
                self._servers.add((protocol, low if client else high))

    def _note_shown(self, number: int) -> None:
        """Note the port that a SYN or a DNS query came from; where one was answered, that one."""
        _, *ends = self._index.tuples[number]
        rows = [indexed.row for indexed in self._index.rows_of(number)]
        answered = {row.client for row in rows if row.server_isn is not None}
        for side in answered or set(map(_asking, rows)):
            if side is None:
                continue
            address, port = ends[side]
            zone = zone_of(port, self._ranges.get(address, USUAL))
            if zone != SYSTEM:
                self._shown.setdefault(address, [set(), set(), set()])[zone].add(port)

    def _note_vote(self, number: int) -> None:
        """Note who sent first in a UDP flow that was answered and began inside the capture.

        Where both ports are the same, both sides ask.
        """
        protocol, *ends = self._index.tuples[number]
        rows = self._index.rows_of(number)
        ports = [port for _, port in ends]
        if protocol != UDP or not rows or len({port < WELL_KNOWN for port in ports}) > 1:
            return
        answered = all(any(each.row.sides[side].packets for each in rows) for side in (0, 1))
        if not answered or ports[0] == ports[1]:
            return
        first = min(rows, key=self._order)
        if first.row.first_ns < self._times[first.table].settled_ns:
            return
        sender = first.row.first_sender
        for side in (0, 1):
            self._votes.setdefault((protocol, ends[side]), [0, 0])[side != sender] += 1

    def _order(self, indexed: IndexedRow) -> tuple[int, int, int, int]:
        times = self._times[indexed.table]
        return (
            indexed.row.first_ns - times.offset,
            times.ranks[indexed.row.part],
            indexed.row.number,
            indexed.number,
        )

    def _note_fixed(self, number: int) -> None:
        """Note the one fixed port of a 5-tuple of which a handshake is missing.

        One below 1024 needs no other connections to be a server's.
        """
        protocol, *ends = self._index.tuples[number]
        whole = all(
            indexed.row.client is not None and indexed.row.server_isn is not None
            for indexed in self._index.rows_of(number)
        )
        server = None if whole else self._only_fixed(ends[0], ends[1])
        if server is not None and ends[server][1] >= WELL_KNOWN:
            self._peers[protocol, ends[server]] = 0

    def _count_peers(self, number: int) -> None:
        protocol, *ends = self._index.tuples[number]
        if not {(protocol, end) for end in ends} & self._peers.keys():
            return
        if not any(_is_recorded(indexed.row) for indexed in self._index.rows_of(number)):
            return
        server = self._only_fixed(ends[0], ends[1])
        if server is None or self._answers.could_lead(protocol, ends[1 - server]):
            return
        if (protocol, ends[server]) in self._peers:
            self._peers[protocol, ends[server]] += 1

    def _only_fixed(self, low: Endpoint, high: Endpoint) -> int | None:
        """The side whose port alone is fixed."""
        one, other = self.port_facts(low), self.port_facts(high)
        fixed = one.is_fixed_beside(other), other.is_fixed_beside(one)
        return fixed.index(True) if fixed[0] != fixed[1] else None


def _asking(row: Row) -> int | None:
    """The side of a row that sent a SYN, or asked DNS."""
    if row.client is not None:
        return row.client
    for side in (0, 1):
        server = row.low if side else row.high
        if row.protocol == UDP and server[1] == DNS_PORT and row.sides[side].hints & CLIENT:
            return side
    return None


def _is_recorded(row: Row) -> bool:
    return any(side.packets or side.unreachable for side in row.sides)
