# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Rows of compiled tables → connections, by shape: `components.Components` in C.

Rules run once a shape, in Python (`judge`); what they say is multiplied here. A million connections
cost C about a second this way, and Python as many steps as there are shapes and groups.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._client_isns cimport ClientIsns
from otterize_pcap.connections._clocks cimport ClockDifferences
from otterize_pcap.connections._component_legs cimport ComponentLegs
from otterize_pcap.connections._counting cimport SEVERAL, Counter
from otterize_pcap.connections._described cimport described
from otterize_pcap.connections._endpoint cimport CEnd, key_between, packed_end
from otterize_pcap.connections._ends cimport KnownEnds
from otterize_pcap.connections._index cimport NOTHING, RowIndex
from otterize_pcap.connections._services cimport ServiceUnion
from otterize_pcap.connections._shapes cimport END_FACTS_SHIFT
from otterize_pcap.connections._sightings cimport Sightings
from otterize_pcap.connections._sums cimport CTotals
from otterize_pcap.connections._table_times cimport TableTimes
from otterize_pcap.connections._verdicts cimport CJudged, CVerdict
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport CRow, Key

from otterize_pcap.connections.stands import EVERY

cdef enum:
    MAX_ASKED = 2


def run_beside(runs):
    """Call functions, all but the first in threads; `runs` has the arguments behind each."""
    (run, *arguments), *others = runs
    if not others:
        run(*arguments)
        return
    # With logging that it brings along, this takes 5 ms.
    from otterize_pcap.crew import Crew
    with Crew(len(others)) as crew:
        waiting = [crew.submit(*each) for each in others]
        run(*arguments)
        for each in waiting:
            each.result()


cdef class Components:
    """The components of one capture's tables.

    Call `clock_differences`, `join` and `count`, in this order; then the results can be read.

    Args:
        tables: `FastTable`s, which must stay as they are.
        believed: Whether what came through a tunnel path counts (S25).
        limits: `shapes.Limits`.
        threads: How many look at components at once, where there are enough of them.
    """

    cdef uint32_t threads
    cdef RowIndex index
    cdef ClientIsns isns
    cdef TableTimes times
    cdef Sightings sightings
    cdef Answers answers
    cdef KnownEnds known
    cdef Counter counter
    cdef object believed
    cdef object limits
    cdef object within
    cdef uint64_t secret
    cdef uint32_t *group_at

    def __cinit__(self, list tables, believed, limits, threads=1):
        self.index = RowIndex()
        self.threads = threads
        self.believed = believed
        self.limits = limits
        self.index.expect(tables)
        for table in tables:
            self.add_table(table)

    def __dealloc__(self):
        free(self.group_at)

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
        return self.isns.is_crowded(protocol, isn)

    @property
    def left_out_packets(self):
        """Packets of the rows that were left out."""
        return self.index.left_out_packets

    def shows(self, uint32_t protocol, one, other):
        """Whether the tables hold a row between two endpoints."""
        cdef Key key = key_between(protocol, one, other)
        return self.index.find(&key) != NOTHING

    def clock_differences(self, list nodes):
        """For each pair of nodes, how much later the second one's clock showed handshakes.

        Args:
            nodes: Each table's node, as a number.

        Returns:
            {(lower node, higher node): ns}, the median of the handshakes that both recorded.
        """
        cdef ClockDifferences first, other
        self.isns = ClientIsns(self.index, self.limits.many)
        if len(set(nodes)) < 2:
            return {}
        self.index.chain_components()
        ranges = self.index.ranges(self.threads)
        found = [ClockDifferences(self.index, nodes) for _ in ranges]
        run_beside([(each.look, *range_) for each, range_ in zip(found, ranges)])
        first = found[0]
        for other in found[1:]:
            first.take_over(other)
        self.index.unchain_components()
        return first.medians()

    def join(
        self, list offsets, list began, list ranks, list sightings, snapshot, bytes secret, ranges,
        borders=None, within=None,
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
            borders: See `grouped.GroupedConnections`.
            within: The same, (first ns, last ns).
        """
        self.secret = int.from_bytes(secret[32:40], "little")
        self.answers = Answers(snapshot, secret, borders)
        self.times = TableTimes(offsets, began, ranks, self.limits.datagram_gap_ns)
        self.sightings = Sightings(self.index, sightings)
        if self.index.pieces_for(self.threads) > 1:
            # Nothing changes there from now on, so that threads can ask.
            self.answers.know(ranges)
            self.answers.learn_all(self.index.tuple_, self.index.tuples)
            run_beside([
                (ServiceUnion, self.index, self.answers, self.secret), (self._know_ends, ranges)])
        else:
            ServiceUnion(self.index, self.answers, self.secret)
            self._know_ends(ranges)
        self.index.chain_components()
        self.within = within

    def count(self, judge, bint list_them=False):
        """Ask for a verdict on every shape, and count all connections into groups.

        Args:
            judge: Gives the connections of a shape; see `Verdicts`. Any thread may call it.
            list_them: Whether to note each connection, for `listing`.
        """
        cdef list ranges = self.index.ranges(self.threads), counters
        cdef Counter other
        self.group_at = <uint32_t *>calloc(<size_t>self.index.tuples + 1, sizeof(uint32_t))
        if self.group_at == NULL:
            raise MemoryError
        counters = [self._new_counter(judge) for _ in ranges]
        self.counter = counters[0]
        run_beside([
            (counter.count, *range_, list_them) for counter, range_ in zip(counters, ranges)])
        for other, (begin, end) in zip(counters[1:], ranges[1:]):
            self.counter.take_over(other, begin, end)

    def _know_ends(self, ranges):
        self.known = KnownEnds(self.index, self.answers, self.times, self.limits, ranges)

    cdef Counter _new_counter(self, judge):
        cdef ComponentLegs component = ComponentLegs(
            self.index, self.times, self.sightings, self.limits)
        cdef Counter made = Counter(
            component, self.answers, self.known, self.isns, self.limits, judge, self.secret,
            self.within)
        made.group_at = self.group_at
        return made

    def shapes(self):
        """How many shapes were met."""
        return len(self.counter.verdicts)

    def odd_rows(self, uint32_t table):
        """The rows of one table that have no shape, to be looked at as they are."""
        return self.counter.odd.of(table)

    def has_odd_rows(self):
        """Whether there is any."""
        return self.counter.odd.count > 0

    def facts(self, uint32_t protocol, endpoint):
        """`EndFact`s of an endpoint, without the snapshot's, and its encoded `PortFacts`."""
        cdef CEnd end = packed_end(endpoint)
        return (
            self.known.facts(protocol, &end) << END_FACTS_SHIFT,
            self.known.port_facts(self.answers.number_of(end.high, end.low), end.port),
        )

    def began_ns(self, uint32_t protocol, one, other):
        """When the first packet between two endpoints came, of which there is one."""
        cdef Key key = key_between(protocol, one, other)
        cdef uint32_t at
        cdef CRow room
        cdef int64_t time_ns, first_ns = 0x7FFFFFFFFFFFFFFF
        at = self.index.tuple_[self.index.find(&key)].newest
        while at:
            time_ns = self.index.row(at - 1, &room).first_ns - self.times.offsets[
                self.index.table_of(at - 1)]
            first_ns = min(first_ns, time_ns)
            at = self.index.next_in_tuple[at - 1]
        return first_ns

    def stands(self):
        """`Groups.all_stands`."""
        return self.counter.groups.all_stands()

    def side(self, uint32_t number):
        """`Groups.side`."""
        return self.counter.groups.side(number)

    @property
    def groups(self):
        """The `Groups`."""
        return self.counter.groups

    def connections(self, wanted, addresses):
        """Each connection of some groups, those for which `wanted[group]` is not 0.

        Of a group for which it is `stands.AT_ADDRESSES`, those alone that have each of `addresses`,
        `MAX_ASKED` at most.

        Yields:
            (group, clients' endpoints, servers', first_ns, last_ns, when each side sent, packets,
            bytes, syns, legs as (table, `Row`, first_ns, last_ns)).
        """
        cdef const uint8_t[::1] flags = wanted
        cdef uint32_t root, begin, end, at, group
        cdef uint32_t asked[MAX_ASKED]
        cdef int asked_count = 0, every = EVERY
        cdef CEnd endpoint
        cdef const CVerdict *verdict
        cdef CJudged *judged
        cdef CTotals totals
        cdef Counter by = self.counter
        if len(addresses) > MAX_ASKED:
            raise ValueError(f"more than {MAX_ASKED} addresses")
        for address in addresses:
            endpoint = packed_end((address, 0))
            asked[asked_count] = self.answers.number_of(endpoint.high, endpoint.low)
            asked_count += 1
        for root in range(self.index.tuples):
            # Most components are of one group: to find a few of a million connections takes 10 ms.
            if self.group_at[root] == 0 or (
                    self.group_at[root] != SEVERAL and not flags[self.group_at[root] - 1]):
                continue
            if not by.component.gather(root):
                continue
            begin = 0
            while begin < by.component.count:
                end = by.component.piece_end(begin)
                verdict = by.verdict(begin, end)
                begin = end
                found = []
                for at in range(verdict.count if verdict else 0):
                    judged = &by.verdicts.judged[verdict.first + at]
                    group = by.add_up(judged, &totals)
                    if flags[group] == every or (
                            flags[group] and by.is_at(judged, asked, asked_count)):
                        found.append((group, *described(by.pieces, judged, &totals)))
                # What is at hand changes while the caller looks at what it was given.
                yield from found
                if by.component.root != root and not by.component.gather(root):
                    break

    def listing(self, list kinds, list files):
        """`Listing.by_time` of `count(…, list_them=True)`."""
        return self.counter.listed.by_time(kinds, files)
