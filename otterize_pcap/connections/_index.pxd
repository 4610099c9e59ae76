# cython: cdivision=True
# Declarations of `_index.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._endpoint cimport CTuple
from otterize_pcap.table._row cimport CRow, Key
from otterize_pcap.table._bare_rows cimport unpacked
from otterize_pcap.table._chunks cimport CHUNK_ROWS, Packed, Table

cdef enum:
    NOTHING = 0xFFFFFFFF
    # How many 5-tuples before they are used rows are fetched.
    AHEAD = 8

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


cdef inline bint is_tuple(const CTuple *of, const Key *key) noexcept nogil:
    return ((of.word[0] ^ key.word[0]) | (of.word[1] ^ key.word[1]) | (of.word[2] ^ key.word[2])
            | (of.word[3] ^ key.word[3]) | (of.word[4] ^ key.word[4])) == 0


cdef class RowIndex:
    cdef list tables
    # A chunk, or, where that is NULL, its rows in a smaller form.
    cdef CRow **chunk
    cdef const Packed **packed
    cdef uint32_t *chunk_table
    cdef uint32_t *chunk_rows
    cdef uint32_t chunks
    cdef Table *hasher
    cdef uint32_t *next_in_tuple
    cdef size_t next_room
    cdef CTuple *tuple_
    cdef uint32_t tuples
    cdef size_t tuple_room
    cdef TupleSlot *slots
    cdef int slot_bits
    cdef public uint64_t left_out_packets

    cdef inline const CRow *row(self, uint32_t number, CRow *room) noexcept nogil:
        """A row, where it lies, or in `room` where it is packed."""
        cdef const CRow *chunk = self.chunk[number // CHUNK_ROWS]
        if chunk != NULL:
            return &chunk[number % CHUNK_ROWS]
        return unpacked(self.packed[number // CHUNK_ROWS], number % CHUNK_ROWS, room)

    cdef inline const uint8_t *place_of(self, uint32_t number) noexcept nogil:
        """Where a row lies, in whichever form."""
        cdef const CRow *chunk = self.chunk[number // CHUNK_ROWS]
        if chunk != NULL:
            return <const uint8_t *>&chunk[number % CHUNK_ROWS]
        return <const uint8_t *>&self.packed[number // CHUNK_ROWS].bare[number % CHUNK_ROWS]

    cdef inline uint32_t table_of(self, uint32_t number) noexcept nogil:
        return self.chunk_table[number // CHUNK_ROWS]

    cdef inline void fetch(self, uint32_t number) noexcept nogil:
        """Have the rows of a component in the cache soon, if a 5-tuple is its root.

        Of each 5-tuple those that few packets make. Walks take half as long with it.
        """
        cdef uint32_t at, rows
        cdef const uint8_t *row
        if number >= self.tuples or self.tuple_[number].parent != number:
            return
        while True:
            at = self.tuple_[number].newest
            rows = 0
            while at and rows < 8:
                row = self.place_of(at - 1)
                otterize_fetch(row)
                otterize_fetch(row + 64)
                otterize_fetch(row + 128)
                at = self.next_in_tuple[at - 1]
                rows += 1
            if self.tuple_[number].next_ == 0:
                return
            number = self.tuple_[number].next_ - 1

    cdef inline const TupleSlot *slot_of(self, uint64_t hash_) noexcept nogil:
        """Where to look for a 5-tuple first."""
        return &self.slots[hash_ >> (64 - self.slot_bits)]

    cdef inline uint32_t root(self, uint32_t number) noexcept nogil:
        cdef CTuple *tuples = self.tuple_
        while tuples[number].parent != number:
            tuples[number].parent = tuples[tuples[number].parent].parent
            number = tuples[number].parent
        return number

    cdef inline void unite(self, uint32_t one, uint32_t other) noexcept nogil:
        """Put two 5-tuples into one component, whose number is the lower one."""
        one, other = self.root(one), self.root(other)
        if one < other:
            self.tuple_[other].parent = one
        elif other < one:
            self.tuple_[one].parent = other

    cdef int expect(self, list tables) except -1
    cdef add(self, added, left_out)
    cdef as_row(self, uint32_t number)
    cdef int _make_room(self, uint64_t chunks) except -1
    cdef int _index_chunks(
        self, uint32_t first, Table *table, const uint8_t *left_out
    ) except -1 nogil
    cdef int _make_room_for(self, uint64_t rows, uint64_t tuples) except -1
    cdef int _new_tuple(self, const Key *key) except -1 nogil
    cdef uint32_t *_slot(self, const Key *key, uint64_t hash_) noexcept nogil
    cdef int _grow(self) except -1 nogil
    cdef uint32_t find(self, const Key *key) noexcept nogil
    cdef uint32_t find_hashed(self, const Key *key, uint64_t hash_) noexcept nogil
    cdef int64_t number_of(self, const Key *key) except -1
    cdef void chain_components(self) noexcept nogil
    cdef void unchain_components(self) noexcept nogil
    cdef uint32_t pieces_for(self, uint32_t threads)
    cdef list ranges(self, uint32_t threads)
