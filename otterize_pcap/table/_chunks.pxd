# cython: cdivision=True
# Where the rows of a table lie, and how keys are hashed: what whoever only reads rows needs.
#
# Rows lie in chunks that never move; an open-addressing index maps a key to its newest row. Keys
# are hashed with NH (RFC 4418, 5.2.2) under a secret of the run: two keys collide in all 64 bits
# with a chance of at most 2**-32 whatever the input, so nobody can build a capture that makes the
# index degenerate. An odd secret multiplier then spreads the sum over the bits that are used.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport CRow, Key

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    /* What is called a huge page on all common machines. */
    #define OTTERIZE_PAGE ((size_t)1 << 21)
    #define OTTERIZE_CHUNK_ROWS ((uint32_t)10922)
    #if defined(__linux__) && !defined(OTTERIZE_CHECKED_MEMORY)
    #include <sys/mman.h>
    /* Mapped and not allocated: of what posix_memalign gives, the system made every third one of
       small pages. */
    static void *otterize_new_chunk(int is_first) {
        char *room = mmap(NULL, 2 * OTTERIZE_PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t before;
        if (room == MAP_FAILED)
            return NULL;
        before = (OTTERIZE_PAGE - (uintptr_t)room % OTTERIZE_PAGE) % OTTERIZE_PAGE;
        if (before)
            munmap(room, before);
        munmap(room + before + OTTERIZE_PAGE, OTTERIZE_PAGE - before);
        if (!is_first)
            madvise(room + before, OTTERIZE_PAGE, MADV_HUGEPAGE);
        return room + before;
    }
    static void otterize_free_chunk(void *chunk) {
        if (chunk)
            munmap(chunk, OTTERIZE_PAGE);
    }
    #else
    static void *otterize_new_chunk(int is_first) {
        (void)is_first;
        return malloc(OTTERIZE_PAGE);
    }
    static void otterize_free_chunk(void *chunk) {
        free(chunk);
    }
    #endif
    """
    # As many rows as fit into one huge page: rows are looked up at random, and with a page of its
    # own for every 20 of them half of that time goes to finding pages. A small capture has one
    # chunk, of which it uses a few small pages.
    const uint32_t CHUNK_ROWS "OTTERIZE_CHUNK_ROWS"
    void *new_chunk "otterize_new_chunk"(bint is_first) noexcept nogil
    void give_back_chunk "otterize_free_chunk"(void *chunk) noexcept nogil

# `row` is one more than the row's index, 0 in an empty slot; `tag` the hash's upper half, whose
# highest bits are the slot's number, so that growing needs no look at the rows.
cdef struct Slot:
    uint32_t tag
    uint32_t row

cdef extern from *:
    """
    typedef struct {
        otterize_key key;
        int64_t time_ns;
        uint64_t number : 40, part : 20, first_sender : 1, client : 2, is_other : 1;
        uint32_t bytes, client_isn, sequence, stamp;
        uint16_t station, flags;
        uint8_t hints, has, syns : 1, syn_acks : 1, has_server_isn : 1;
    } otterize_bare;
    """
    # A row of one packet. `sequence` is the server's ISN or the packet's number, `stamp` what it
    # acknowledged or its timestamp. With `is_other`, `number` is a place in `Packed.others`.
    ctypedef struct Bare "otterize_bare":
        Key key
        int64_t time_ns
        uint64_t number
        uint32_t part
        uint8_t first_sender
        uint8_t client
        bint is_other
        uint32_t bytes
        uint32_t client_isn
        uint32_t sequence
        uint32_t stamp
        uint16_t station
        uint16_t flags
        uint8_t hints
        uint8_t has
        uint8_t syns
        uint8_t syn_acks
        uint8_t has_server_isn

# A chunk whose rows are bare, but for `others`.
cdef struct Packed:
    Bare *bare
    CRow *others

# `station` holds the values of the stations by number, 0 being none; `station_slots` is their
# index, by the value's hash. Both begin small: a capture of thousands of nodes has as many tables. A
# chunk that is NULL is in `packed`, which has a place for each.
cdef struct Table:
    CRow **chunks
    Packed *packed
    Slot *slots
    uint64_t secret[7]
    uint64_t rows
    uint64_t max_rows
    uint64_t keys
    uint64_t chunk_room
    uint64_t *station
    uint16_t *station_slots
    uint32_t stations
    int station_bits
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
