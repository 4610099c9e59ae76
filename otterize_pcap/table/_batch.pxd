# cython: cdivision=True
# A walk over a buffer of records, and the batches in which it puts packets into the table.
#
# Records are decoded in batches: first all headers of a batch, then their places in the index, then
# the rows, so that memory answers for several packets at once. With a million connections that is
# 2.3 times as fast as one by one; with twenty thousand it makes no difference.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from otterize_pcap.table._frames cimport Decoding, decode_frame
from otterize_pcap.table._links cimport DECLINED, ICMP_MESSAGE, Link, NOT_IP, Verdict
from otterize_pcap.table._numbers cimport ERA_BITS
from otterize_pcap.table._row cimport CPacket, CRow
from otterize_pcap.table._rows cimport (
    DONE,
    NO_MEMORY,
    Outcome,
    Slot,
    Table,
    add_packet,
    first_slot,
    hash_key,
    row_at,
)

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define otterize_prefetch(address) __builtin_prefetch(address)
    #else
    #define otterize_prefetch(address) ((void)(address))
    #endif
    """
    void otterize_prefetch(const void *address) noexcept nogil

cdef enum:
    BATCH = 32
    AHEAD = 16
    MAX_INTERFACES = 64
    ERAS = 1 << (63 - ERA_BITS)
    FIRST_KEPT = 64
    # What a walk reads before anybody is asked whether to go on: some 20 ms.
    BLOCKS_AT_ONCE = 64

# `file_times.Era`.
cdef struct Era:
    int64_t first_ns
    int64_t last_ns
    uint64_t packets

# `times` has a place for each of `ERAS`; NULL until something is walked.
cdef struct Counts:
    uint64_t not_ip
    uint64_t icmp
    Era *times

# One interface of a pcapng section; `multiplier` 0 where its clock is not for the hot path.
cdef struct Clock:
    Link link
    uint32_t multiplier

# A regular file that the walk reads on from by itself, up to `blocks` times: from `offset` on, into
# the buffer of `room` bytes. `passed` bytes went from the buffer's front, `read` came behind.
# `descriptor` is -1 where the caller reads.
cdef struct Source:
    int descriptor
    int blocks
    int64_t offset
    ptrdiff_t room
    ptrdiff_t passed
    ptrdiff_t read

# `is_whole` says that nothing comes after `end`. `kept` are the packets whose payloads are kept, in
# order: `kept_count` of them, with room for `kept_room`.
cdef struct Walk:
    const uint8_t *data
    ptrdiff_t at
    ptrdiff_t end
    ptrdiff_t stop
    uint64_t number
    uint64_t interface
    uint32_t part
    Link link
    uint32_t tick_ns
    uint32_t header_length
    bint swapped
    bint is_whole
    CPacket *kept
    uint64_t kept_count
    uint64_t kept_room
    Source source
    uint32_t clocks
    Clock clock[MAX_INTERFACES]


cdef inline void begin_walk(
    Walk *walk, const uint8_t *data, ptrdiff_t at, ptrdiff_t end, ptrdiff_t room
) noexcept nogil:
    """A walk over a part of a buffer of so many bytes, of which nothing is kept yet."""
    walk.data, walk.at, walk.end = data, at, end
    walk.kept, walk.kept_count, walk.kept_room = NULL, 0, 0
    walk.source.descriptor, walk.source.offset = -1, 0
    walk.source.blocks, walk.source.room = BLOCKS_AT_ONCE, room
    walk.source.passed = walk.source.read = 0


cdef inline uint32_t swap32(uint32_t value) noexcept nogil:
    return (value >> 24) | ((value >> 8) & 0xFF00) | ((value & 0xFF00) << 8) | (value << 24)


cdef inline uint32_t field32(const Walk *walk, ptrdiff_t at) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, walk.data + at, 4)
    return swap32(value) if walk.swapped else value


cdef inline uint32_t field16(const Walk *walk, ptrdiff_t at) noexcept nogil:
    cdef uint16_t value
    memcpy(&value, walk.data + at, 2)
    return (value >> 8 | (value & 0xFF) << 8) if walk.swapped else value


cdef inline void note_time(Counts *counts, int64_t time_ns) noexcept nogil:
    """`file_times.FileTimes.note`; a time is never negative."""
    cdef Era *era = &counts.times[time_ns >> ERA_BITS]
    if time_ns < era.first_ns or era.packets == 0:
        era.first_ns = time_ns
    if time_ns > era.last_ns:
        era.last_ns = time_ns
    era.packets += 1


cdef inline int take_frame(
    Decoding *decoding, Counts *counts, Walk *walk, Link link, uint64_t interface,
    ptrdiff_t frame, ptrdiff_t length, int64_t time_ns, CPacket *batch, int *waiting
) noexcept nogil:
    """Decode one frame into the batch, or count it; 0 where the caller has to."""
    cdef CPacket *packet = &batch[waiting[0]]
    cdef Verdict verdict = decode_frame(
        decoding, link, walk.data + frame, walk.data + frame + length, packet)
    if verdict == DECLINED:
        return 0
    walk.number += 1
    note_time(counts, time_ns)
    if verdict == NOT_IP:
        counts.not_ip += 1
    elif verdict == ICMP_MESSAGE:
        counts.icmp += 1
    else:
        packet.key.word[5] |= interface << 32
        packet.hash = hash_key(&decoding.table, &packet.key)
        packet.time_ns = time_ns
        packet.number = walk.number
        packet.part = walk.part
        packet.unreachable = 0
        packet.fragment = 0
        otterize_prefetch(&decoding.table.slots[first_slot(&decoding.table, packet.hash)])
        waiting[0] += 1
    return 1


cdef inline Outcome keep_payload(Walk *walk, const CPacket *packet) noexcept nogil:
    """Note a packet whose payload names are perhaps read from."""
    cdef CPacket *kept
    cdef uint64_t room
    if walk.kept_count == walk.kept_room:
        room = walk.kept_room * 2 if walk.kept_room else FIRST_KEPT
        kept = <CPacket *>realloc(walk.kept, room * sizeof(CPacket))
        if kept == NULL:
            return NO_MEMORY
        walk.kept, walk.kept_room = kept, room
    walk.kept[walk.kept_count] = packet[0]
    walk.kept_count += 1
    return DONE


cdef inline Outcome flush(
    Decoding *decoding, Walk *walk, CPacket *batch, int waiting
) noexcept nogil:
    """Put a batch into the table, in order."""
    cdef Table *table = &decoding.table
    cdef Outcome outcome
    cdef uint32_t row
    cdef int i
    for i in range(waiting):
        row = table.slots[first_slot(table, batch[i].hash)].row
        if row:
            prefetch_row(row_at(table, row - 1))
    for i in range(waiting):
        outcome = add_packet(table, &batch[i])
        if batch[i].payload_length and outcome == DONE:
            outcome = keep_payload(walk, &batch[i])
        if outcome != DONE:
            return outcome
    return DONE


cdef inline void prefetch_row(const CRow *row) noexcept nogil:
    """All cache lines of a row; without the last, 600,000 connections take 8 % longer."""
    otterize_prefetch(row)
    otterize_prefetch(<const uint8_t *>row + 64)
    otterize_prefetch(<const uint8_t *>row + 128)
