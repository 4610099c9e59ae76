# Declarations of `_shapes.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._client_isns cimport ClientIsns
from otterize_pcap.connections._component_legs cimport ComponentLegs
from otterize_pcap.connections._ends cimport KnownEnds
from otterize_pcap.connections._pieces cimport CFlow, MAX_ENDS, MAX_FLOWS, Pieces

cdef enum:
    MAX_LEADS = 24
    # Header, ends, flows, leads, sightings, gaps.
    MAX_SHAPE = 8 + 5 * 12 + 12 * 6 + 2 * 24 + 5 * 12 + 36
    IS_SERVED = 1
    END_FACTS_SHIFT = 1
    IS_HELD = 8
    IS_SETTLED = 4
    IS_CROWDED = 8
    SENDER_SHIFT = 4
    BEGAN_WITH_LAST = 64
    LACKS_QUESTION = 128


cdef class ShapeWriter:
    cdef Pieces pieces
    cdef ComponentLegs component
    cdef ClientIsns isns
    cdef Answers answers
    cdef KnownEnds known
    cdef uint32_t numbers[MAX_ENDS]
    cdef uint8_t out[MAX_SHAPE]
    cdef int length
    cdef uint32_t tokens[3][MAX_FLOWS]
    cdef int token_count[3]
    cdef uint8_t acked[MAX_FLOWS][2]
    cdef uint8_t streams[MAX_FLOWS][2]
    cdef uint32_t well_known

    cdef int write(self) except -1 nogil
    cdef int _write_ends(self) except -1 nogil
    cdef int _port_class(self, uint32_t port) noexcept nogil
    cdef int _canonical_port(self, int place) noexcept nogil
    cdef int _write_leads(self) except -1 nogil
    cdef bint _note_acknowledgements(self) noexcept nogil
    cdef int _token(self, int kind, uint32_t value) noexcept nogil
    cdef bint _tell_streams(self) noexcept nogil
    cdef bint _tell_streams_of(self, int end) noexcept nogil
    cdef bint _overlap(self, int one, int one_side, int other, int other_side) noexcept nogil
    cdef void _write_flow(self, int place) noexcept nogil
    cdef void _write_sightings(self) noexcept nogil
    cdef void _write_gaps(self) noexcept nogil
    cdef bint _is_apart(self, int one, int other) noexcept nogil

    cdef inline void put(self, uint32_t byte) noexcept nogil:
        self.out[self.length] = <uint8_t>byte
        self.length += 1

    cdef inline bint _lacks_question(self, int place, int client) noexcept nogil:
        """`legs.Flow.lacks_question`."""
        cdef uint32_t i
        for i in range(self.pieces.legs):
            if self.pieces.leg[i].place == place and self.pieces.leg[i].row.sides[client].syns:
                return False
        return True
