# Declarations of `_verdicts.pyx`.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._keys cimport Keys
from otterize_pcap.connections._pieces cimport MAX_ENDS, MAX_FLOWS

# One connection of a shape: its class, the places of its endpoints, and for each flow of the piece
# the side of the client, OTHERS where the flow is of another connection.
cdef struct CJudged:
    uint32_t class_
    uint8_t clients
    uint8_t servers
    uint8_t client[MAX_ENDS]
    uint8_t server[MAX_ENDS]
    uint8_t side[MAX_FLOWS]

cdef enum:
    OTHERS = 2

cdef struct CVerdict:
    uint32_t first
    uint32_t count


cdef class Verdicts:
    cdef object judge
    cdef Keys shapes
    cdef CVerdict *verdicts
    cdef uint32_t verdict_room
    cdef CJudged *judged
    cdef uint32_t judged_count
    cdef uint32_t judged_room

    cdef const CVerdict *of(self, const uint8_t *shape, uint32_t length) except NULL nogil
    cdef int take_over(self, Verdicts later) except -1
    cdef int _learn(self, bytes shape) except -1
    cdef CJudged *_new_judged(self) except NULL
