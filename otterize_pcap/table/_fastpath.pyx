# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The hot path, compiled: buffer of records → the rows that `connections.ConnectionTable` has.

`_fast_frames.pxi` says which frames it takes. It stops in front of every other one, and the
caller lets `decode` do that one and hands the packet to `add`: there is one order of packets and
one table, whoever decoded them. Nothing here trusts a length that was not checked against the
bytes that are there, and nothing holds the GIL while it walks.

Records are decoded in batches: first all headers of a batch, then their places in the index, then
the rows, so that memory answers for several packets at once. With a million connections that is
2.3 times as fast as one by one; with twenty thousand it makes no difference.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from otterize_pcap.table.rows import Row, Side, too_many_connections
from otterize_pcap.packets.packet import Tunnel

include "_fast_table.pxi"
include "_fast_frames.pxi"

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
    MAX_CAPTURED = 262144
    MAX_INTERFACES = 64
    MAX_PATHS = (1 << 24) - 1

# Why a walk ended.
NEED_MORE = 0
"""The buffer ends within a record."""
AT_STOP = 1
"""The next record begins where the walk was to stop, or behind."""
DECLINE = 2
"""The next record is the caller's."""

cdef enum:
    ENDED_NEED_MORE = 0
    ENDED_AT_STOP = 1
    ENDED_DECLINE = 2
    RUNNING = 3

TUNNEL_KINDS = ("vxlan", "geneve", "ipip", "ip6ip", "vxlan-gpe", "gre", "nvgre", "erspan")
_KIND_NUMBERS = {kind: number for number, kind in enumerate(TUNNEL_KINDS)}

cdef struct Counts:
    uint64_t not_ip
    uint64_t icmp
    int64_t first_ns
    int64_t last_ns
    uint64_t timed

# One interface of a pcapng section; `multiplier` 0 where its clock is not for the hot path.
cdef struct Clock:
    uint32_t link_type
    uint32_t multiplier

cdef struct Walk:
    const uint8_t *data
    ptrdiff_t at
    ptrdiff_t end
    ptrdiff_t stop
    uint64_t number
    uint64_t interface
    uint32_t part
    uint32_t link_type
    uint32_t tick_ns
    uint32_t header_length
    bint swapped
    uint32_t clocks
    Clock clock[MAX_INTERFACES]


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
    if time_ns < counts.first_ns or counts.timed == 0:
        counts.first_ns = time_ns
    if time_ns > counts.last_ns or counts.timed == 0:
        counts.last_ns = time_ns
    counts.timed = 1


cdef inline int take_frame(
    Decoding *decoding, Counts *counts, Walk *walk, uint32_t link_type, uint64_t interface,
    ptrdiff_t frame, ptrdiff_t length, int64_t time_ns, CPacket *batch, int *waiting
) noexcept nogil:
    """Decode one frame into the batch, or count it; 0 where the caller has to."""
    cdef CPacket *packet = &batch[waiting[0]]
    cdef Verdict verdict = decode_frame(
        decoding, link_type, walk.data + frame, walk.data + frame + length, packet)
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


cdef Outcome flush(Decoding *decoding, CPacket *batch, int waiting) noexcept nogil:
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
        if outcome != DONE:
            return outcome
    return DONE


cdef inline void look_ahead(
    const Table *table, const Table *later, uint64_t index, const uint32_t *paths
) noexcept nogil:
    """Have in the cache what the rows a little later will be looked up in: slot, then row."""
    cdef Slot *slot
    if index + 2 * AHEAD < later.rows:
        otterize_prefetch(slot_of(table, row_at(later, index + 2 * AHEAD), paths))
    if index + AHEAD < later.rows:
        slot = slot_of(table, row_at(later, index + AHEAD), paths)
        if slot.row:
            prefetch_row(row_at(table, slot.row - 1))


cdef inline Slot *slot_of(
    const Table *table, const CRow *later, const uint32_t *paths
) noexcept nogil:
    cdef Key key = later.key
    key.word[4] = move_path(key.word[4], paths)
    return &table.slots[first_slot(table, hash_key(table, &key))]


cdef inline void prefetch_row(const CRow *row) noexcept nogil:
    otterize_prefetch(row)
    otterize_prefetch(<const uint8_t *>row + 64)
    otterize_prefetch(<const uint8_t *>row + 128)


cdef inline uint64_t move_path(uint64_t word, const uint32_t *paths) noexcept nogil:
    """Word 4 of a key with the number that its tunnel path has in another table."""
    return (word & ~<uint64_t>0xFFFFFF00) | <uint64_t>paths[(word >> 8) & 0xFFFFFF] << 8


cdef int walk_pcap(Decoding *decoding, Counts *counts, Walk *walk, Outcome *outcome) noexcept nogil:
    """Take pcap records from the buffer until one of the reasons to end."""
    cdef CPacket batch[BATCH]
    cdef int waiting, ended = RUNNING
    cdef ptrdiff_t frame
    cdef uint32_t captured
    cdef int64_t time_ns
    while ended == RUNNING:
        waiting = 0
        while waiting < BATCH:
            if walk.at >= walk.stop:
                ended = ENDED_AT_STOP
                break
            if walk.end - walk.at < <ptrdiff_t>walk.header_length:
                ended = ENDED_NEED_MORE
                break
            captured = field32(walk, walk.at + 8)
            if captured == 0 or captured > MAX_CAPTURED:
                ended = ENDED_DECLINE
                break
            frame = walk.at + walk.header_length
            if walk.end - frame < <ptrdiff_t>captured:
                ended = ENDED_NEED_MORE
                break
            time_ns = (<int64_t>field32(walk, walk.at) * 1_000_000_000
                       + <int64_t>field32(walk, walk.at + 4) * walk.tick_ns)
            if not take_frame(decoding, counts, walk, walk.link_type, 0, frame, captured, time_ns,
                              batch, &waiting):
                ended = ENDED_DECLINE
                break
            walk.at = frame + captured
        outcome[0] = flush(decoding, batch, waiting)
        if outcome[0] != DONE:
            break
    return ended


cdef int walk_pcapng(
    Decoding *decoding, Counts *counts, Walk *walk, Outcome *outcome
) noexcept nogil:
    """Take Enhanced Packet Blocks from the buffer until one of the reasons to end."""
    cdef CPacket batch[BATCH]
    cdef int waiting, ended = RUNNING
    cdef uint32_t length, index, captured
    cdef uint64_t units
    cdef Clock *clock
    while ended == RUNNING:
        waiting = 0
        while waiting < BATCH:
            if walk.at >= walk.stop:
                ended = ENDED_AT_STOP
                break
            if walk.end - walk.at < 12:
                ended = ENDED_NEED_MORE
                break
            length = field32(walk, walk.at + 4)
            if field32(walk, walk.at) != 6 or length < 32 or length % 4 or length > (16 << 20):
                ended = ENDED_DECLINE
                break
            if walk.end - walk.at < <ptrdiff_t>length:
                ended = ENDED_NEED_MORE
                break
            index = field32(walk, walk.at + 8)
            captured = field32(walk, walk.at + 20)
            if (field32(walk, walk.at + length - 4) != length or index >= walk.clocks
                    or captured > length - 32 or captured > MAX_CAPTURED):
                ended = ENDED_DECLINE
                break
            clock = &walk.clock[index]
            units = <uint64_t>field32(walk, walk.at + 12) << 32 | field32(walk, walk.at + 16)
            if (clock.multiplier == 0
                    or units > <uint64_t>0x7FFFFFFFFFFFFFFF / clock.multiplier
                    or has_drops(walk, walk.at + 28 + ((captured + 3) & ~<uint32_t>3),
                                 walk.at + length - 4)
                    or not take_frame(decoding, counts, walk, clock.link_type,
                                      walk.interface + index, walk.at + 28, captured,
                                      <int64_t>(units * clock.multiplier), batch, &waiting)):
                ended = ENDED_DECLINE
                break
            walk.at += length
        outcome[0] = flush(decoding, batch, waiting)
        if outcome[0] != DONE:
            break
    return ended


cdef bint has_drops(const Walk *walk, ptrdiff_t at, ptrdiff_t end) noexcept nogil:
    """Whether a block's options hold epb_dropcount (4), which the caller adds up."""
    cdef uint32_t code, length
    while end - at >= 4:
        code = field16(walk, at)
        length = field16(walk, at + 2)
        at += 4
        if code == 0 or end - at < <ptrdiff_t>length:
            return False
        if code == 4:
            return True
        at += (length + 3) & ~<uint32_t>3
    return False


cdef class FastTable:
    """A connection table in C, with the interface of `ConnectionTable`.

    Raises `CaptureError` where more than `max_rows` rows would be needed.
    """

    cdef Decoding decoding
    cdef Counts counts
    cdef dict path_numbers
    cdef list path_tunnels
    cdef public uint64_t max_rows

    def __cinit__(
        self, max_rows, bytes secret, vxlan_ports, geneve_ports, declined_ports, bint collect_names
    ):
        cdef const uint8_t *seed = secret
        if len(secret) != sizeof(self.decoding.table.secret):
            raise ValueError("the secret is 56 bytes")
        memcpy(self.decoding.table.secret, seed, sizeof(self.decoding.table.secret))
        self.decoding.table.secret[6] |= 1
        self.decoding.table.max_rows = self.max_rows = max_rows
        self.decoding.table.slot_bits = 10
        self.decoding.table.slots = <Slot *>calloc(1 << 10, sizeof(Slot))
        self.decoding.table.chunk_room = 64
        self.decoding.table.chunks = <CRow **>malloc(64 * sizeof(CRow *))
        self.decoding.paths.slot_bits = 6
        self.decoding.paths.slots = <Slot *>calloc(1 << 6, sizeof(Slot))
        self.decoding.paths.room = 16
        self.decoding.paths.keys = <Key *>malloc(16 * sizeof(Key))
        if (self.decoding.table.slots == NULL or self.decoding.table.chunks == NULL
                or self.decoding.paths.slots == NULL or self.decoding.paths.keys == NULL):
            raise MemoryError
        self.path_numbers = {(): 0}
        self.path_tunnels = [()]
        self.decoding.collect_names = collect_names
        for port in vxlan_ports:
            self.decoding.port_use[<uint16_t>port] |= PORT_VXLAN
        for port in geneve_ports:
            self.decoding.port_use[<uint16_t>port] |= PORT_GENEVE
        for port in declined_ports:
            self.decoding.port_use[<uint16_t>port] |= PORT_DECLINED
        for port in (53, 5353):
            self.decoding.port_use[<uint16_t>port] |= PORT_DNS

    def __dealloc__(self):
        cdef uint64_t chunk
        if self.decoding.table.chunks != NULL:
            for chunk in range((self.decoding.table.rows + CHUNK_ROWS - 1) >> CHUNK_BITS):
                free(self.decoding.table.chunks[chunk])
        free(self.decoding.table.chunks)
        free(self.decoding.table.slots)
        free(self.decoding.paths.slots)
        free(self.decoding.paths.keys)

    def __len__(self):
        return self.decoding.table.rows

    @property
    def not_ip(self):
        """Frames counted here that hold no IP packet."""
        return self.counts.not_ip

    @property
    def icmp(self):
        """Frames counted here that hold an ICMP message which refuses nothing."""
        return self.counts.icmp

    @property
    def paths(self):
        """The tunnel paths that packets came through."""
        return self.path_tunnels

    @property
    def times(self):
        """First and last time of the records taken here, or None where there was none."""
        return (self.counts.first_ns, self.counts.last_ns) if self.counts.timed else None

    def walk_pcap(
        self, const uint8_t[::1] buffer, start, end, stop, header, uint64_t number, uint32_t part
    ):
        """Take pcap records from `buffer[start:end]`, none that begins at `stop` or later.

        `header` is a `pcap.PcapHeader`, `number` that of the record before.

        Returns:
            Why it ended, where the next record begins, and the number of the last one taken.
        """
        cdef Walk walk
        walk.link_type = header.link_type
        walk.tick_ns = header.tick_ns
        walk.header_length = header.header_length
        return self._walk(&walk, buffer, start, end, stop, header.order == ">", number, part, False)

    def walk_pcapng(
        self, const uint8_t[::1] buffer, start, end, stop, order, interfaces, first_interface,
        uint64_t number, uint32_t part
    ):
        """The same with pcapng packet blocks; `interfaces` are `pcapng.Interface` values."""
        cdef Walk walk
        walk.clocks = min(<uint32_t>len(interfaces), <uint32_t>MAX_INTERFACES)
        walk.interface = first_interface
        for index in range(walk.clocks):
            interface = interfaces[index]
            walk.clock[index].link_type = interface.link_type
            usable = interface.divisor == 1 and interface.offset_ns == 0
            walk.clock[index].multiplier = interface.multiplier if usable else 0
        return self._walk(&walk, buffer, start, end, stop, order == ">", number, part, True)

    cdef _walk(
        self, Walk *walk, const uint8_t[::1] buffer, ptrdiff_t start, ptrdiff_t end,
        ptrdiff_t stop, bint big_endian, uint64_t number, uint32_t part, bint is_pcapng
    ):
        cdef Outcome outcome = DONE
        cdef int ended
        cdef uint16_t probe = 1
        cdef bint host_is_big = (<uint8_t *>&probe)[0] == 0
        if not 0 <= start <= end <= buffer.shape[0]:
            raise ValueError("not within the buffer")
        if start == end:
            return NEED_MORE, start, number
        walk.data = &buffer[0]
        walk.at, walk.end, walk.stop = start, end, stop
        walk.number, walk.part = number, part
        walk.swapped = big_endian != host_is_big
        with nogil:
            if is_pcapng:
                ended = walk_pcapng(&self.decoding, &self.counts, walk, &outcome)
            else:
                ended = walk_pcap(&self.decoding, &self.counts, walk, &outcome)
        self._check(outcome)
        return ended, walk.at, walk.number

    cdef _check(self, Outcome outcome):
        if outcome == FULL:
            raise too_many_connections(self.max_rows)
        if outcome == NO_MEMORY:
            raise MemoryError

    def add(self, packet, int64_t time_ns, uint64_t number, uint64_t interface, uint32_t part=0):
        """Count a packet that the reference decoded."""
        cdef CPacket taken
        cdef bytes source = packet.source, destination = packet.destination
        cdef const uint8_t *sender = source
        cdef const uint8_t *receiver = destination
        if len(source) != 16 or len(destination) != 16:
            raise ValueError("addresses are 16 bytes")
        taken.key.word[5] = interface
        set_key(&taken, be64(sender), be64(sender + 8), be64(receiver), be64(receiver + 8),
                packet.source_port, packet.destination_port, self._path(packet.tunnels),
                packet.protocol)
        taken.hash = hash_key(&self.decoding.table, &taken.key)
        taken.time_ns = time_ns
        taken.number = number
        taken.part = part
        taken.length = packet.length
        taken.flags = packet.flags
        taken.seq = packet.seq
        taken.ack = packet.ack
        taken.hint = packet.hint
        taken.unreachable = packet.unreachable
        taken.fragment = packet.fragment
        taken.has_timestamp = packet.timestamp is not None
        taken.timestamp = packet.timestamp or 0
        self._check(add_packet(&self.decoding.table, &taken))

    cdef uint64_t _path(self, tuple tunnels) except? 0:
        """The number of a tunnel path; from now on the hot path knows it."""
        cdef uint64_t number, parent
        cdef Key key
        cdef bytes low, high
        known = self.path_numbers.get(tunnels)
        if known is not None:
            return known
        *outer, innermost = tunnels
        parent = self._path(tuple(outer))
        if self.decoding.paths.count >= MAX_PATHS:
            raise too_many_connections(self.max_rows)
        low, high = innermost.low, innermost.high
        key.word[0], key.word[1] = be64(<const uint8_t *>low), be64(<const uint8_t *>low + 8)
        key.word[2], key.word[3] = be64(<const uint8_t *>high), be64(<const uint8_t *>high + 8)
        key.word[4] = parent << 8 | <uint64_t>_KIND_NUMBERS[innermost.kind]
        key.word[5] = 0
        self._remember_path(&key)
        number = self.decoding.paths.count
        self.path_numbers[tunnels] = number
        self.path_tunnels.append(tunnels)
        return number

    cdef int _remember_path(self, const Key *key) except -1:
        cdef Paths *paths = &self.decoding.paths
        cdef uint64_t hash_, place, index
        cdef Slot *slots
        cdef Key *keys
        cdef int bits
        if paths.count == paths.room:
            keys = <Key *>realloc(paths.keys, paths.room * 2 * sizeof(Key))
            if keys == NULL:
                raise MemoryError
            paths.keys, paths.room = keys, paths.room * 2
        paths.keys[paths.count] = key[0]
        paths.count += 1
        bits = paths.slot_bits
        if paths.count * 2 > <uint64_t>1 << bits:
            bits += 1
            slots = <Slot *>calloc(<size_t>1 << bits, sizeof(Slot))
            if slots == NULL:
                raise MemoryError
            free(paths.slots)
            paths.slots, paths.slot_bits = slots, bits
            index = 0
        else:
            index = paths.count - 1
        while index < paths.count:
            hash_ = hash_key(&self.decoding.table, &paths.keys[index])
            place = hash_ >> (64 - bits)
            while paths.slots[place].row:
                place = (place + 1) & ((<uint64_t>1 << bits) - 1)
            paths.slots[place].tag = <uint32_t>(hash_ >> 32)
            index += 1
            paths.slots[place].row = <uint32_t>index
        return 0

    def concat(self, FastTable later):
        """Append the table of the part of the recording that follows; it is empty afterwards.

        Its memory is given back while its rows move, so that two tables never take the room of
        both.
        """
        cdef Table *table = &self.decoding.table
        cdef Outcome outcome = DONE
        cdef uint64_t index
        cdef uint32_t path
        cdef CRow row
        cdef uint32_t *paths = <uint32_t *>malloc((len(later.path_tunnels)) * sizeof(uint32_t))
        if paths == NULL:
            raise MemoryError
        try:
            if later is self:
                raise ValueError("a table cannot follow itself")
            for path, tunnels in enumerate(later.path_tunnels):
                paths[path] = <uint32_t>self._path(tunnels)
            with nogil:
                for index in range(later.decoding.table.rows):
                    look_ahead(table, &later.decoding.table, index, paths)
                    row = row_at(&later.decoding.table, index)[0]
                    row.key.word[4] = move_path(row.key.word[4], paths)
                    outcome = place_row(table, &row)
                    if outcome != DONE:
                        break
                    if (index & (CHUNK_ROWS - 1)) == CHUNK_ROWS - 1:
                        free_chunk(&later.decoding.table, index >> CHUNK_BITS)
                empty_table(&later.decoding.table)
        finally:
            free(paths)
        self._check(outcome)
        self.counts.not_ip += later.counts.not_ip
        self.counts.icmp += later.counts.icmp
        if later.counts.timed:
            note_time(&self.counts, later.counts.first_ns)
            note_time(&self.counts, later.counts.last_ns)

    def shift_numbers(self, uint64_t offset):
        """Move packet numbers on, once it is known how many packets came before."""
        cdef uint64_t index
        with nogil:
            for index in range(self.decoding.table.rows):
                row_at(&self.decoding.table, index).number += offset

    def rows(self):
        """The rows, in the order in which their first packets came."""
        cdef uint64_t index
        for index in range(self.decoding.table.rows):
            yield self._as_row(row_at(&self.decoding.table, index))

    cdef _as_row(self, const CRow *row):
        cdef uint64_t word = row.key.word[4]
        cdef bint has_client = row.client != NO_CLIENT
        return Row(
            word & 0xFF,
            self.path_tunnels[(word >> 8) & 0xFFFFFF],
            row.key.word[5],
            (address(row.key.word[0], row.key.word[1]), word >> 48),
            (address(row.key.word[2], row.key.word[3]), (word >> 32) & 0xFFFF),
            row.slot,
            row.number,
            row.first_sender,
            row.first_ns,
            row.last_ns,
            row.client if has_client else None,
            row.client_isn if has_client else None,
            row.server_isn if row.has_server_isn else None,
            row.part,
            (side(&row.sides[0]), side(&row.sides[1])),
        )


cdef bytes address(uint64_t high, uint64_t low):
    cdef uint8_t out[16]
    cdef int i
    for i in range(8):
        out[i] = <uint8_t>(high >> (56 - 8 * i))
        out[8 + i] = <uint8_t>(low >> (56 - 8 * i))
    return (<char *>out)[:16]


cdef side(const CSide *side):
    return Side(
        side.packets,
        side.bytes,
        side.flags,
        side.syns,
        side.syn_acks,
        side.ack_first if side.has & HAS_ACK else None,
        side.seq_first if side.has & HAS_SEQ else None,
        side.seq_last if side.has & HAS_SEQ else None,
        side.timestamp if side.has & HAS_TIMESTAMP else None,
        side.hints,
        side.unreachable,
    )


include "_fast_index.pxi"
include "_fast_groups.pxi"
include "_fast_slots.pxi"
include "_fast_ends.pxi"
include "_fast_datagrams.pxi"
include "_fast_grouping.pxi"
