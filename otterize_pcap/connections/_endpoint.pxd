# Endpoints as compiled parts compare them. A header: it declares and defines no module.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from otterize_pcap.table._row cimport NO_CLIENT, CRow, be64

# The two halves of the 16 bytes of an address, and the port.
cdef struct CEnd:
    uint64_t high
    uint64_t low
    uint32_t port


cdef inline void end_of(const CRow *row, int side, CEnd *end) noexcept nogil:
    end.high, end.low = row.key.word[2 * side], row.key.word[2 * side + 1]
    end.port = <uint32_t>(row.key.word[4] >> (32 if side else 48)) & 0xFFFF


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


cdef inline void bare_row(
    CRow *row, uint64_t protocol, const CEnd *one, const CEnd *other
) noexcept nogil:
    """The 5-tuple of two endpoints, as a row without packets."""
    cdef const CEnd *low = one if compare_ends(one, other) <= 0 else other
    cdef const CEnd *high = other if low == one else one
    memset(row, 0, sizeof(CRow))
    row.client = NO_CLIENT
    row.key.word[0], row.key.word[1] = low.high, low.low
    row.key.word[2], row.key.word[3] = high.high, high.low
    row.key.word[4] = <uint64_t>low.port << 48 | <uint64_t>high.port << 32 | protocol
