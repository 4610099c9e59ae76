# cython: cdivision=True
# One row of a connection table in C, the key it is found by, and what is done to it alone.
#
# A header: what it defines is compiled into every module that uses it, so that a step of the hot
# path never goes through a pointer to another module.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.table._numbers cimport ACK, FIN, MOST_COUNTED, RST, SLOT_NS, SYN, TCP, UDP

cdef enum:
    NO_CLIENT = 2
    HAS_ACK = 1
    HAS_SEQ = 2
    HAS_TIMESTAMP = 4
    HAS_TIMES = 8
    # As the fields below have.
    NUMBER_BITS = 40
    PACKETS_BITS = 40
    BYTES_BITS = 56

cdef extern from *:
    """
    #include <stdint.h>
    typedef struct { uint64_t word[6]; } otterize_key;
    /* A million of packets a second make 2^40 of them in twelve days, of 2^56 bytes at most. */
    typedef struct {
        uint64_t packets : 40, syns : 16, hints : 8;
        uint64_t bytes : 56, has : 8;
        int64_t first_ns, last_ns;
        uint32_t ack_first, seq_first, seq_last, timestamp;
        uint16_t syn_acks, unreachable, station, flags;
    } otterize_side;
    /* Three lines of the cache. */
    typedef struct {
        otterize_key key;
        otterize_side sides[2];
        int64_t first_ns, last_ns;
        uint64_t number : 40, part : 20, first_sender : 1, client : 2, has_server_isn : 1;
        uint32_t client_isn, server_isn;
    } otterize_row;
    """
    # Word 0 to 3: low and high address, each two halves as big-endian numbers. Word 4: low port
    # (16 bits), high port (16), tunnel path (24), protocol (8). Word 5: interface.
    ctypedef struct Key "otterize_key":
        uint64_t word[6]

    # `first_ns`, `last_ns` and `station`, a number in the table's `stations`, hold where `has` says
    # HAS_TIMES. `syns`, `syn_acks` and `unreachable` count up to `MOST_COUNTED`.
    ctypedef struct CSide "otterize_side":
        uint64_t packets
        uint64_t bytes
        int64_t first_ns
        int64_t last_ns
        uint32_t ack_first
        uint32_t seq_first
        uint32_t seq_last
        uint32_t timestamp
        uint16_t syns
        uint16_t syn_acks
        uint16_t unreachable
        uint16_t station
        uint16_t flags
        uint8_t hints
        uint8_t has

    ctypedef struct CRow "otterize_row":
        Key key
        CSide sides[2]
        int64_t first_ns
        int64_t last_ns
        uint64_t number
        uint32_t client_isn
        uint32_t server_isn
        uint32_t part
        uint8_t first_sender
        uint8_t client
        uint8_t has_server_isn

# What decoding one frame yields; `station` is `link_layer.station_of`. Where `payload_length` is not
# zero, names are perhaps read from the payload, which is where the frame is.
cdef struct CPacket:
    Key key
    uint64_t hash
    uint64_t station
    int64_t time_ns
    uint64_t number
    const uint8_t *payload
    uint32_t payload_length
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


cdef inline bint same_slot(int64_t one_ns, int64_t other_ns) noexcept nogil:
    """`rows.Row.slot`; times are never negative (`stream.clamp_time`)."""
    return one_ns // SLOT_NS == other_ns // SLOT_NS


cdef inline bint same_key(const Key *one, const Key *other) noexcept nogil:
    return ((one.word[0] ^ other.word[0]) | (one.word[1] ^ other.word[1])
            | (one.word[2] ^ other.word[2]) | (one.word[3] ^ other.word[3])
            | (one.word[4] ^ other.word[4]) | (one.word[5] ^ other.word[5])) == 0


cdef inline void note_flags(CRow *row, CSide *side, const CPacket *packet) noexcept nogil:
    """`rows._note_flags`, on a row that may have begun earlier."""
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
        side.syn_acks += side.syn_acks < MOST_COUNTED
        if not row.has_server_isn:
            row.has_server_isn = 1
            row.server_isn = packet.seq
    else:
        side.syns += side.syns < MOST_COUNTED


cdef inline void note_sending(CSide *side, int64_t first_ns, int64_t last_ns) noexcept nogil:
    """`rows.Side.note_times`."""
    if not side.has & HAS_TIMES:
        side.has |= HAS_TIMES
        side.first_ns, side.last_ns = first_ns, last_ns
        return
    if first_ns < side.first_ns:
        side.first_ns = first_ns
    if last_ns > side.last_ns:
        side.last_ns = last_ns


cdef inline void append_side(CSide *side, const CSide *later) noexcept nogil:
    """`rows.Side.append`."""
    if later.has & HAS_TIMES:
        if not side.has & HAS_TIMES:
            side.station = later.station
        note_sending(side, later.first_ns, later.last_ns)
    side.packets += later.packets
    side.bytes += later.bytes
    side.flags |= later.flags
    side.syns = counted(side.syns, later.syns)
    side.syn_acks = counted(side.syn_acks, later.syn_acks)
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
    side.unreachable = counted(side.unreachable, later.unreachable)


cdef inline uint16_t counted(uint32_t one, uint32_t more) noexcept nogil:
    return <uint16_t>min(one + more, <uint32_t>MOST_COUNTED)


cdef inline uint32_t be16(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 8 | at[1]


cdef inline uint32_t be32(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3]


cdef inline uint64_t be64(const uint8_t *at) noexcept nogil:
    return <uint64_t>be32(at) << 32 | be32(at + 4)


cdef inline bytes address(uint64_t high, uint64_t low):
    cdef uint8_t out[16]
    cdef int i
    for i in range(8):
        out[i] = <uint8_t>(high >> (56 - 8 * i))
        out[8 + i] = <uint8_t>(low >> (56 - 8 * i))
    return (<char *>out)[:16]
