# cython: cdivision=True
# Declarations of `_index.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport CRow
from otterize_pcap.table._chunks cimport CHUNK_ROWS, Table

cdef enum:
    NOTHING = 0xFFFFFFFF
    # How many 5-tuples before it is used a row is fetched.
    AHEAD = 8
    # What the rows of a 5-tuple show, all taken together.
    HAS_HANDSHAKE = 1
    HAS_RUN = 2
    IS_INCOMPLETE = 4
    IS_RECORDED = 8
    LOW_ANSWERED = 16
    HIGH_ANSWERED = 32

# A slot of the index of 5-tuples: the hash's upper half, and one more than the tuple's number.
cdef struct TupleSlot:
    uint32_t tag
    uint32_t number


cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define otterize_fetch(address) __builtin_prefetch(address)
    #else
    #define otterize_fetch(address) ((void)(address))
    #endif
    """
    void otterize_fetch(const void *address) noexcept nogil


cdef inline uint32_t port_of(const CRow *row, int side) noexcept nogil:
    return (row.key.word[4] >> (32 if side else 48)) & 0xFFFF


cdef inline uint32_t protocol_of(const CRow *row) noexcept nogil:
    return row.key.word[4] & 0xFF


cdef inline bint same_tuple(const CRow *one, const CRow *other) noexcept nogil:
    return ((one.key.word[0] ^ other.key.word[0]) | (one.key.word[1] ^ other.key.word[1])
            | (one.key.word[2] ^ other.key.word[2]) | (one.key.word[3] ^ other.key.word[3])
            | ((one.key.word[4] ^ other.key.word[4]) & ~<uint64_t>0xFFFFFF00)) == 0


cdef class RowIndex:
    cdef list tables
    cdef CRow **chunk
    cdef uint32_t *chunk_table
    cdef uint32_t *chunk_rows
    cdef uint32_t chunks
    cdef Table *hasher
    cdef uint32_t *next_in_tuple
    cdef uint32_t *newest
    cdef uint8_t *flags
    cdef CRow *bare
    cdef uint32_t *bare_of
    cdef uint32_t bares
    cdef uint32_t bare_room
    cdef uint32_t bare_of_room
    cdef uint32_t *parent
    cdef uint32_t *next_in_component
    cdef uint32_t tuples
    cdef uint32_t tuple_room
    cdef TupleSlot *slots
    cdef int slot_bits
    cdef public uint64_t left_out_packets

    cdef inline CRow *row(self, uint32_t number) noexcept nogil:
        return &self.chunk[number // CHUNK_ROWS][number % CHUNK_ROWS]

    cdef inline uint32_t table_of(self, uint32_t number) noexcept nogil:
        return self.chunk_table[number // CHUNK_ROWS]

    cdef inline const CRow *shown_by(self, uint32_t number) noexcept nogil:
        """A row with the endpoints of a 5-tuple; one without packets where none was recorded."""
        if self.newest[number]:
            return self.row(self.newest[number] - 1)
        return &self.bare[self.bare_of[number]]

    cdef inline void fetch(self, uint32_t number) noexcept nogil:
        """Have in the cache soon what `shown_by` gives: a walk over all 5-tuples waits for little.

        Walks take half as long with it.
        """
        if number < self.tuples and self.newest[number]:
            otterize_fetch(self.row(self.newest[number] - 1))

    cdef inline uint32_t root(self, uint32_t number) noexcept nogil:
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    cdef inline void unite(self, uint32_t one, uint32_t other) noexcept nogil:
        """Put two 5-tuples into one component, whose number is the lower one."""
        one, other = self.root(one), self.root(other)
        if one < other:
            self.parent[other] = one
        elif other < one:
            self.parent[one] = other

    cdef add(self, added, left_out)
    cdef int _make_room(self, uint64_t chunks) except -1
    cdef int _index_chunks(self, uint32_t first, const uint8_t *left_out) except -1 nogil
    cdef int _new_tuple(self) except -1 nogil
    cdef uint32_t *_slot(self, const CRow *row, uint64_t hash_) noexcept nogil
    cdef int _grow(self) except -1 nogil
    cdef uint32_t find(self, const CRow *row) noexcept nogil
    cdef int64_t add_bare(self, const CRow *row) except -1
    cdef int chain_components(self) except -1 nogil
    cdef void unchain_components(self) noexcept nogil
