# cython: cdivision=True
# Where the rows of a table lie, and how keys are hashed: what whoever only reads rows needs.
#
# Rows lie in chunks that never move; an open-addressing index maps a key to its newest row. Keys
# are hashed with NH (RFC 4418, 5.2.2) under a secret of the run: two keys collide in all 64 bits
# with a chance of at most 2**-32 whatever the input, so nobody can build a capture that makes the
# index degenerate. An odd secret multiplier then spreads the sum over the bits that are used.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport CRow, Key

cdef enum:
    # As many rows as fit into one huge page.
    CHUNK_ROWS = 10922

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
