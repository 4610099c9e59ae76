# Declarations of `_counting.pyx`.

from libc.stdint cimport uint32_t, uint64_t

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._client_isns cimport ClientIsns
from otterize_pcap.connections._component_legs cimport ComponentLegs
from otterize_pcap.connections._ends cimport KnownEnds
from otterize_pcap.connections._groups cimport Groups
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._listing cimport Listing
from otterize_pcap.connections._odd_rows cimport OddRows
from otterize_pcap.connections._pieces cimport Pieces
from otterize_pcap.connections._shapes cimport ShapeWriter
from otterize_pcap.connections._sums cimport CTotals, LegSums
from otterize_pcap.connections._verdicts cimport CJudged, CVerdict, Verdicts

cdef enum:
    SEVERAL = 0xFFFFFFFF


cdef class Counter:
    cdef RowIndex index
    cdef ComponentLegs component
    cdef Pieces pieces
    cdef ShapeWriter shape
    cdef Verdicts verdicts
    cdef LegSums sums
    cdef Groups groups
    cdef OddRows odd
    cdef Listing listed
    # Of each component's root one more than the group of all its connections, 0 where it has none.
    cdef uint32_t *group_at

    cdef int _count(self, uint32_t begin, uint32_t end, bint list_them) except -1 nogil
    cdef int _count_piece(self, uint32_t root, const CVerdict *verdict, bint list_them) except -1 nogil
    cdef const CVerdict *verdict(self, uint32_t begin, uint32_t end) except? NULL nogil
    cdef uint32_t add_up(self, const CJudged *judged, CTotals *totals) except? 0xFFFFFFFF nogil
    cdef bint is_at(self, const CJudged *judged, const uint32_t *asked, int count) noexcept nogil
    cdef int take_over(self, Counter later, uint32_t begin, uint32_t end) except -1
