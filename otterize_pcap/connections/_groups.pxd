# Declarations of `_groups.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._keys cimport Keys
from otterize_pcap.connections._pieces cimport MAX_ENDS
from otterize_pcap.connections._sums cimport CSpan, CTotals
from otterize_pcap.connections._verdicts cimport CJudged

# The moments at which who is at a side changes; `first` is the first address that was met there.
cdef struct CChanges:
    int64_t *moments
    uint32_t count
    uint32_t first

# A side while nothing about it changes; the times are those in which it sent in one connection.
cdef struct CStand:
    uint32_t side
    int64_t first_ns
    int64_t last_ns

cdef struct CGroup:
    uint64_t connections
    uint64_t packets[2]
    uint64_t bytes[2]
    int64_t first_ns
    int64_t last_ns
    int64_t evidence_ns
    uint64_t packet
    uint32_t rank


cdef class Groups:
    cdef Answers answers
    cdef object snapshot
    cdef bint has_window
    cdef int64_t start_ns
    cdef int64_t end_ns
    cdef Keys sides
    cdef Keys stands_by_key
    cdef Keys groups_by_key
    cdef CChanges *changes
    cdef uint32_t change_room
    cdef CStand *stands
    cdef uint32_t stand_room
    cdef CGroup *groups
    cdef uint32_t group_room

    cdef uint32_t group_of(
        self, const CJudged *judged, int protocol, const CEnd *ends, const uint32_t *numbers,
        const CTotals *totals
    ) except? 0xFFFFFFFF
    cdef uint32_t _when(self, const CTotals *totals) noexcept nogil
    cdef void count(self, uint32_t group, const CTotals *totals) noexcept nogil
    cdef uint32_t _side(
        self, const uint32_t *key, uint32_t words, uint32_t first
    ) except? 0xFFFFFFFF
    cdef int _learn_changes(self, uint32_t side) except -1
    cdef bint _is_known(self, uint32_t side) noexcept nogil
    cdef uint32_t _stand(self, uint32_t side, const CSpan *sent) except? 0xFFFFFFFF
