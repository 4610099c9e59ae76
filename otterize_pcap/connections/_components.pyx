# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Rows of compiled tables → connections, by shape: `components.Components` in C.

Rules run once a shape, in Python (`judge`); what they say is multiplied here. A million connections
cost C about a second this way, and Python as many steps as there are shapes and groups.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._clocks cimport ClockDifferences
from otterize_pcap.connections._ends cimport KnownEnds
from otterize_pcap.connections._groups cimport Groups
from otterize_pcap.connections._index cimport (
    AHEAD,
    NOTHING,
    RowIndex,
    protocol_of,
)
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.connections._pieces cimport (
    CEnd,
    Pieces,
    bare_row,
    compare_ends,
    end_of,
    packed_end,
)
from otterize_pcap.connections._services cimport ServiceUnion
from otterize_pcap.connections._shapes cimport END_FACTS_SHIFT, ShapeWriter
from otterize_pcap.connections._sums cimport CTotals, LegSums
from otterize_pcap.connections._verdicts cimport OTHERS, CJudged, CVerdict, Verdicts
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport CRow
from otterize_pcap.table._row cimport address as address_bytes

from otterize_pcap.connections.listed import ListedConnection

# `ListedConnection._make` without its check of the length.
new_tuple = tuple.__new__

# One connection of a listing: what is written of it, and by what it is sorted.
cdef struct CListed:
    CTotals totals
    CEnd client
    CEnd server
    uint32_t class_
    uint32_t table
    uint64_t number
    uint32_t rank
    uint32_t path


cdef class Components:
    """The components of one capture's tables.

    Call `clock_differences`, `join` and `count`, in this order; after that the results can be read in any order.

    Args:
        tables: `FastTable`s, which must stay as they are.
        believed: Whether what came through a tunnel path counts (S25).
        limits: `shapes.Limits`.
    """

    cdef RowIndex index
    cdef Pieces pieces
    cdef Answers answers
    cdef KnownEnds known
    cdef ShapeWriter shape
    cdef Verdicts verdicts
    cdef Groups groups
    cdef LegSums sums
    cdef object believed
    cdef object limits
    cdef uint64_t secret
    cdef uint32_t *odd
    cdef uint64_t odd_count
    cdef uint64_t odd_room
    cdef CListed *listed
    cdef uint64_t listed_count
    cdef uint64_t listed_room

    def __cinit__(self, list tables, believed, limits):
        self.index = RowIndex()
        self.believed = believed
        self.limits = limits
        self.sums = LegSums()
        for table in tables:
            self.add_table(table)

    def __dealloc__(self):
        free(self.odd)
        free(self.listed)

    def add_table(self, FastTable table):
        """Add a table, before anything is joined."""
        self.index.add(table, [
            number for number, path in enumerate(table.path_tunnels) if not self.believed(path)
        ])

    def path(self, uint32_t table, uint32_t number):
        """The tunnels of a path of a table."""
        cdef FastTable rows = self.index.tables[table]
        return rows.path_tunnels[number]

    def is_crowded(self, uint32_t protocol, uint32_t isn):
        """Whether more 5-tuples show a client ISN than one connection can have."""
        return self.index.is_crowded(protocol, isn, self.limits.many)

    @property
    def left_out_packets(self):
        """Packets of the rows that were left out."""
        return self.index.left_out_packets

    def shows(self, uint32_t protocol, one, other):
        """Whether the tables hold a row between two endpoints."""
        cdef CRow row
        cdef CEnd ends[2]
        ends[0], ends[1] = packed_end(one), packed_end(other)
        bare_row(&row, protocol, &ends[0], &ends[1])
        return self.index.find(&row) != NOTHING

    def clock_differences(self, list nodes):
        """For each pair of nodes, how much later the second one's clock showed a handshake.

        Args:
            nodes: Each table's node, as a number.

        Returns:
            {(lower node, higher node): ns}, a difference for each handshake that both recorded.
        """
        self.index.unite_by_isn(self.limits.many)
        self.index.chain_components()
        try:
            return ClockDifferences(self.index, nodes).all()
        finally:
            self.index.unchain_components()

    def join(
        self, list offsets, list began, list ranks, list sightings, snapshot, bytes secret, ranges
    ):
        """Find what belongs together.

        Args:
            offsets: Each table's clock offset in ns.
            began: When each table's recording began, in ns by its own clock; None without packets.
            ranks: For each table, how each of its files sorts among all files by name.
            sightings: What conntrack says, each a `pieces.ToldSighting`.
            snapshot: `facts.SnapshotFacts`.
            secret: At least 40 bytes that whoever wrote the capture does not know.
            ranges: The ephemeral ports that nodes saved, by address.
        """
        self.secret = int.from_bytes(secret[32:40], "little")
        self.answers = Answers(snapshot, secret)
        self.pieces = Pieces(self.index, offsets, began, ranks, self.limits)
        self.pieces.add_sightings(sightings)
        ServiceUnion(self.index, self.answers, self.secret)
        self.index.chain_components()
        self.known = KnownEnds(self.index, self.answers, self.pieces, self.limits, ranges)
        self.shape = ShapeWriter(self.pieces, self.answers, self.known, self.limits)
        self.groups = Groups(self.answers, self.secret)

    def count(self, judge, bint list_them=False):
        """Ask for a verdict on every shape, and count all connections into groups.

        Args:
            judge: Gives the connections of a shape; see `Verdicts`.
            list_them: Whether to note each connection, for `listing`.
        """
        cdef uint32_t root, begin, end
        cdef const CVerdict *verdict
        cdef CJudged *judged
        cdef CTotals totals
        cdef uint32_t at, group
        self.verdicts = Verdicts(judge, self.secret)
        for root in range(self.index.tuples):
            self.index.fetch(root + AHEAD)
            if self.index.parent[root] != root:
                continue
            if not self.pieces.gather(root):
                self._add_odd_component(root)
                continue
            begin = 0
            while begin < self.pieces.gathered_count:
                end = self.pieces.piece_end(begin)
                if not (self.pieces.take(begin, end) and self.shape.write()):
                    self._add_odd(begin, end)
                else:
                    verdict = self.verdicts.of(self.shape.out, self.shape.length)
                    for at in range(verdict.first, verdict.first + verdict.count):
                        judged = &self.verdicts.judged[at]
                        self.sums.add_up(
                            self.pieces.leg, self.pieces.legs, judged.side, &totals)
                        group = self.groups.group_of(
                            judged, self.pieces.protocol, self.pieces.end, self.shape.numbers,
                            &totals)
                        self.groups.count(group, &totals)
                        if list_them:
                            self._list(judged, &totals)
                begin = end

    cdef int _add_odd(self, uint32_t begin, uint32_t end) except -1:
        cdef uint32_t *odd
        cdef uint32_t i
        if self.odd_count + end - begin > self.odd_room:
            odd = <uint32_t *>realloc(
                self.odd, (2 * self.odd_room + end - begin) * sizeof(uint32_t))
            if odd == NULL:
                raise MemoryError
            self.odd, self.odd_room = odd, 2 * self.odd_room + end - begin
        for i in range(begin, end):
            self.odd[self.odd_count] = self.pieces.gathered[i].number
            self.odd_count += 1
        return 0

    cdef int _add_odd_component(self, uint32_t root) except -1:
        """Leave every row of a component that is too large to gather."""
        cdef uint32_t number = root, at
        cdef uint32_t *odd
        while True:
            at = self.index.newest[number]
            while at:
                if self.odd_count == self.odd_room:
                    odd = <uint32_t *>realloc(
                        self.odd, (2 * self.odd_room + 64) * sizeof(uint32_t))
                    if odd == NULL:
                        raise MemoryError
                    self.odd, self.odd_room = odd, 2 * self.odd_room + 64
                self.odd[self.odd_count] = at - 1
                self.odd_count += 1
                at = self.index.next_in_tuple[at - 1]
            if self.index.next_in_component[number] == 0:
                return 0
            number = self.index.next_in_component[number] - 1

    cdef int _list(self, const CJudged *judged, const CTotals *totals) except -1:
        cdef CListed *listed
        if self.listed_count == self.listed_room:
            listed = <CListed *>realloc(
                self.listed, (2 * self.listed_room + 1024) * sizeof(CListed))
            if listed == NULL:
                raise MemoryError
            self.listed, self.listed_room = listed, 2 * self.listed_room + 1024
        listed = &self.listed[self.listed_count]
        listed.totals = totals[0]
        listed.class_ = judged.class_
        listed.client = self.pieces.end[judged.client[0]]
        listed.server = self.pieces.end[judged.server[judged.servers - 1]]
        listed.table, listed.rank = totals.first.table, totals.first.rank
        listed.number = totals.first.row.number
        listed.path = (totals.first.row.key.word[4] >> 8) & 0xFFFFFF
        self.listed_count += 1
        return 0

    def shapes(self):
        """How many shapes were met."""
        return len(self.verdicts)

    def odd_rows(self, uint32_t table):
        """The rows of one table that have no shape, to be looked at as they are."""
        cdef uint64_t at
        cdef FastTable rows = self.index.tables[table]
        for at in range(self.odd_count):
            if self.index.table_of(self.odd[at]) == table:
                yield rows._as_row(self.index.row(self.odd[at]))

    def has_odd_rows(self):
        """Whether there is any."""
        return self.odd_count > 0

    def facts(self, uint32_t protocol, endpoint):
        """`EndFact`s of an endpoint, without the snapshot's, and its encoded `PortFacts`."""
        cdef CEnd end = packed_end(endpoint)
        return self.known.facts(protocol, &end) << END_FACTS_SHIFT, self.known.port_facts(&end)

    def began_ns(self, uint32_t protocol, one, other):
        """When the first packet between two endpoints came, of which there is one."""
        cdef CRow row
        cdef CEnd ends[2]
        cdef uint32_t at
        cdef int64_t time_ns, first_ns = 0x7FFFFFFFFFFFFFFF
        ends[0], ends[1] = packed_end(one), packed_end(other)
        bare_row(&row, protocol, &ends[0], &ends[1])
        at = self.index.newest[self.index.find(&row)]
        while at:
            time_ns = self.index.row(at - 1).first_ns - self.pieces.offsets[
                self.index.table_of(at - 1)]
            first_ns = min(first_ns, time_ns)
            at = self.index.next_in_tuple[at - 1]
        return first_ns

    def stands(self):
        """`Groups.all_stands`."""
        return self.groups.all_stands()

    def side(self, uint32_t number):
        """`Groups.side`."""
        return self.groups.side(number)

    def counted(self):
        """`Groups.all_groups`."""
        return self.groups.all_groups()

    def connections(self, wanted):
        """Each connection of some groups, those for which `wanted[group]` is true.

        Yields:
            (group, clients' endpoints, servers', first_ns, last_ns, when each side sent, packets,
            bytes, syns, legs as (table, `Row`, first_ns, last_ns)).
        """
        cdef const uint8_t[::1] flags = wanted
        cdef uint32_t root, begin, end, at, group, i
        cdef const CVerdict *verdict
        cdef CJudged *judged
        cdef CTotals totals
        cdef CLeg *leg
        cdef FastTable rows
        cdef list legs
        for root in range(self.index.tuples):
            if self.index.parent[root] != root or not self.pieces.gather(root):
                continue
            begin = 0
            while begin < self.pieces.gathered_count:
                end = self.pieces.piece_end(begin)
                if self.pieces.take(begin, end) and self.shape.write():
                    verdict = self.verdicts.of(self.shape.out, self.shape.length)
                    found = []
                    for at in range(verdict.first, verdict.first + verdict.count):
                        judged = &self.verdicts.judged[at]
                        self.sums.add_up(
                            self.pieces.leg, self.pieces.legs, judged.side, &totals)
                        group = self.groups.group_of(
                            judged, self.pieces.protocol, self.pieces.end, self.shape.numbers,
                            &totals)
                        if not flags[group]:
                            continue
                        legs = []
                        for i in range(self.pieces.legs):
                            leg = &self.pieces.leg[i]
                            if judged.side[leg.place] != OTHERS:
                                rows = self.index.tables[leg.table]
                                legs.append((
                                    leg.table, rows._as_row(leg.row), leg.first_ns, leg.last_ns))
                        found.append((
                            group,
                            self._ends(judged.client, judged.clients),
                            self._ends(judged.server, judged.servers),
                            totals.first_ns, totals.last_ns,
                            tuple([
                                (totals.sent[i].first_ns, totals.sent[i].last_ns)
                                for i in range(2)]),
                            (totals.packets[0], totals.packets[1]),
                            (totals.bytes[0], totals.bytes[1]), totals.syns, legs,
                        ))
                    # What is at hand changes while the caller looks at what it was given.
                    yield from found
                begin = end
                if not self._gather_again(root):
                    break

    cdef bint _gather_again(self, uint32_t root) except *:
        """Have a component at hand that a generator's caller may have put another one in place of."""
        return self.pieces.root == root or self.pieces.gather(root)

    cdef tuple _ends(self, const uint8_t *places, int count):
        cdef list ends = []
        cdef int place
        cdef CEnd *end
        for place in range(count):
            end = &self.pieces.end[places[place]]
            ends.append((address_bytes(end.high, end.low), end.port))
        return tuple(ends)

    def listing(self, list kinds, list files):
        """All connections of `count(…, list_them=True)` by time, file and packet.

        Args:
            kinds: (protocol, rule, outcome) of each class.
            files: The files by their ranks.
        """
        cdef uint64_t at
        cdef CListed *listed
        cdef dict addresses = {}, tunnels = {}
        cdef tuple kind
        qsort(self.listed, self.listed_count, sizeof(CListed), by_time)
        for at in range(self.listed_count):
            listed = &self.listed[at]
            kind = kinds[listed.class_]
            path = tunnels.get((listed.table, listed.path))
            if path is None:
                path = tuple([tunnel.kind for tunnel in self.path(listed.table, listed.path)])
                tunnels[listed.table, listed.path] = path
            yield new_tuple(ListedConnection, (
                kind[0],
                (interned(addresses, &listed.client), listed.client.port),
                (interned(addresses, &listed.server), listed.server.port),
                kind[1], kind[2], listed.totals.syns,
                (listed.totals.packets[0], listed.totals.packets[1]),
                (listed.totals.bytes[0], listed.totals.bytes[1]),
                listed.totals.first_ns, listed.totals.last_ns, path, files[listed.rank],
                listed.number,
            ))


cdef bytes interned(dict known, const CEnd *end):
    """The bytes of an address, one object however often it comes."""
    cdef tuple key = (end.high, end.low)
    found = known.get(key)
    if found is None:
        found = known[key] = address_bytes(end.high, end.low)
    return found


cdef int by_time(const void *one, const void *other) noexcept nogil:
    cdef const CListed *a = <const CListed *>one
    cdef const CListed *b = <const CListed *>other
    cdef int order
    if a.totals.first_ns != b.totals.first_ns:
        return -1 if a.totals.first_ns < b.totals.first_ns else 1
    if a.rank != b.rank:
        return -1 if a.rank < b.rank else 1
    if a.number != b.number:
        return -1 if a.number < b.number else 1
    order = compare_ends(&a.client, &b.client)
    return order if order else compare_ends(&a.server, &b.server)
