# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What a whole capture shows of an endpoint: that it answered a handshake (S33), or had peers (S35).

`direction.survey` says the same of flows. Only endpoints that those rules can ask for are kept:
servers of handshakes, and fixed ports of 5-tuples that show no whole handshake.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from otterize_pcap.connections._index cimport (
    AHEAD,
    HIGH_ANSWERED,
    IS_INCOMPLETE,
    IS_RECORDED,
    LOW_ANSWERED,
    RowIndex,
    protocol_of,
)
from otterize_pcap.connections._pieces cimport CEnd, compare_ends, end_of
from otterize_pcap.table._row cimport CRow, Key
from otterize_pcap.table._rows cimport hash_key


cdef class KnownEnds:
    """The endpoints of an index's rows; `limits` are `shapes.Limits`."""

    def __cinit__(self, RowIndex index, limits):
        cdef uint32_t number
        self.index = index
        self.ephemeral_first = limits.ephemeral.start
        self.ephemeral_end = limits.ephemeral.stop
        self.bits = 8
        self.slots = <KnownEnd *>calloc(1 << 8, sizeof(KnownEnd))
        if self.slots == NULL:
            raise MemoryError
        for number in range(index.tuples):
            index.fetch(number + AHEAD)
            self._note_servers(number)
        for number in range(index.tuples if self.asks else 0):
            index.fetch(number + AHEAD)
            self._count_peers(number)

    def __dealloc__(self):
        free(self.slots)

    cdef int _note_servers(self, uint32_t number) except -1:
        """Note the servers of a 5-tuple's handshakes, or its fixed ports where one is missing."""
        cdef const CRow *row = self.index.shown_by(number)
        cdef uint8_t flags = self.index.flags[number]
        cdef CEnd end
        cdef int side
        for side in range(2):
            end_of(row, side, &end)
            if flags & (HIGH_ANSWERED if side else LOW_ANSWERED):
                self._note(protocol_of(row), &end, IS_SERVER)
            if flags & IS_INCOMPLETE and not self.is_ephemeral(end.port):
                self._note(protocol_of(row), &end, HAS_PEERS)
                self.asks = True
        return 0

    cdef void _count_peers(self, uint32_t number) noexcept nogil:
        """Count, up to two, the recorded 5-tuples of an endpoint."""
        cdef const CRow *row
        cdef CEnd low, high
        cdef KnownEnd *known
        if not self.index.flags[number] & IS_RECORDED:
            return
        row = self.index.shown_by(number)
        end_of(row, 0, &low)
        end_of(row, 1, &high)
        if not self.is_ephemeral(low.port):
            known = self.find(protocol_of(row), &low)
            known.peers = min(known.peers + 1, <uint32_t>2) if known.facts else 0
        if not self.is_ephemeral(high.port) and compare_ends(&low, &high):
            known = self.find(protocol_of(row), &high)
            known.peers = min(known.peers + 1, <uint32_t>2) if known.facts else 0

    cdef uint32_t facts(self, uint32_t protocol, const CEnd *end) noexcept nogil:
        """`IS_SERVER` and `HAS_PEERS` of an endpoint."""
        cdef KnownEnd *known
        cdef uint32_t facts
        if self.count == 0:
            return 0
        known = self.find(protocol, end)
        facts = known.facts & IS_SERVER
        if known.facts & HAS_PEERS and known.peers > 1:
            facts |= HAS_PEERS
        return facts

    cdef KnownEnd *find(self, uint32_t protocol, const CEnd *end) noexcept nogil:
        """The slot of an endpoint, or an empty one."""
        cdef Key key
        cdef uint64_t mask = (<uint64_t>1 << self.bits) - 1, place
        key.word[0], key.word[1] = end.high, end.low
        key.word[2] = key.word[3] = key.word[5] = 0
        key.word[4] = <uint64_t>protocol << 32 | end.port
        place = hash_key(self.index.hasher, &key) >> (64 - self.bits)
        while self.slots[place].facts != 0:
            if (self.slots[place].protocol == protocol
                    and compare_ends(&self.slots[place].end, end) == 0):
                break
            place = (place + 1) & mask
        return &self.slots[place]

    cdef int _note(self, uint32_t protocol, const CEnd *end, uint32_t facts) except -1:
        cdef KnownEnd *known = self.find(protocol, end)
        if known.facts == 0:
            self.count += 1
            known.end, known.protocol = end[0], protocol
        known.facts |= facts
        if self.count * 2 > <uint64_t>1 << self.bits:
            self._grow()
        return 0

    cdef int _grow(self) except -1:
        cdef KnownEnd *old = self.slots
        cdef uint64_t place
        self.slots = <KnownEnd *>calloc(<size_t>2 << self.bits, sizeof(KnownEnd))
        if self.slots == NULL:
            self.slots = old
            raise MemoryError
        self.bits += 1
        for place in range(<uint64_t>1 << (self.bits - 1)):
            if old[place].facts:
                self.find(old[place].protocol, &old[place].end)[0] = old[place]
        free(old)
        return 0
