# Declarations of `_services.pyx`.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._answers cimport Answers, Leads
from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.table._row cimport Key

cdef enum:
    FEW_LEADS = 16
    # 5-tuples that are looked up at a time, so that memory answers for all of them at once.
    AT_ONCE = 32

# A 5-tuple that one of a Service may lead to.
cdef struct Behind:
    Key key
    uint64_t hash
    uint32_t number
    bint is_whole

# A bit for each endpoint that was marked; some others are marked by chance.
cdef struct Marks:
    uint8_t *bits


cdef class ServiceUnion:
    cdef RowIndex index
    cdef Answers answers
    cdef uint64_t secret
    cdef int mark_bits
    cdef Marks loose
    cdef Marks seen
    cdef Behind behind[AT_ONCE]
    cdef int waiting

    cdef int _make(self, Marks *marks) except -1 nogil
    cdef uint64_t _place(self, const CEnd *end) noexcept nogil
    cdef bint _has(self, const Marks *marks, const CEnd *end) noexcept nogil
    cdef void _mark(self, Marks *marks, uint32_t number) noexcept nogil
    cdef int _mark_loose(self) except -1 nogil
    cdef int _keep_seen(self, Leads *leads) except -1 nogil
    cdef void _unite_waiting(self) noexcept nogil
    cdef int _unite_side(self, uint32_t number, int side) except -1 nogil
    cdef bint _is_whole(self, uint32_t number) noexcept nogil
