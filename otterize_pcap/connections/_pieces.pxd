# Declarations of `_pieces.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from otterize_pcap.connections._component_legs cimport ComponentLegs
from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.connections._sightings cimport CSighting

cdef enum:
    MAX_FLOWS = 6
    MAX_ENDS = 12
    MAX_SIGHTINGS = 12
    # Facts of one side of a flow, as `shapes.SideFact` names them.
    HAS_PACKETS = 1
    ACKNOWLEDGED = 2
    WAS_RESET = 4
    SENT_SYN_ACK = 8
    UNREACHABLE = 16
    HINT_SHIFT = 5
    WENT_ON = 128
    # Facts of an entry, as `shapes.SightingFact` names them.
    BEFORE_IS_EARLY = 2
    AFTER_IS_EARLY = 8
    BEGAN_WITHIN = 32

# All legs of one 5-tuple of a piece: one flow, unless `several`.
cdef struct CFlow:
    uint32_t tuple_
    int64_t first_ns
    int64_t last_ns
    int64_t handshake_ns
    uint32_t client_isn
    uint32_t server_isn
    uint32_t timestamp
    uint8_t client
    uint8_t first_sender
    uint8_t facts[2]
    uint8_t low
    uint8_t high
    uint8_t place
    bint has_server_isn
    bint has_timestamp
    bint has_legs
    bint settled
    bint several


cdef class Pieces:
    cdef ComponentLegs component
    cdef RowIndex index
    # The piece at hand: its legs, and its flows by time.
    cdef CLeg *leg
    cdef uint32_t legs
    cdef int protocol
    cdef CFlow flow[MAX_FLOWS]
    cdef int flows
    cdef CSighting *sighting[MAX_SIGHTINGS]
    cdef int sighted
    cdef CEnd end[MAX_ENDS]
    cdef int ends
    cdef int64_t first_ns
    cdef int64_t last_ns

    cdef bint _shares_unrecorded(self) noexcept nogil
    cdef bint _has_other_side(
        self, const CSighting *one, const CSighting *other, uint32_t tuple_
    ) noexcept nogil
    cdef bint take(self, uint32_t begin, uint32_t end) noexcept nogil
    cdef void _unsettle(self) noexcept nogil
    cdef bint _has_earlier(self, const CFlow *flow) noexcept nogil
    cdef int _flow_of(self, uint32_t tuple_) noexcept nogil
    cdef bint _survey(self) noexcept nogil
    cdef void _note(self, CFlow *flow, const CLeg *leg) noexcept nogil
    cdef void _order_flows(self) noexcept nogil
    cdef bint _take_sightings(self) noexcept nogil
    cdef bint _collect_ends(self) noexcept nogil
    cdef int end_place(self, const CEnd *end) noexcept nogil
    cdef int sighting_bits(self, const CSighting *sighting) noexcept nogil
    cdef int _bits_of(self, const CSighting *sighting, uint32_t tuple_) noexcept nogil
