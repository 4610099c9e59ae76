# cython: cdivision=True
# Where the rows of a table lie, and how keys are hashed: what whoever only reads rows needs.
#
# Rows lie in chunks that never move; an open-addressing index maps a key to its newest row. Keys
# are hashed with NH (RFC 4418, 5.2.2) under a secret of the run: two keys collide in all 64 bits
# with a chance of at most 2**-32 whatever the input, so nobody can build a capture that makes the
# index degenerate. An odd secret multiplier then spreads the sum over the bits that are used.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport CRow, Key

cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    /* What is called a huge page on all common machines. */
    #define OTTERIZE_PAGE ((size_t)1 << 21)
    #define OTTERIZE_CHUNK_ROWS ((uint32_t)9709)
    static void *otterize_new_chunk(size_t size, int is_first) {
        void *chunk = NULL;
    #if defined(__linux__)
        if (size > OTTERIZE_PAGE || posix_memalign(&chunk, OTTERIZE_PAGE, size))
            return NULL;
        if (!is_first)
            madvise(chunk, OTTERIZE_PAGE, MADV_HUGEPAGE);
    #else
        (void)is_first;
        chunk = malloc(size);
    #endif
        return chunk;
    }
    """
    # As many rows as fit into one huge page: rows are looked up at random, and with a page of its
    # own for every 20 of them half of that time goes to finding pages. A small capture has one
    # chunk, of which it uses a few small pages.
    const uint32_t CHUNK_ROWS "OTTERIZE_CHUNK_ROWS"
    void *new_chunk "otterize_new_chunk"(size_t size, bint is_first) noexcept nogil

# `row` is one more than the row's index, 0 in an empty slot; `tag` the hash's upper half, whose
# highest bits are the slot's number, so that growing needs no look at the rows.
cdef struct Slot:
    uint32_t tag
    uint32_t row

# `station` holds the values of the stations by number, 0 being none; `station_slots` is their
# index, by the value's hash.
cdef struct Table:
    CRow **chunks
    Slot *slots
    uint64_t secret[7]
    uint64_t rows
    uint64_t max_rows
    uint64_t keys
    uint64_t chunk_room
    uint64_t *station
    uint16_t *station_slots
    uint32_t stations
    int slot_bits


cdef inline uint64_t hash_key(const Table *table, const Key *key) noexcept nogil:
    cdef uint64_t total = 0, sum_
    cdef int i
    for i in range(6):
        # The two 32-bit halves of a word, each plus its secret, multiplied.
        sum_ = <uint64_t><uint32_t>(key.word[i] + table.secret[i])
        total += sum_ * <uint64_t><uint32_t>((key.word[i] >> 32) + (table.secret[i] >> 32))
    return total * table.secret[6]


cdef inline CRow *row_at(const Table *table, uint64_t index) noexcept nogil:
    return &table.chunks[index // CHUNK_ROWS][index % CHUNK_ROWS]
