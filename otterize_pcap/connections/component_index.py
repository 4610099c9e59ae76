"""Rows of several tables → 5-tuples, and 5-tuples → components: `_index.pyx`, readable.

A component is a set of 5-tuples of which no row can be of one connection with a row outside it.
Too coarse is always right; what makes two 5-tuples one component is said where it is found out.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from otterize_pcap.connections.conntrack_flows import tuple5
from otterize_pcap.connections.legs import Tuple5
from otterize_pcap.table.rows import Endpoint, Row

MAX_SEEN = 64
Handshake = tuple[int, int]
"""Both initial sequence numbers."""


class IndexedRow(Struct, frozen=True):
    """A row, the place of its table, and its number through all tables."""

    row: Row
    table: int
    number: int


class RowIndex:
    """Every row of the tables that were added, by 5-tuple, and which 5-tuples belong together.

    `tuples` are the 5-tuples in the order in which they were met; their places are their numbers.
    """

    def __init__(self) -> None:
        self.tuples: list[Tuple5] = []
        self.left_out_packets = 0
        self._rows: list[list[IndexedRow]] = []
        self._numbers: dict[Tuple5, int] = {}
        self._parents: list[int] = []
        self._shown_isns: dict[tuple[int, int], list[int]] = {}
        self._count = 0

    def add(self, row: Row, table: int) -> None:
        """Add one row of a table."""
        number = self.number_of((row.protocol, row.low, row.high))
        self._rows[number].append(IndexedRow(row, table, self._count))
        self._count += 1

    def leave_out(self, row: Row) -> None:
        """Count the packets of a row that does not count (S25)."""
        self.left_out_packets += sum(side.packets for side in row.sides)

    def number_of(self, ends: Tuple5) -> int:
        """The number of a 5-tuple, a new one where it was not met; it may have no row."""
        number = self._numbers.setdefault(ends, len(self.tuples))
        if number == len(self.tuples):
            self.tuples.append(ends)
            self._rows.append([])
            self._parents.append(number)
        return number

    def find(self, protocol: int, one: Endpoint, other: Endpoint) -> int | None:
        """The number of the 5-tuple of two endpoints, None where it was not met."""
        return self._numbers.get(tuple5(protocol, one, other))

    def rows_of(self, number: int) -> Sequence[IndexedRow]:
        """The rows of a 5-tuple, as they were added."""
        return self._rows[number]

    def unite(self, one: int, other: int) -> None:
        """Put two 5-tuples into one component, whose number is the lower one."""
        one, other = self._root(one), self._root(other)
        self._parents[max(one, other)] = min(one, other)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def components(self) -> dict[int, list[int]]:
        """The 5-tuples of each component, by its number, which is the first of them."""
        found: dict[int, list[int]] = {}
        for number in range(len(self.tuples)):
            found.setdefault(self._root(number), []).append(number)
        return found

    def unite_by_isn(self, many: int) -> None:
        """Unite the 5-tuples of each client ISN, of one that is crowded the first `many`."""
        shown: dict[tuple[int, int], dict[int, None]] = {}
        for number, (protocol, _, _) in enumerate(self.tuples):
            for indexed in self._rows[number]:
                if indexed.row.client_isn is not None:
                    shown.setdefault((protocol, indexed.row.client_isn), {})[number] = None
        self._shown_isns = {isn: list(numbers) for isn, numbers in shown.items()}
        for numbers in self._shown_isns.values():
            for number in numbers[1:many]:
                self.unite(numbers[0], number)

    def is_crowded(self, protocol: int, isn: int, many: int) -> bool:
        """Whether more than `many` 5-tuples show a client ISN."""
        return len(self._shown_isns.get((protocol, isn), ())) > many

    def is_whole(self, number: int) -> bool:
        """Whether every row of a 5-tuple, which has some, shows a handshake."""
        rows = self._rows[number]
        return bool(rows) and all(indexed.row.client is not None for indexed in rows)

    def handshake_times(self, nodes: Sequence[int]) -> Iterator[dict[int, int]]:
        """For each handshake, by node, when it began; `nodes` are the tables' nodes.

        Of a component with very many, not all are told.
        """
        for members in self.components().values():
            times: dict[Handshake, dict[int, int]] = {}
            seen = 0
            for indexed in self._newest_first(members):
                began = _handshake(indexed.row)
                by_node = {} if began is None else times.setdefault(began, {})
                node, first_ns = nodes[indexed.table], indexed.row.first_ns
                if began is not None and (node in by_node or seen < MAX_SEEN):
                    seen += node not in by_node
                    by_node[node] = min(by_node.get(node, first_ns), first_ns)
            yield from times.values()

    def _newest_first(self, members: Sequence[int]) -> Iterator[IndexedRow]:
        """The rows of a component, those of its first 5-tuple before the others'."""
        for number in (members[0], *members[:0:-1]):
            yield from reversed(self._rows[number])


def _handshake(row: Row) -> Handshake | None:
    """Both sequence numbers of a row that shows a SYN and its answer."""
    if row.client is None or row.client_isn is None or row.server_isn is None:
        return None
    return (row.client_isn, row.server_isn) if row.sides[row.client].syns else None
