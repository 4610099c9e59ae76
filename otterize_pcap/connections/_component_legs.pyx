# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Components → their legs by time, and where they can be cut: `piece_cuts` in C.

Endpoints are used again, so that one component can hold many connections in turn. A piece is what
lies between two pauses longer than any rule looks across.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc, qsort, realloc

from otterize_pcap.connections._cuts cimport Cuts
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._tuple_facts cimport protocol_of
from otterize_pcap.table._row cimport UDP, CRow


cdef int by_time(const void *one, const void *other) noexcept nogil:
    """Legs in `legs.leg_order`: time, file, packet. Their own number last: no two are equal."""
    cdef const CLeg *a = <const CLeg *>one
    cdef const CLeg *b = <const CLeg *>other
    if a.first_ns != b.first_ns:
        return -1 if a.first_ns < b.first_ns else 1
    if a.rank != b.rank:
        return -1 if a.rank < b.rank else 1
    if a.row.number != b.row.number:
        return -1 if a.row.number < b.row.number else 1
    if a.number != b.number:
        return -1 if a.number < b.number else 1
    return 0


cdef class ComponentLegs:
    """The legs of one capture's components, one component at a time.

    Args:
        index: The rows.
        times: What times of a table's rows mean.
        sightings: What conntrack says.
        limits: `shapes.Limits`.
    """

    def __cinit__(self, RowIndex index, TableTimes times, Sightings sightings, limits):
        self.index, self.times, self.sightings = index, times, sightings
        self.cuts = Cuts()
        self.limits.slack = limits.slack_ns
        self.limits.datagram_gap = limits.datagram_gap_ns
        self.limits.dump_slack = limits.dump_slack_ns
        self.limits.many = limits.many

    def __dealloc__(self):
        cdef uint32_t block
        free(self.leg)
        for block in range(SPARE_BLOCKS):
            free(self.spare[block])

    cdef int gather(self, uint32_t root) except -1 nogil:
        """Collect the legs of a component, in `legs.leg_order`; 0 where they are too many."""
        cdef uint32_t number = root
        self.root = root
        self.count = self.spared = 0
        self.has_sightings = self.is_bound = False
        self.protocol = protocol_of(&self.index.tuple_[root])
        while True:
            if self.sightings.first_of(number) != NULL:
                self.has_sightings = True
            if not self._gather_rows(number):
                return 0
            if self.index.tuple_[number].next_ == 0:
                break
            number = self.index.tuple_[number].next_ - 1
        if self.count > 12:
            qsort(self.leg, self.count, sizeof(CLeg), by_time)
        else:
            self._sort_few()
        return 1

    cdef int _gather_rows(self, uint32_t number) except -1 nogil:
        cdef uint32_t at = self.index.tuple_[number].newest, room
        cdef CLeg *leg
        cdef CRow *spare
        while at:
            if self.count == MAX_LEGS:
                return 0
            if self.count == self.room:
                room = 2 * self.room + 64
                leg = <CLeg *>realloc(self.leg, <size_t>room * sizeof(CLeg))
                if leg == NULL:
                    raise MemoryError
                self.leg, self.room = leg, room
            leg = &self.leg[self.count]
            spare = self._spare_row()
            leg.row = self.index.row(at - 1, spare)
            self.spared += leg.row == spare
            leg.number = at - 1
            leg.table = self.index.table_of(at - 1)
            leg.rank = self.times.ranks[leg.table][leg.row.part]
            leg.tuple_ = number
            leg.first_ns = leg.row.first_ns - self.times.offsets[leg.table]
            leg.last_ns = leg.row.last_ns - self.times.offsets[leg.table]
            self.count += 1
            at = self.index.next_in_tuple[at - 1]
        return 1

    cdef CRow *_spare_row(self) except NULL nogil:
        """Room for a row that is packed, which stays where it is until the next component."""
        cdef CRow **block = &self.spare[self.spared // SPARE_ROWS]
        if block[0] == NULL:
            block[0] = <CRow *>malloc(SPARE_ROWS * sizeof(CRow))
            if block[0] == NULL:
                with gil:
                    raise MemoryError
        return &block[0][self.spared % SPARE_ROWS]

    cdef void _sort_few(self) noexcept nogil:
        cdef uint32_t i
        cdef int64_t j
        cdef CLeg moved
        for i in range(1, self.count):
            moved = self.leg[i]
            j = <int64_t>i - 1
            while j >= 0 and by_time(&self.leg[j], &moved) > 0:
                self.leg[j + 1] = self.leg[j]
                j -= 1
            self.leg[j + 1] = moved

    cdef uint32_t piece_end(self, uint32_t begin) except 0 nogil:
        """Where the piece that begins with some leg ends: `piece_cuts.cuts`."""
        cdef int64_t last_ns = self.leg[begin].last_ns
        cdef uint32_t end = begin + 1, looked_at = begin, until = begin
        if self.has_sightings:
            return self.count
        while end < self.count:
            if self.leg[end].first_ns - last_ns > self.patience():
                if self.protocol == UDP:
                    return end
                # Most components have no pause at all.
                if not self.is_bound:
                    self.cuts.bind(self.leg, self.count, self.limits.slack)
                    self.is_bound = True
                while looked_at < end:
                    until = max(until, self.cuts.bound[looked_at].until)
                    looked_at += 1
                if until < end:
                    return end
            last_ns = max(last_ns, self.leg[end].last_ns)
            end += 1
        return end
