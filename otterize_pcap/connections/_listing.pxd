# Declarations of `_listing.pyx`.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._sums cimport CTotals
from otterize_pcap.connections._verdicts cimport CJudged

# What is written of one connection, and by what it is sorted.
cdef struct CListed:
    CEnd client
    CEnd server
    int64_t first_ns
    int64_t last_ns
    uint64_t packets[2]
    uint64_t bytes[2]
    uint64_t number
    uint32_t syns
    uint32_t class_
    uint32_t table
    uint32_t rank
    uint32_t path


cdef class Listing:
    cdef RowIndex index
    cdef CListed *listed
    cdef uint64_t count
    cdef uint64_t room

    cdef int note(
        self, const CJudged *judged, const CEnd *ends, const CTotals *totals
    ) except -1 nogil
    cdef int _make_room(self, uint64_t room) except -1 nogil
    cdef int take_over(self, Listing later) except -1
    cdef void _forget(self) noexcept
