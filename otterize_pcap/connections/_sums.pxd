# Declarations of `_sums.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._leg cimport CLeg

# Sums over the rows of one recording of a connection: packets and bytes (to the server, to the
# client).
cdef struct CSums:
    const CLeg *leg
    uint64_t packets[2]
    uint64_t bytes[2]

# From when to when somebody sent.
cdef struct CSpan:
    int64_t first_ns
    int64_t last_ns

# What a connection's legs add up to; `first` is the earliest of them. `sent` are the times of the
# client and of the server (S12).
cdef struct CTotals:
    const CLeg *first
    int64_t first_ns
    int64_t last_ns
    CSpan sent[2]
    uint64_t packets[2]
    uint64_t bytes[2]
    uint32_t syns


cdef class LegSums:
    cdef CSums *sums
    cdef uint32_t room

    cdef int add_up(
        self, const CLeg *legs, uint32_t count, const uint8_t *sides, CTotals *totals
    ) except -1 nogil
