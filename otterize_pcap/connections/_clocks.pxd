# Declarations of `_clocks.pyx`.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from otterize_pcap.connections._index cimport RowIndex

cdef enum:
    MAX_SEEN = 64

# When a handshake began, by one node's clock.
cdef struct CSeen:
    uint32_t client_isn
    uint32_t server_isn
    uint32_t node
    int64_t first_ns

# The differences between the clocks of two nodes, given by their numbers.
cdef struct CDifferences:
    uint32_t low
    uint32_t high
    int64_t *ns
    uint64_t count
    uint64_t room


cdef class ClockDifferences:
    cdef RowIndex index
    cdef uint32_t *nodes
    cdef dict places
    cdef CDifferences *found
    cdef uint32_t pairs
    cdef uint32_t pair_room
    # The pair that was met last: most captures have one.
    cdef uint32_t latest
    cdef CSeen seen[MAX_SEEN]
    cdef int count

    cdef int take_over(self, ClockDifferences later) except -1
    cdef int _look_at(self, uint32_t root) except -1 nogil
    cdef int _append(self, CDifferences *found, int64_t difference_ns) except -1 nogil
    cdef void _note(self, uint32_t at) noexcept nogil
    cdef int _add(self, const CSeen *one, const CSeen *other) except -1 nogil
    cdef uint32_t _pair_of(self, uint32_t low, uint32_t high) except? 0xFFFFFFFF
