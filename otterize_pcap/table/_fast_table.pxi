# The connection table of `_fastpath`: the rows of `connections.ConnectionTable`, in C.
#
# Rows lie in chunks that never move; an open-addressing index maps a key to its newest row. Keys
# are hashed with NH (RFC 4418, 5.2.2) under a secret of the run: two keys collide in all 64 bits
# with a chance of at most 2**-32 whatever the input, so nobody can build a capture that makes the
# index degenerate. An odd secret multiplier then spreads the sum over the bits that are used.

cdef enum:
    CHUNK_BITS = 12
    CHUNK_ROWS = 1 << CHUNK_BITS
    NO_CLIENT = 2
    HAS_ACK = 1
    HAS_SEQ = 2
    HAS_TIMESTAMP = 4
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    ACK = 0x10
    TCP = 6
    UDP = 17

cdef enum Outcome:
    DONE = 0
    FULL = 1
    NO_MEMORY = 2

cdef int64_t SLOT_NS = 30_000_000_000

# Word 0 to 3: low and high address, each two halves as big-endian numbers. Word 4: low port (16
# bits), high port (16), tunnel path (24), protocol (8). Word 5: interface.
cdef struct Key:
    uint64_t word[6]

cdef struct CSide:
    uint64_t packets
    uint64_t bytes
    uint32_t ack_first
    uint32_t seq_first
    uint32_t seq_last
    uint32_t timestamp
    uint32_t syns
    uint32_t syn_acks
    uint32_t unreachable
    uint16_t flags
    uint8_t hints
    uint8_t has

cdef struct CRow:
    Key key
    CSide sides[2]
    int64_t first_ns
    int64_t last_ns
    int64_t slot
    uint64_t number
    uint32_t client_isn
    uint32_t server_isn
    uint32_t part
    uint8_t first_sender
    uint8_t client
    uint8_t has_server_isn

# What decoding one frame yields.
cdef struct CPacket:
    Key key
    uint64_t hash
    int64_t time_ns
    uint64_t number
    uint32_t length
    uint32_t seq
    uint32_t ack
    uint32_t timestamp
    uint32_t part
    uint16_t flags
    uint8_t hint
    uint8_t sender
    uint8_t has_timestamp
    uint8_t unreachable
    uint8_t fragment

# `row` is one more than the row's index, 0 in an empty slot; `tag` the hash's upper half, whose
# highest bits are the slot's number, so that growing needs no look at the rows.
cdef struct Slot:
    uint32_t tag
    uint32_t row

cdef struct Table:
    CRow **chunks
    Slot *slots
    uint64_t secret[7]
    uint64_t rows
    uint64_t max_rows
    uint64_t keys
    uint64_t chunk_room
    int slot_bits


cdef inline uint64_t hash_key(const Table *table, const Key *key) noexcept nogil:
    cdef uint64_t total = 0, sum_
    cdef int i
    for i in range(6):
        # The two 32-bit halves of a word, each plus its secret, multiplied.
        sum_ = <uint64_t><uint32_t>(key.word[i] + table.secret[i])
        total += sum_ * <uint64_t><uint32_t>((key.word[i] >> 32) + (table.secret[i] >> 32))
    return total * table.secret[6]


cdef inline bint same_key(const Key *one, const Key *other) noexcept nogil:
    return ((one.word[0] ^ other.word[0]) | (one.word[1] ^ other.word[1])
            | (one.word[2] ^ other.word[2]) | (one.word[3] ^ other.word[3])
            | (one.word[4] ^ other.word[4]) | (one.word[5] ^ other.word[5])) == 0


cdef inline CRow *row_at(const Table *table, uint64_t index) noexcept nogil:
    return &table.chunks[index >> CHUNK_BITS][index & (CHUNK_ROWS - 1)]


cdef inline uint64_t first_slot(const Table *table, uint64_t hash_) noexcept nogil:
    return hash_ >> (64 - table.slot_bits)


cdef Outcome grow_slots(Table *table) noexcept nogil:
    """Double the index."""
    cdef int bits = table.slot_bits + 1
    cdef uint64_t size = <uint64_t>1 << bits, mask = size - 1, old, place
    cdef Slot *slots
    if bits > 32:
        return FULL
    slots = <Slot *>calloc(size, sizeof(Slot))
    if slots == NULL:
        return NO_MEMORY
    for old in range(<uint64_t>1 << table.slot_bits):
        if table.slots[old].row:
            place = <uint64_t>table.slots[old].tag >> (32 - bits)
            while slots[place].row:
                place = (place + 1) & mask
            slots[place] = table.slots[old]
    free(table.slots)
    table.slots = slots
    table.slot_bits = bits
    return DONE


cdef Outcome new_row(Table *table, CRow **row) noexcept nogil:
    """Take the next row of the arena, zeroed."""
    cdef uint64_t chunk = table.rows >> CHUNK_BITS, room
    cdef CRow **chunks
    if table.rows >= table.max_rows or table.rows >= <uint64_t>0xFFFFFFFE:
        return FULL
    if (table.rows & (CHUNK_ROWS - 1)) == 0:
        if chunk == table.chunk_room:
            room = table.chunk_room * 2
            chunks = <CRow **>realloc(table.chunks, room * sizeof(CRow *))
            if chunks == NULL:
                return NO_MEMORY
            table.chunks = chunks
            table.chunk_room = room
        table.chunks[chunk] = <CRow *>calloc(CHUNK_ROWS, sizeof(CRow))
        if table.chunks[chunk] == NULL:
            return NO_MEMORY
    row[0] = row_at(table, table.rows)
    table.rows += 1
    return DONE


cdef inline void free_chunk(Table *table, uint64_t chunk) noexcept nogil:
    free(table.chunks[chunk])
    table.chunks[chunk] = NULL


cdef void empty_table(Table *table) noexcept nogil:
    """Forget all rows; the table can be filled again."""
    cdef uint64_t chunk
    for chunk in range((table.rows + CHUNK_ROWS - 1) >> CHUNK_BITS):
        free_chunk(table, chunk)
    memset(table.slots, 0, (<size_t>1 << table.slot_bits) * sizeof(Slot))
    table.rows = table.keys = 0


cdef Outcome find(Table *table, const Key *key, uint64_t hash_, Slot **slot) noexcept nogil:
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


cdef Outcome add_packet(Table *table, const CPacket *packet) noexcept nogil:
    """Count one packet: `connections._row_of` and `_place` in one step."""
    cdef Slot *slot = NULL
    cdef CRow *row = NULL
    cdef CSide *side
    cdef uint8_t protocol = packet.key.word[4] & 0xFF
    cdef uint8_t client = NO_CLIENT
    cdef uint32_t client_isn = 0
    cdef int64_t slot_number = packet.time_ns // SLOT_NS
    cdef bint counts = not packet.unreachable
    cdef bint has_flags = counts and protocol != UDP and not packet.fragment
    cdef Outcome outcome
    if has_flags and (packet.flags & (SYN | RST)) == SYN:
        if packet.flags & ACK:
            client, client_isn = 1 - packet.sender, packet.ack - 1
        else:
            client, client_isn = packet.sender, packet.seq
    outcome = find(table, &packet.key, packet.hash, &slot)
    if outcome != DONE:
        return outcome
    if slot.row:
        row = row_at(table, slot.row - 1)
        if client != NO_CLIENT:
            if row.client != client or row.client_isn != client_isn:
                row = NULL
        elif row.client == NO_CLIENT and row.slot != slot_number:
            row = NULL
    if row == NULL:
        outcome = begin_row(table, slot, &packet.key, packet.hash, &row)
        if outcome != DONE:
            return outcome
        row.slot = slot_number
        row.number = packet.number
        row.part = packet.part
        row.first_sender = packet.sender
        row.first_ns = row.last_ns = packet.time_ns
        row.client = client
        row.client_isn = client_isn
    elif packet.time_ns < row.first_ns:
        row.first_ns = packet.time_ns
    elif packet.time_ns > row.last_ns:
        row.last_ns = packet.time_ns
    side = &row.sides[packet.sender]
    if not counts:
        side.unreachable += 1
        return DONE
    side.packets += 1
    side.bytes += packet.length
    side.hints |= packet.hint
    if has_flags:
        note_flags(row, side, packet)
    return DONE


cdef inline void note_flags(CRow *row, CSide *side, const CPacket *packet) noexcept nogil:
    """`connections._note_flags`, on a row that may have begun earlier."""
    side.flags |= packet.flags
    if not packet.flags & SYN:
        if not side.has & HAS_SEQ:
            side.has |= HAS_SEQ
            side.seq_first = packet.seq
        side.seq_last = packet.seq
        if (packet.flags & (ACK | RST)) == ACK and not side.has & HAS_ACK:
            side.has |= HAS_ACK
            side.ack_first = packet.ack
        return
    if packet.flags & RST:
        return
    if packet.has_timestamp and not side.has & HAS_TIMESTAMP:
        side.has |= HAS_TIMESTAMP
        side.timestamp = packet.timestamp
    if packet.flags & ACK:
        side.syn_acks += 1
        if not row.has_server_isn:
            row.has_server_isn = 1
            row.server_isn = packet.seq
    else:
        side.syns += 1


cdef inline void append_side(CSide *side, const CSide *later) noexcept nogil:
    """`connections.Side.append`."""
    side.packets += later.packets
    side.bytes += later.bytes
    side.flags |= later.flags
    side.syns += later.syns
    side.syn_acks += later.syn_acks
    if not side.has & HAS_ACK:
        side.ack_first = later.ack_first
    if not side.has & HAS_SEQ:
        side.seq_first = later.seq_first
    if later.has & HAS_SEQ:
        side.seq_last = later.seq_last
    if not side.has & HAS_TIMESTAMP:
        side.timestamp = later.timestamp
    side.has |= later.has
    side.hints |= later.hints
    side.unreachable += later.unreachable


cdef Outcome place_row(Table *table, const CRow *later) noexcept nogil:
    """`connections.ConnectionTable._place`."""
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
            continues = row.client != NO_CLIENT or row.slot == later.slot
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
