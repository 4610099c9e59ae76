# Declarations of `_pieces.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._cuts cimport Cuts
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.table._row cimport CRow

cdef enum:
    MAX_FLOWS = 6
    MAX_ENDS = 12
    MAX_SIGHTINGS = 12
    MAX_LEGS = 1 << 16
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

cdef struct CEnd:
    uint64_t high
    uint64_t low
    uint32_t port

# One entry of a conntrack dump: its 5-tuples before and after NAT, its endpoints in the order
# client, target, server, reply_to, when its last packet passed, else when it was seen, and whether
# it began within the capture.
cdef struct CSighting:
    uint32_t before
    uint32_t after
    CEnd ends[4]
    int64_t time_ns
    bint has_last
    bint assured
    bint began_within
    uint32_t next_

# Times that rules compare by, in ns (`shapes.Limits`).
cdef struct CLimits:
    int64_t slack
    int64_t datagram_gap
    int64_t dump_slack
    uint32_t many


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


cdef class Pieces:
    cdef RowIndex index
    cdef int64_t *offsets
    cdef int64_t *settled
    cdef uint32_t **ranks
    cdef CLimits limits
    cdef CSighting *sightings
    cdef uint32_t sighting_count
    cdef uint32_t *first_sighting
    cdef CLeg *gathered
    cdef uint32_t gathered_count
    cdef uint32_t gathered_room
    cdef uint32_t root
    cdef bint has_sightings
    cdef Cuts cuts
    cdef bint is_bound
    # The piece at hand: its legs, and its flows by time.
    cdef CLeg *leg
    cdef uint32_t legs
    cdef CFlow flow[MAX_FLOWS]
    cdef int flows
    cdef CSighting *sighting[MAX_SIGHTINGS]
    cdef int sighted
    cdef CEnd end[MAX_ENDS]
    cdef int ends
    cdef int protocol
    cdef int64_t first_ns
    cdef int64_t last_ns

    cdef inline int64_t patience(self) noexcept nogil:
        """How far apart legs of one connection may be: `conntrack_flows.patience_of`."""
        return self.limits.datagram_gap if self.protocol == 17 else self.limits.slack

    cdef add_sightings(self, list sightings)
    cdef int gather(self, uint32_t root) except -1
    cdef int _gather_rows(self, uint32_t number) except -1
    cdef void _sort_few(self) noexcept nogil
    cdef uint32_t piece_end(self, uint32_t begin) except 0
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


cdef CEnd packed_end(tuple endpoint)
cdef void bare_row(CRow *row, uint64_t protocol, const CEnd *one, const CEnd *other) noexcept nogil
