# cython: cdivision=True
# The rows of `rows.ConnectionTable`, in C; `_chunks` says where they lie.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from otterize_pcap.table._bare_rows cimport free_packed
from otterize_pcap.table._chunks cimport (
    CHUNK_ROWS,
    Slot,
    Table,
    hash_key,
    row_at,
)
from otterize_pcap.table._memory cimport free_zeros, give_back_chunk, new_chunk, new_zeros
from otterize_pcap.table._row cimport (
    ACK,
    CPacket,
    CRow,
    CSide,
    HAS_TIMES,
    Key,
    MOST_COUNTED,
    NO_CLIENT,
    RST,
    SYN,
    UDP,
    append_side,
    note_flags,
    note_sending,
    same_key,
    same_slot,
)
from otterize_pcap.table._stations cimport FIRST_STATION_BITS, number_of_station

cdef enum Outcome:
    DONE = 0
    FULL = 1
    NO_MEMORY = 2

cdef inline bint make_table(
    Table *table, const uint8_t *secret, uint64_t max_rows
) noexcept nogil:
    """Give an empty table its memory; False where there is none. `secret` is `SECRET_BYTES`."""
    memcpy(table.secret, secret, sizeof(table.secret))
    table.secret[6] |= 1
    table.max_rows = max_rows
    table.slot_bits = 10
    table.slots = <Slot *>new_zeros((1 << 10) * sizeof(Slot))
    table.chunk_room = 64
    table.chunks = <CRow **>malloc(64 * sizeof(CRow *))
    table.station_bits = FIRST_STATION_BITS
    table.station = <uint64_t *>calloc(1 << (FIRST_STATION_BITS - 1), sizeof(uint64_t))
    table.station_slots = <uint16_t *>calloc(1 << FIRST_STATION_BITS, sizeof(uint16_t))
    return (table.slots != NULL and table.chunks != NULL and table.station != NULL
            and table.station_slots != NULL)


cdef inline void free_index(Table *table) noexcept nogil:
    """Give back what finds rows, where no packet will come any more."""
    free_zeros(table.slots, (<size_t>1 << table.slot_bits) * sizeof(Slot))
    table.slots = NULL


cdef inline void free_table(Table *table) noexcept nogil:
    cdef uint64_t chunk
    if table.chunks != NULL:
        for chunk in range((table.rows + CHUNK_ROWS - 1) // CHUNK_ROWS):
            give_back_chunk(table.chunks[chunk])
            if table.packed != NULL:
                free_packed(&table.packed[chunk])
    free(table.chunks)
    free(table.packed)
    free(table.station)
    free(table.station_slots)
    free_index(table)


cdef inline uint64_t first_slot(const Table *table, uint64_t hash_) noexcept nogil:
    return hash_ >> (64 - table.slot_bits)


cdef inline Outcome grow_slots(Table *table) noexcept nogil:
    """Double the index."""
    cdef int bits = table.slot_bits + 1
    cdef uint64_t size = <uint64_t>1 << bits, mask = size - 1, old, place
    cdef Slot *slots
    if bits > 32:
        return FULL
    slots = <Slot *>new_zeros(size * sizeof(Slot))
    if slots == NULL:
        return NO_MEMORY
    for old in range(<uint64_t>1 << table.slot_bits):
        if table.slots[old].row:
            place = <uint64_t>table.slots[old].tag >> (32 - bits)
            while slots[place].row:
                place = (place + 1) & mask
            slots[place] = table.slots[old]
    free_zeros(table.slots, (<size_t>1 << table.slot_bits) * sizeof(Slot))
    table.slots = slots
    table.slot_bits = bits
    return DONE


cdef inline Outcome new_row(Table *table, CRow **row) noexcept nogil:
    """Take the next row of the arena, zeroed."""
    cdef uint64_t chunk = table.rows // CHUNK_ROWS, room
    cdef CRow **chunks
    if table.rows >= table.max_rows or table.rows >= <uint64_t>0xFFFFFFFE:
        return FULL
    if table.rows % CHUNK_ROWS == 0:
        if chunk == table.chunk_room:
            room = table.chunk_room * 2
            chunks = <CRow **>realloc(table.chunks, room * sizeof(CRow *))
            if chunks == NULL:
                return NO_MEMORY
            table.chunks = chunks
            table.chunk_room = room
        table.chunks[chunk] = <CRow *>new_chunk(chunk == 0)
        if table.chunks[chunk] == NULL:
            return NO_MEMORY
    row[0] = row_at(table, table.rows)
    memset(row[0], 0, sizeof(CRow))
    table.rows += 1
    return DONE


cdef inline void free_chunk(Table *table, uint64_t chunk) noexcept nogil:
    give_back_chunk(table.chunks[chunk])
    table.chunks[chunk] = NULL


cdef inline void empty_table(Table *table) noexcept nogil:
    """Forget all rows; the table can be filled again."""
    cdef uint64_t chunk
    for chunk in range((table.rows + CHUNK_ROWS - 1) // CHUNK_ROWS):
        free_chunk(table, chunk)
    memset(table.slots, 0, (<size_t>1 << table.slot_bits) * sizeof(Slot))
    table.rows = table.keys = 0


cdef inline Outcome find(Table *table, const Key *key, uint64_t hash_, Slot **slot) noexcept nogil:
    """The slot of a key, or the empty one where it belongs; grows the index when half full."""
    cdef uint64_t mask, place
    cdef uint32_t tag = <uint32_t>(hash_ >> 32)
    cdef Outcome outcome
    if table.keys * 2 >= <uint64_t>1 << table.slot_bits:
        outcome = grow_slots(table)
        if outcome != DONE:
            return outcome
    mask = (<uint64_t>1 << table.slot_bits) - 1
    place = first_slot(table, hash_)
    while True:
        slot[0] = &table.slots[place]
        if slot[0].row == 0:
            return DONE
        if slot[0].tag == tag and same_key(&row_at(table, slot[0].row - 1).key, key):
            return DONE
        place = (place + 1) & mask


cdef inline Outcome begin_row(
    Table *table, Slot *slot, const Key *key, uint64_t hash_, CRow **row
) noexcept nogil:
    """A new row for a key, which is its newest from now on."""
    cdef Outcome outcome = new_row(table, row)
    if outcome != DONE:
        return outcome
    if slot.row == 0:
        slot.tag = <uint32_t>(hash_ >> 32)
        table.keys += 1
    slot.row = <uint32_t>table.rows
    row[0].key = key[0]
    row[0].client = NO_CLIENT
    return DONE


cdef inline Outcome row_of_packet(
    Table *table, const CPacket *packet, bint has_flags, CRow **row
) noexcept nogil:
    """The row that a packet belongs to, begun if it has to be; its times cover the packet."""
    cdef Slot *slot = NULL
    cdef uint8_t client = NO_CLIENT
    cdef uint32_t client_isn = 0
    cdef Outcome outcome = find(table, &packet.key, packet.hash, &slot)
    if outcome != DONE:
        return outcome
    if has_flags and (packet.flags & (SYN | RST)) == SYN:
        if packet.flags & ACK:
            client, client_isn = 1 - packet.sender, packet.ack - 1
        else:
            client, client_isn = packet.sender, packet.seq
    row[0] = NULL
    if slot.row:
        row[0] = row_at(table, slot.row - 1)
        if client != NO_CLIENT:
            if row[0].client != client or row[0].client_isn != client_isn:
                row[0] = NULL
        elif row[0].client == NO_CLIENT and not same_slot(row[0].first_ns, packet.time_ns):
            row[0] = NULL
    if row[0] != NULL:
        row[0].first_ns = min(row[0].first_ns, packet.time_ns)
        row[0].last_ns = max(row[0].last_ns, packet.time_ns)
        return DONE
    outcome = begin_row(table, slot, &packet.key, packet.hash, row)
    if outcome != DONE:
        return outcome
    row[0].number = packet.number
    row[0].part = packet.part
    row[0].first_sender = packet.sender
    row[0].first_ns = row[0].last_ns = packet.time_ns
    row[0].client = client
    row[0].client_isn = client_isn
    return DONE


cdef inline Outcome add_packet(Table *table, const CPacket *packet) noexcept nogil:
    """Count one packet: `rows._row_of` and `_place` in one step."""
    cdef CRow *row = NULL
    cdef CSide *side
    cdef uint8_t protocol = packet.key.word[4] & 0xFF
    cdef bint counts = not packet.unreachable
    cdef bint has_flags = counts and protocol != UDP and not packet.fragment
    cdef Outcome outcome = row_of_packet(table, packet, has_flags, &row)
    if outcome != DONE:
        return outcome
    side = &row.sides[packet.sender]
    if not counts:
        side.unreachable += side.unreachable < MOST_COUNTED
        return DONE
    if not packet.flags & RST:
        if not side.has & HAS_TIMES:
            side.station = number_of_station(table, packet.station)
        note_sending(side, packet.time_ns, packet.time_ns)
    side.packets += 1
    side.bytes += packet.length
    side.hints |= packet.hint
    if has_flags:
        note_flags(row, side, packet)
    return DONE


cdef inline Outcome place_row(Table *table, const CRow *later) noexcept nogil:
    """`rows.ConnectionTable._place`."""
    cdef uint64_t hash_ = hash_key(table, &later.key)
    cdef Slot *slot = NULL
    cdef CRow *row
    cdef bint continues
    cdef Outcome outcome = find(table, &later.key, hash_, &slot)
    if outcome != DONE:
        return outcome
    if slot.row:
        row = row_at(table, slot.row - 1)
        if later.client != NO_CLIENT:
            continues = row.client == later.client and row.client_isn == later.client_isn
        else:
            continues = row.client != NO_CLIENT or same_slot(row.first_ns, later.first_ns)
        if continues:
            row.first_ns = min(row.first_ns, later.first_ns)
            row.last_ns = max(row.last_ns, later.last_ns)
            if not row.has_server_isn:
                row.has_server_isn = later.has_server_isn
                row.server_isn = later.server_isn
            append_side(&row.sides[0], &later.sides[0])
            append_side(&row.sides[1], &later.sides[1])
            return DONE
    outcome = begin_row(table, slot, &later.key, hash_, &row)
    if outcome == DONE:
        row[0] = later[0]
    return outcome
