# cython: cdivision=True
# Tunnels: what a path is known by, and how the common ones are opened.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from otterize_pcap.table._links cimport ACCEPTED, DECLINED, Verdict, open_ethernet
from otterize_pcap.table._numbers cimport IPV4, IPV6, TRANSPARENT_ETHERNET
from otterize_pcap.table._row cimport Key, be16, same_key
from otterize_pcap.table._rows cimport DONE, FULL, NO_MEMORY, Outcome, Slot, Table, hash_key

# The first of `TUNNEL_KINDS`.
cdef enum:
    KIND_VXLAN = 0
    KIND_GENEVE = 1
    KIND_IPIP = 2
    KIND_IP6IP = 3
    FAST_TUNNELS = 2
    MAX_PATHS = (1 << 24) - 1

# One tunnel path: the path it is inside of, its kind, its addresses; found by `Key` with the
# parent and kind in word 4 and nothing in word 5. `unknown` is the path for whose sake alone a frame
# was declined, with 1 in word 5.
cdef struct Paths:
    Slot *slots
    Key *keys
    Key *unknown
    uint64_t count
    uint64_t room
    int slot_bits

# The two outer addresses of a tunnel, each in halves.
cdef struct Ends:
    uint64_t source_high
    uint64_t source_low
    uint64_t target_high
    uint64_t target_low


cdef inline Verdict open_vxlan(const uint8_t **data, const uint8_t *end) noexcept nogil:
    """`tunnels._open_vxlan`; `data` is at the UDP header."""
    if end - data[0] < 16 or not data[0][8] & 0x08:
        return DECLINED
    data[0] += 16
    return open_ethernet(data, end)


cdef inline Verdict open_geneve(const uint8_t **data, const uint8_t *end) noexcept nogil:
    """`tunnels._open_geneve`; `data` is at the UDP header."""
    cdef ptrdiff_t header
    cdef uint32_t protocol
    if end - data[0] < 16 or data[0][8] >> 6:
        return DECLINED
    header = 16 + (data[0][8] & 0x3F) * 4
    protocol = be16(data[0] + 10)
    if end - data[0] < header:
        return DECLINED
    data[0] += header
    if protocol == TRANSPARENT_ETHERNET:
        return open_ethernet(data, end)
    return ACCEPTED if protocol == IPV4 or protocol == IPV6 else DECLINED


cdef inline uint64_t path_place(const Table *table, const Paths *paths, const Key *key) noexcept nogil:
    """The slot of a path's key, or the empty one where it belongs."""
    cdef uint64_t hash_ = hash_key(table, key)
    cdef uint32_t tag = <uint32_t>(hash_ >> 32)
    cdef uint64_t mask = (<uint64_t>1 << paths.slot_bits) - 1
    cdef uint64_t place = hash_ >> (64 - paths.slot_bits)
    while paths.slots[place].row:
        if paths.slots[place].tag == tag and same_key(
                &paths.keys[paths.slots[place].row - 1], key):
            break
        place = (place + 1) & mask
    return place


cdef inline Verdict enter(
    const Table *table, const Paths *paths, uint64_t *path, int *tunnels, uint64_t kind,
    const Ends *ends
) noexcept nogil:
    """Step into a tunnel whose path is known already; another is left in `paths.unknown`."""
    cdef Key key
    cdef uint64_t place
    tunnels[0] += 1
    if tunnels[0] > FAST_TUNNELS:
        return DECLINED
    if ends.source_high < ends.target_high or (
            ends.source_high == ends.target_high and ends.source_low <= ends.target_low):
        key.word[0], key.word[1] = ends.source_high, ends.source_low
        key.word[2], key.word[3] = ends.target_high, ends.target_low
    else:
        key.word[0], key.word[1] = ends.target_high, ends.target_low
        key.word[2], key.word[3] = ends.source_high, ends.source_low
    key.word[4] = path[0] << 8 | kind
    key.word[5] = 0
    place = path_place(table, paths, &key)
    if paths.slots[place].row == 0:
        key.word[5] = 1
        paths.unknown[0] = key
        return DECLINED
    path[0] = paths.slots[place].row
    return ACCEPTED


cdef inline Outcome remember_path(const Table *table, Paths *paths, const Key *key) noexcept nogil:
    """Give a path that is new the next number, which is `count` afterwards."""
    cdef uint64_t index, place
    cdef Slot *slots
    cdef Key *keys
    if paths.count >= MAX_PATHS:
        return FULL
    if paths.count == paths.room:
        keys = <Key *>realloc(paths.keys, paths.room * 2 * sizeof(Key))
        if keys == NULL:
            return NO_MEMORY
        paths.keys, paths.room = keys, paths.room * 2
    paths.keys[paths.count] = key[0]
    paths.count += 1
    index = paths.count - 1
    if paths.count * 2 > <uint64_t>1 << paths.slot_bits:
        slots = <Slot *>calloc(<size_t>2 << paths.slot_bits, sizeof(Slot))
        if slots == NULL:
            return NO_MEMORY
        free(paths.slots)
        paths.slots = slots
        paths.slot_bits += 1
        index = 0
    while index < paths.count:
        place = path_place(table, paths, &paths.keys[index])
        paths.slots[place].tag = <uint32_t>(hash_key(table, &paths.keys[index]) >> 32)
        index += 1
        paths.slots[place].row = <uint32_t>index
    return DONE
