# cython: cdivision=True
# Buffer of records → rows, in C, until a record that is the caller's.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from otterize_pcap.table._batch cimport (
    BATCH,
    Clock,
    Counts,
    Source,
    Walk,
    field16,
    field32,
    flush,
    take_frame,
)
from otterize_pcap.table._frames cimport Decoding
from otterize_pcap.table._numbers cimport (
    ENHANCED_PACKET,
    EPB_DROPCOUNT,
    MAX_BLOCK,
    MAX_CAPTURED,
    ZERO_RUN,
)
from otterize_pcap.table._row cimport CPacket
from otterize_pcap.table._rows cimport DONE, Outcome

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(_WIN32)
    static int64_t otterize_read_at(int descriptor, void *into, size_t room, int64_t offset) {
        (void)descriptor; (void)into; (void)room; (void)offset;
        return -1;
    }
    #else
    #include <unistd.h>
    static int64_t otterize_read_at(int descriptor, void *into, size_t room, int64_t offset) {
        return (int64_t)pread(descriptor, into, room, (off_t)offset);
    }
    #endif
    """
    int64_t otterize_read_at(
        int descriptor, void *into, size_t room, int64_t offset) noexcept nogil

cdef enum:
    ENDED_NEED_MORE = 0
    ENDED_AT_STOP = 1
    ENDED_DECLINE = 2
    RUNNING = 3

cdef inline bint has_zeros(const Walk *walk, ptrdiff_t at) noexcept nogil:
    """Whether the next `ZERO_RUN` bytes are zeros."""
    cdef uint64_t word[2]
    memcpy(&word[0], walk.data + at, ZERO_RUN)
    return (word[0] | word[1]) == 0


cdef inline int take_record(
    Decoding *decoding, Counts *counts, Walk *walk, CPacket *batch, int *waiting
) noexcept nogil:
    """Take one pcap record: seconds, fraction of a second, captured and original length."""
    cdef ptrdiff_t frame
    cdef uint32_t captured
    cdef int64_t time_ns
    if walk.end - walk.at < <ptrdiff_t>walk.header_length:
        return ENDED_NEED_MORE
    captured = field32(walk, walk.at + 8)
    if captured == 0 or captured > MAX_CAPTURED:
        return ENDED_DECLINE
    frame = walk.at + walk.header_length
    if walk.end - frame < <ptrdiff_t>captured:
        return ENDED_NEED_MORE
    # Shorter ones hold no packet, and are declined as frames.
    if captured >= ZERO_RUN and has_zeros(walk, frame + captured - ZERO_RUN):
        if walk.end - frame - <ptrdiff_t>captured < ZERO_RUN:
            if not walk.is_whole:
                return ENDED_NEED_MORE
            # With nothing behind it, only a record of nothing else is damage.
            if walk.end != frame + <ptrdiff_t>captured or has_zeros(walk, frame):
                return ENDED_DECLINE
        elif has_zeros(walk, frame + captured):
            return ENDED_DECLINE
    time_ns = (<int64_t>field32(walk, walk.at) * 1_000_000_000
               + <int64_t>field32(walk, walk.at + 4) * walk.tick_ns)
    if not take_frame(decoding, counts, walk, walk.link, 0, frame, captured, time_ns, batch,
                      waiting):
        return ENDED_DECLINE
    walk.at = frame + captured
    return RUNNING


cdef inline int take_block(
    Decoding *decoding, Counts *counts, Walk *walk, CPacket *batch, int *waiting
) noexcept nogil:
    """Take one Enhanced Packet Block of pcapng."""
    cdef uint32_t length, index, captured
    cdef uint64_t units
    cdef Clock *clock
    if walk.end - walk.at < 12:
        return ENDED_NEED_MORE
    length = field32(walk, walk.at + 4)
    if (field32(walk, walk.at) != ENHANCED_PACKET or length < 32 or length % 4
            or length > MAX_BLOCK):
        return ENDED_DECLINE
    if walk.end - walk.at < <ptrdiff_t>length:
        return ENDED_NEED_MORE
    index = field32(walk, walk.at + 8)
    captured = field32(walk, walk.at + 20)
    if (field32(walk, walk.at + length - 4) != length or index >= walk.clocks
            or captured > length - 32 or captured > MAX_CAPTURED):
        return ENDED_DECLINE
    clock = &walk.clock[index]
    units = <uint64_t>field32(walk, walk.at + 12) << 32 | field32(walk, walk.at + 16)
    if (clock.multiplier == 0
            or units > <uint64_t>0x7FFFFFFFFFFFFFFF / clock.multiplier
            or has_drops(walk, walk.at + 28 + ((captured + 3) & ~<uint32_t>3),
                         walk.at + length - 4)
            or not take_frame(decoding, counts, walk, clock.link, walk.interface + index,
                              walk.at + 28, captured, <int64_t>(units * clock.multiplier),
                              batch, waiting)):
        return ENDED_DECLINE
    walk.at += length
    return RUNNING


cdef inline int walk_buffer(
    Decoding *decoding, Counts *counts, Walk *walk, bint is_pcapng, Outcome *outcome
) noexcept nogil:
    """Take records or blocks from the buffer until one of the reasons to end."""
    cdef CPacket batch[BATCH]
    cdef int waiting, ended = RUNNING
    while ended == RUNNING:
        waiting = 0
        while waiting < BATCH and ended == RUNNING:
            if walk.at >= walk.stop:
                ended = ENDED_AT_STOP
            elif is_pcapng:
                ended = take_block(decoding, counts, walk, batch, &waiting)
            else:
                ended = take_record(decoding, counts, walk, batch, &waiting)
        outcome[0] = flush(decoding, walk, batch, waiting)
        if outcome[0] != DONE:
            break
    return ended


cdef inline int walk_on(
    Decoding *decoding, Counts *counts, Walk *walk, bint is_pcapng, Outcome *outcome
) noexcept nogil:
    """The same, reading on where the walk has a file."""
    cdef int ended
    while True:
        ended = walk_buffer(decoding, counts, walk, is_pcapng, outcome)
        # Payloads that are kept lie in the buffer.
        if (ended != ENDED_NEED_MORE or outcome[0] != DONE or walk.kept_count
                or not read_on(walk)):
            return ended


cdef inline bint read_on(Walk *walk) noexcept nogil:
    """Read a block more behind what is left; False where the caller has to: also where it ends."""
    cdef Source *source = &walk.source
    cdef uint8_t *data = <uint8_t *>walk.data
    cdef ptrdiff_t left = walk.end - walk.at
    cdef int64_t read
    if source.descriptor < 0 or source.blocks == 0 or left == source.room:
        return False
    memmove(data, data + walk.at, left)
    walk.stop -= walk.at
    source.passed += walk.at
    walk.at, walk.end = 0, left
    read = otterize_read_at(source.descriptor, data + left, source.room - left, source.offset)
    if read <= 0:
        return False
    source.blocks -= 1
    source.offset += read
    source.read += read
    walk.end += read
    return True


cdef inline bint has_drops(const Walk *walk, ptrdiff_t at, ptrdiff_t end) noexcept nogil:
    """Whether a block's options hold epb_dropcount , which the caller adds up."""
    cdef uint32_t code, length
    while end - at >= 4:
        code = field16(walk, at)
        length = field16(walk, at + 2)
        at += 4
        if code == 0 or end - at < <ptrdiff_t>length:
            return False
        if code == EPB_DROPCOUNT:
            return True
        at += (length + 3) & ~<uint32_t>3
    return False
