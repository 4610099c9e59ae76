# 5-tuples and endpoints as compiled parts compare them. A header: it declares and defines no module.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport Key, be64

# A 5-tuple: the first words of its rows' keys, without a tunnel path; one more than the number of
# its newest row, 0 without one; its component, which its 5-tuples are chained in; the client ISN
# that its rows show; and what they show, all taken together. One line of the cache.
cdef struct CTuple:
    uint64_t word[5]
    uint32_t newest
    uint32_t parent
    uint32_t next_
    uint32_t isn
    uint16_t flags

# The two halves of the 16 bytes of an address, and the port.
cdef struct CEnd:
    uint64_t high
    uint64_t low
    uint32_t port


cdef inline void end_of(const CTuple *of, int side, CEnd *end) noexcept nogil:
    end.high, end.low = of.word[2 * side], of.word[2 * side + 1]
    end.port = <uint32_t>(of.word[4] >> (32 if side else 48)) & 0xFFFF


cdef inline int compare_ends(const CEnd *one, const CEnd *other) noexcept nogil:
    if one.high != other.high:
        return -1 if one.high < other.high else 1
    if one.low != other.low:
        return -1 if one.low < other.low else 1
    if one.port != other.port:
        return -1 if one.port < other.port else 1
    return 0


cdef inline CEnd packed_end(tuple endpoint):
    """A `CEnd` of (address, port)."""
    cdef CEnd end
    cdef bytes text = endpoint[0]
    end.high, end.low = be64(<const uint8_t *>text), be64(<const uint8_t *>text + 8)
    end.port = endpoint[1]
    return end


cdef inline Key key_between(uint64_t protocol, tuple one, tuple other):
    """`tuple_of` two pairs of (address, port)."""
    cdef CEnd ends[2]
    cdef Key key
    ends[0], ends[1] = packed_end(one), packed_end(other)
    tuple_of(&key, protocol, &ends[0], &ends[1])
    return key


cdef inline void tuple_of(
    Key *key, uint64_t protocol, const CEnd *one, const CEnd *other
) noexcept nogil:
    """The 5-tuple of two endpoints, as the key of a row outside tunnels and of no interface."""
    cdef const CEnd *low = one if compare_ends(one, other) <= 0 else other
    cdef const CEnd *high = other if low == one else one
    key.word[0], key.word[1] = low.high, low.low
    key.word[2], key.word[3] = high.high, high.low
    key.word[4] = <uint64_t>low.port << 48 | <uint64_t>high.port << 32 | protocol
    key.word[5] = 0
