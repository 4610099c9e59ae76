# cython: cdivision=True
# Rows that one packet made, in less than half of the room: a flood of SYNs from a million sources is
# a million of them. Rows of a table that takes no more packets are read by `kept_row`.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memset

from otterize_pcap.table._chunks cimport CHUNK_ROWS, Bare, Packed, Table, row_at
from otterize_pcap.table._memory cimport give_back_chunk
from otterize_pcap.table._row cimport HAS_ACK, HAS_SEQ, HAS_TIMES, CRow, CSide

cdef enum:
    # Of four rows of a chunk so many make it worth packing.
    BARE_OF_FOUR = 3


cdef inline const CRow *kept_row(const Table *table, uint64_t index, CRow *room) noexcept nogil:
    """A row of a table, where it lies, or in `room` where it is packed."""
    cdef const CRow *chunk = table.chunks[index // CHUNK_ROWS]
    if chunk != NULL:
        return &chunk[index % CHUNK_ROWS]
    return unpacked(&table.packed[index // CHUNK_ROWS], index % CHUNK_ROWS, room)


cdef inline const CRow *unpacked(const Packed *chunk, uint64_t at, CRow *room) noexcept nogil:
    """A row of a packed chunk, by its place there."""
    cdef const Bare *bare = &chunk.bare[at]
    if bare.is_other:
        return &chunk.others[bare.number]
    unpack_row(bare, room)
    return room


cdef inline bint pack_rows(Table *table) noexcept nogil:
    """Let a table have room for packed chunks; False where there is no memory."""
    if table.packed == NULL:
        table.packed = <Packed *>calloc(table.chunk_room, sizeof(Packed))
    return table.packed != NULL


cdef inline void pack_chunk(Table *table, uint64_t chunk) noexcept nogil:
    """Pack a full chunk where most of its rows are bare; without memory, or packed, it stays."""
    cdef Packed packed
    cdef Bare *bare
    cdef uint64_t first = chunk * CHUNK_ROWS
    cdef uint32_t at, others = 0, few = CHUNK_ROWS - CHUNK_ROWS // 4 * BARE_OF_FOUR
    if table.rows < first + CHUNK_ROWS or table.chunks[chunk] == NULL:
        return
    for at in range(CHUNK_ROWS):
        others += not may_be_bare(row_at(table, first + at))
        if others > few:
            return
    packed.bare = <Bare *>malloc(CHUNK_ROWS * sizeof(Bare))
    packed.others = <CRow *>malloc((few + 1) * sizeof(CRow))
    if packed.bare == NULL or packed.others == NULL:
        free_packed(&packed)
        return
    others = 0
    for at in range(CHUNK_ROWS):
        bare = &packed.bare[at]
        if is_packed(bare, row_at(table, first + at)):
            continue
        if others > few:
            free_packed(&packed)
            return
        bare.is_other, bare.number = 1, others
        packed.others[others] = row_at(table, first + at)[0]
        others += 1
    table.packed[chunk] = packed
    give_back_chunk(table.chunks[chunk])
    table.chunks[chunk] = NULL


cdef inline void free_packed(Packed *packed) noexcept nogil:
    free(packed.bare)
    free(packed.others)


cdef inline bint may_be_bare(const CRow *row) noexcept nogil:
    return row.sides[0].packets + row.sides[1].packets == 1


cdef inline bint is_packed(Bare *bare, const CRow *row) noexcept nogil:
    """Pack a row; whether it was one that comes out as it was."""
    cdef CRow again
    cdef const CSide *side = &row.sides[row.first_sender]
    if not may_be_bare(row):
        return False
    memset(bare, 0, sizeof(Bare))
    bare.key = row.key
    bare.time_ns = row.first_ns
    bare.number, bare.part, bare.first_sender = row.number, row.part, row.first_sender
    bare.client, bare.client_isn = row.client, row.client_isn
    bare.bytes, bare.station, bare.flags = <uint32_t>side.bytes, side.station, side.flags
    bare.hints, bare.has = side.hints, side.has
    bare.syns, bare.syn_acks = side.syns & 1, side.syn_acks & 1
    bare.has_server_isn = row.has_server_isn
    bare.sequence = row.server_isn if row.has_server_isn else side.seq_first
    bare.stamp = side.ack_first if side.has & HAS_ACK else side.timestamp
    unpack_row(bare, &again)
    return memcmp(&again, row, sizeof(CRow)) == 0


cdef inline void unpack_row(const Bare *bare, CRow *row) noexcept nogil:
    cdef CSide *side = &row.sides[bare.first_sender]
    memset(row, 0, sizeof(CRow))
    row.key = bare.key
    row.first_ns = row.last_ns = bare.time_ns
    row.number, row.part, row.first_sender = bare.number, bare.part, bare.first_sender
    row.client, row.client_isn = bare.client, bare.client_isn
    side.packets, side.bytes = 1, bare.bytes
    side.station, side.flags, side.hints, side.has = bare.station, bare.flags, bare.hints, bare.has
    side.syns, side.syn_acks = bare.syns, bare.syn_acks
    if bare.has & HAS_TIMES:
        side.first_ns = side.last_ns = bare.time_ns
    if bare.has_server_isn:
        row.has_server_isn, row.server_isn = 1, bare.sequence
    elif bare.has & HAS_SEQ:
        side.seq_first = side.seq_last = bare.sequence
    if bare.has & HAS_ACK:
        side.ack_first = bare.stamp
    else:
        side.timestamp = bare.stamp
