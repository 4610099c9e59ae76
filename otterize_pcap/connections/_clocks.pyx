# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""How much later one node's clock showed a handshake than another's: `clocks.measure_offsets`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

from otterize_pcap.connections._index cimport AHEAD, HAS_HANDSHAKE, RowIndex
from otterize_pcap.table._row cimport NO_CLIENT, CRow


cdef class ClockDifferences:
    """The differences between the clocks of nodes.

    Args:
        index: The rows; its components are chained.
        nodes: Each table's node, as a number.
    """

    def __cinit__(self, RowIndex index, list nodes):
        cdef uint32_t number
        self.index = index
        self.places = {}
        self.nodes = <uint32_t *>malloc((len(nodes) + 1) * sizeof(uint32_t))
        if self.nodes == NULL:
            raise MemoryError
        for place, node in enumerate(nodes):
            self.nodes[place] = node
        if len(set(nodes)) < 2:
            return
        for number in range(index.tuples):
            index.fetch(number + AHEAD)
            if index.tuple_[number].parent == number:
                self._look_at(number)

    def __dealloc__(self):
        cdef uint32_t pair
        for pair in range(self.pairs):
            free(self.found[pair].ns)
        free(self.found)
        free(self.nodes)

    def all(self):
        """{(lower node, higher node): ns}, a difference for each handshake that both recorded."""
        cdef uint64_t at
        cdef uint32_t pair
        cdef dict told = {}
        for nodes, pair in self.places.items():
            told[nodes] = [self.found[pair].ns[at] for at in range(self.found[pair].count)]
        return told

    cdef int _look_at(self, uint32_t root) except -1:
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

    cdef int _add(self, const CSeen *one, const CSeen *other) except -1:
        cdef CDifferences *found
        cdef int64_t *ns
        cdef uint32_t pair
        if one.node > other.node:
            one, other = other, one
        known = self.places.get((one.node, other.node))
        if known is None:
            if self.pairs == self.pair_room:
                found = <CDifferences *>realloc(
                    self.found, (<size_t>2 * self.pair_room + 16) * sizeof(CDifferences))
                if found == NULL:
                    raise MemoryError
                self.found, self.pair_room = found, 2 * self.pair_room + 16
            self.found[self.pairs].ns = NULL
            self.found[self.pairs].count = self.found[self.pairs].room = 0
            known = self.places[one.node, other.node] = self.pairs
            self.pairs += 1
        pair = known
        found = &self.found[pair]
        if found.count == found.room:
            ns = <int64_t *>realloc(found.ns, (2 * found.room + 64) * sizeof(int64_t))
            if ns == NULL:
                raise MemoryError
            found.ns, found.room = ns, 2 * found.room + 64
        found.ns[found.count] = other.first_ns - one.first_ns
        found.count += 1
        return 0
