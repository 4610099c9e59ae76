"""Rows → connections, by shape: the readable reference for `_components.pyx`.

Rules run once a shape, in Python (`judge`); what they say is multiplied here. Without the compiled
part the same rules run on the same shapes this way, only slower.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

from otterize_pcap.connections.clocks import median_low
from otterize_pcap.connections.component_index import RowIndex
from otterize_pcap.connections.connection_groups import Groups, totals_of
from otterize_pcap.connections.conntrack_flows import tuple5
from otterize_pcap.connections.facts import SnapshotFacts
from otterize_pcap.connections.found_connections import Found, FoundConnection
from otterize_pcap.connections.known_ends import KnownEnds
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.connections.piece_cuts import PieceLeg
from otterize_pcap.connections.pieces import (
    NEVER,
    Pieces,
    TableTimes,
    ToldSighting,
)
from otterize_pcap.connections.port_ranges import Ranges
from otterize_pcap.connections.shape_writer import ShapeWriter
from otterize_pcap.connections.shapes import Limits
from otterize_pcap.connections.snapshot_answers import SnapshotAnswers
from otterize_pcap.connections.stands import EVERY
from otterize_pcap.connections.verdicts import Judged
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.table.chunk import Table
from otterize_pcap.table.rows import Endpoint, Row

Judge = Callable[[bytes], list[Judged]]
Tunnels = tuple[Tunnel, ...]


class Components:
    """The components of one capture's tables.

    Call `clock_differences`, `join` and `count`, in this order; after that the results can be read.

    Args:
        tables: The tables, which must stay as they are.
        believed: Whether what came through a tunnel path counts (S25).
        limits: The numbers that rules compare by.
    """

    def __init__(
        self, tables: Sequence[Table], believed: Callable[[Tunnels], bool], limits: Limits
    ) -> None:
        self._believed = believed
        self._limits = limits
        self._index = RowIndex()
        self._paths: dict[Tunnels, int] = {}
        self._tables = 0
        self._shapes: dict[bytes, list[Judged]] = {}
        self._found: list[Found] = []
        self._odd: list[PieceLeg] = []
        for table in tables:
            self.add_table(table)

    def add_table(self, table: Table) -> None:
        """Add a table, before anything is joined."""
        for row in table.rows():
            self._paths.setdefault(row.tunnels, len(self._paths))
            if self._believed(row.tunnels):
                self._index.add(row, self._tables)
            else:
                self._index.leave_out(row)
        self._tables += 1

    def path(self, table: int, number: int) -> Tunnels:
        """The tunnels of a path of a table."""
        del table
        return list(self._paths)[number]

    def is_crowded(self, protocol: int, isn: int) -> bool:
        """Whether more 5-tuples show a client ISN than one connection can have."""
        return self._index.is_crowded(protocol, isn, self._limits.many)

    @property
    def left_out_packets(self) -> int:
        """Packets of the rows that were left out."""
        return self._index.left_out_packets

    def shows(self, protocol: int, one: Endpoint, other: Endpoint) -> bool:
        """Whether the tables hold a row between two endpoints."""
        return self._index.find(protocol, one, other) is not None

    def clock_differences(self, nodes: Sequence[int]) -> dict[tuple[int, int], int]:
        """For each pair of nodes, how much later the second one's clock showed handshakes.

        Args:
            nodes: Each table's node, as a number.

        Returns:
            {(lower node, higher node): ns}, the median of the handshakes that both recorded.
        """
        self._index.unite_by_isn(self._limits.many)
        differences: dict[tuple[int, int], list[int]] = {}
        for seen in self._index.handshake_times(nodes) if len(set(nodes)) > 1 else ():
            order = sorted(seen)
            for place, one in enumerate(order):
                for other in order[place + 1 :]:
                    differences.setdefault((one, other), []).append(seen[other] - seen[one])
        return {nodes: median_low(found) for nodes, found in differences.items()}

    def join(  # noqa: PLR0913, PLR0917 - as the compiled one, called in one place
        self,
        offsets: Sequence[int],
        began: Sequence[int | None],
        ranks: Sequence[Sequence[int]],
        sightings: Sequence[ToldSighting],
        snapshot: SnapshotFacts,
        secret: bytes,
        ranges: Ranges,
        borders: Sequence[bytes] | None = None,
        within: tuple[int, int] | None = None,
    ) -> None:
        """Find what belongs together.

        Args:
            offsets: Each table's clock offset in ns.
            began: When each table's recording began, in ns by its own clock; None without packets.
            ranks: For each table, how each of its files sorts among all files by name.
            sightings: What conntrack says, times without the clock's offset.
            snapshot: What the snapshot says.
            secret: For the compiled part's hashes.
            ranges: The ephemeral ports that nodes saved, by address.
            borders: See `grouped.GroupedConnections`.
            within: The same, (first ns, last ns).
        """
        del secret
        self._answers = SnapshotAnswers(snapshot, borders)
        times = [
            TableTimes(
                offset,
                NEVER if first_ns is None else first_ns + self._limits.datagram_gap_ns,
                files,
            )
            for offset, first_ns, files in zip(offsets, began, ranks, strict=True)
        ]
        self._table_times = times
        self._pieces = Pieces(self._index, times)
        self._pieces.add_sightings(sightings)
        self._unite_by_services()
        self._known = KnownEnds(self._index, self._answers, times, ranges)
        self._writer = ShapeWriter(self._index, self._answers, self._known)
        self._groups = Groups(self._answers, within)

    def _unite_by_services(self) -> None:
        """Unite each 5-tuple of a Service with those of its client and what it leads to.

        Only what shows no handshake is joined so.
        """
        for number, (protocol, *ends) in enumerate(self._index.tuples):
            is_whole = self._index.is_whole(number)
            for end, client in (ends, ends[::-1]):
                for address, port, _, _ in self._answers.leads(protocol, end):
                    other = self._index.find(protocol, client, (address, port))
                    if other is not None and not (is_whole and self._index.is_whole(other)):
                        self._index.unite(number, other)

    def count(self, judge: Judge, list_them: bool = False) -> None:
        """Ask for a verdict on every shape, and count all connections into groups.

        Args:
            judge: Gives the connections of a shape; see `Verdicts`.
            list_them: Whether `listing` will be asked for; here everything is kept anyway.
        """
        del list_them
        for members in self._index.components().values():
            for legs, piece in self._pieces.of(members):
                shape = None if piece is None else self._writer.shape_of(piece)
                if piece is None or shape is None:
                    self._odd += legs
                    continue
                if shape not in self._shapes:
                    self._shapes[shape] = judge(shape)
                for judged in self._shapes[shape]:
                    totals = totals_of(piece, judged)
                    group = self._groups.group_of(judged, piece, totals)
                    self._groups.count(group, totals)
                    self._found.append(Found(piece, judged, totals, group))

    def shapes(self) -> int:
        """How many shapes were met."""
        return len(self._shapes)

    def has_odd_rows(self) -> bool:
        """Whether any row has no shape."""
        return bool(self._odd)

    def odd_rows(self, table: int) -> Iterator[Row]:
        """The rows of one table that have no shape, to be looked at as they are."""
        return (leg.row for leg in self._odd if leg.table == table)

    def facts(self, protocol: int, endpoint: Endpoint) -> tuple[int, int]:
        """`EndFact`s of an endpoint, without the snapshot's, and its encoded `PortFacts`."""
        return self._known.facts(protocol, endpoint), self._known.port_facts(endpoint).encoded

    def began_ns(self, protocol: int, one: Endpoint, other: Endpoint) -> int:
        """When the first packet between two endpoints came, of which there is one."""
        number = self._index.number_of(tuple5(protocol, one, other))
        return min(
            indexed.row.first_ns - self._table_times[indexed.table].offset
            for indexed in self._index.rows_of(number)
        )

    def stands(self) -> list[tuple[int, int, int]]:
        """For each stand (side, first_ns, last_ns): when the side sent in one connection then."""
        return self._groups.stands()

    def side(self, number: int) -> tuple[tuple[bytes, ...], int, tuple[Endpoint, ...], bool]:
        """`Groups.side`."""
        return self._groups.side(number)

    @property
    def groups(self) -> Groups:
        """All groups."""
        return self._groups

    def connections(self, wanted: bytes, addresses: Collection[bytes]) -> Iterator[FoundConnection]:
        """Each connection of some groups, those for which `wanted[group]` is not 0.

        Of a group for which it is `stands.AT_ADDRESSES`, those alone that have each of `addresses`.

        Yields:
            (group, clients' endpoints, servers', first_ns, last_ns, when each side sent, packets,
            bytes, syns, legs as (table, `Row`, first_ns, last_ns)).
        """
        for found in self._found:
            here = {address for address, _ in (*found.ends(1), *found.ends(2))}
            if wanted[found.group] == EVERY or (wanted[found.group] and here.issuperset(addresses)):
                totals = found.totals
                yield (
                    found.group,
                    found.ends(1),
                    found.ends(2),
                    totals.first_ns,
                    totals.last_ns,
                    totals.sent,
                    totals.packets,
                    totals.bytes,
                    totals.syns,
                    [(leg.table, leg.row, leg.first_ns, leg.last_ns) for leg in totals.legs],
                )

    def listing(
        self, kinds: Sequence[tuple[int, str, str]], files: Sequence[str]
    ) -> Iterator[ListedConnection]:
        """All connections by time, file and packet.

        Args:
            kinds: (protocol, rule, outcome) of each class.
            files: The files by their ranks.
        """
        for found in sorted(self._found, key=_listing_order):
            totals, first = found.totals, found.totals.legs[0]
            protocol, rule, outcome = kinds[found.judged[0]]
            yield ListedConnection(
                protocol,
                found.ends(1)[0],
                found.ends(2)[-1],
                rule,
                outcome,
                totals.syns,
                totals.packets,
                totals.bytes,
                totals.first_ns,
                totals.last_ns,
                tuple(tunnel.kind for tunnel in first.row.tunnels),
                files[first.rank],
                first.row.number,
            )


def _listing_order(found: Found) -> tuple[object, ...]:
    first = found.totals.legs[0]
    ends = found.ends(1)[0], found.ends(2)[-1]
    return found.totals.first_ns, first.rank, first.row.number, *ends
