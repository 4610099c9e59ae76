# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""How much later one node's clock showed a handshake than another's: `clocks.measure_offsets`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc

from otterize_pcap.connections._index cimport AHEAD, RowIndex
from otterize_pcap.connections._tuple_facts cimport HAS_HANDSHAKE
from otterize_pcap.table._row cimport NO_CLIENT, CRow


cdef class ClockDifferences:
    """The differences between the clocks of nodes.

    Args:
        index: The rows; its components are chained.
        nodes: Each table's node, as a number.
    """

    def __cinit__(self, RowIndex index, list nodes):
        self.index = index
        self.places = {}
        self.nodes = <uint32_t *>malloc((len(nodes) + 1) * sizeof(uint32_t))
        if self.nodes == NULL:
            raise MemoryError
        for place, node in enumerate(nodes):
            self.nodes[place] = node

    def __dealloc__(self):
        cdef uint32_t pair
        for pair in range(self.pairs):
            free(self.found[pair].ns)
        free(self.found)
        free(self.nodes)

    def look(self, uint32_t begin, uint32_t end):
        """Look at the components whose roots are in a range."""
        cdef uint32_t number
        with nogil:
            for number in range(begin, end):
                self.index.fetch(number + AHEAD)
                if self.index.tuple_[number].parent == number:
                    self._look_at(number)

    def medians(self):
        """{(lower node, higher node): ns}, the lower median of the handshakes that both recorded."""
        cdef CDifferences *found
        cdef uint32_t pair
        cdef dict told = {}
        for nodes, pair in self.places.items():
            found = &self.found[pair]
            with nogil:
                qsort(found.ns, found.count, sizeof(int64_t), in_order)
            told[nodes] = found.ns[(found.count - 1) // 2]
        return told

    cdef int take_over(self, ClockDifferences later) except -1:
        """Add what another one found."""
        cdef uint64_t at
        cdef uint32_t pair, place
        for (low, high), pair in later.places.items():
            place = self._pair_of(low, high)
            for at in range(later.found[pair].count):
                self._append(&self.found[place], later.found[pair].ns[at])
        return 0

    cdef int _look_at(self, uint32_t root) except -1 nogil:
        cdef uint32_t number = root, at
        cdef int one, other
        self.count = 0
        while True:
            if self.index.tuple_[number].flags & HAS_HANDSHAKE:
                at = self.index.tuple_[number].newest
                while at:
                    self._note(at - 1)
                    at = self.index.next_in_tuple[at - 1]
            if self.index.tuple_[number].next_ == 0:
                break
            number = self.index.tuple_[number].next_ - 1
        for one in range(self.count):
            for other in range(one + 1, self.count):
                if (self.seen[one].node != self.seen[other].node
                        and self.seen[one].client_isn == self.seen[other].client_isn
                        and self.seen[one].server_isn == self.seen[other].server_isn):
                    self._add(&self.seen[one], &self.seen[other])
        return 0

    cdef void _note(self, uint32_t number) noexcept nogil:
        """Keep when a node first showed a handshake; a component of very many counts in part."""
        cdef CRow room
        cdef const CRow *row = self.index.row(number, &room)
        cdef uint32_t node = self.nodes[self.index.table_of(number)]
        cdef int place
        if row.client == NO_CLIENT or not row.has_server_isn or not row.sides[row.client].syns:
            return
        for place in range(self.count):
            if (self.seen[place].node == node and self.seen[place].client_isn == row.client_isn
                    and self.seen[place].server_isn == row.server_isn):
                self.seen[place].first_ns = min(self.seen[place].first_ns, row.first_ns)
                return
        if self.count < MAX_SEEN:
            self.seen[self.count].client_isn = row.client_isn
            self.seen[self.count].server_isn = row.server_isn
            self.seen[self.count].node, self.seen[self.count].first_ns = node, row.first_ns
            self.count += 1

    cdef int _add(self, const CSeen *one, const CSeen *other) except -1 nogil:
        cdef CDifferences *found
        if one.node > other.node:
            one, other = other, one
        found = &self.found[self.latest] if self.pairs else NULL
        if found == NULL or found.low != one.node or found.high != other.node:
            with gil:
                self.latest = self._pair_of(one.node, other.node)
            found = &self.found[self.latest]
        return self._append(found, other.first_ns - one.first_ns)

    cdef int _append(self, CDifferences *found, int64_t difference_ns) except -1 nogil:
        cdef int64_t *ns
        if found.count == found.room:
            ns = <int64_t *>realloc(found.ns, (2 * found.room + 64) * sizeof(int64_t))
            if ns == NULL:
                raise MemoryError
            found.ns, found.room = ns, 2 * found.room + 64
        found.ns[found.count] = difference_ns
        found.count += 1
        return 0

    cdef uint32_t _pair_of(self, uint32_t low, uint32_t high) except? 0xFFFFFFFF:
        """The place of a pair of nodes in `found`, a new one where it is met first."""
        cdef CDifferences *found
        known = self.places.get((low, high))
        if known is not None:
            return known
        if self.pairs == self.pair_room:
            found = <CDifferences *>realloc(
                self.found, (<size_t>2 * self.pair_room + 16) * sizeof(CDifferences))
            if found == NULL:
                raise MemoryError
            self.found, self.pair_room = found, 2 * self.pair_room + 16
        found = &self.found[self.pairs]
        found.low, found.high, found.ns = low, high, NULL
        found.count = found.room = 0
        self.places[low, high] = self.pairs
        self.pairs += 1
        return self.pairs - 1


cdef int in_order(const void *one, const void *other) noexcept nogil:
    cdef int64_t a = (<const int64_t *>one)[0], b = (<const int64_t *>other)[0]
    return (a > b) - (a < b)
