# Declarations of `_ends.pyx`.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._table_times cimport TableTimes

cdef enum:
    # As `shapes.EndFact` names them, one place lower.
    IS_SERVER = 1
    IS_SHARED = 2
    MOSTLY_CLIENT = 8
    MOSTLY_SERVER = 16
    # Of a slot alone: it holds an endpoint's votes.
    HAS_VOTES = 256
    # `port_ranges`: zones of ports.
    BELOW = 0
    INSIDE = 1
    ABOVE = 2
    SYSTEM = 3

# What is known of an endpoint. `peers` counts up to two, `votes` are UDP flows in which it sent
# first, or did not.
cdef struct KnownEnd:
    CEnd end
    uint32_t protocol
    uint32_t facts
    uint32_t peers
    uint32_t votes[2]

# What is known of an address, by its number in `Answers`. `first_port` and `last_port` are its
# node's ephemeral ports, 0 where those are the usual ones; `seen` is the port that it called from in
# each zone, `shown` the zones in which there was another one.
cdef struct KnownAddress:
    uint16_t first_port
    uint16_t last_port
    uint16_t seen[3]
    uint16_t shown


cdef class KnownEnds:
    cdef RowIndex index
    cdef TableTimes times
    cdef Answers answers
    cdef KnownEnd *slots
    cdef KnownAddress *addresses
    cdef uint32_t address_room
    cdef int bits
    cdef uint64_t count
    cdef bint has_fixed
    cdef uint32_t well_known
    cdef uint16_t usual_first
    cdef uint16_t usual_last

    cdef KnownEnd *find(self, uint32_t protocol, const CEnd *end) noexcept nogil
    cdef KnownEnd *_note(self, uint32_t protocol, const CEnd *end, uint32_t facts) except NULL nogil
    cdef KnownAddress *_address(self, const CEnd *end) except NULL nogil
    cdef int _grow(self) except -1 nogil
    cdef int _note_servers(self, uint32_t number) except -1 nogil
    cdef int _note_shown(self, uint32_t number) except -1 nogil
    cdef int _note_shown_by(self, const CEnd *end) except -1 nogil
    cdef int _note_vote(self, uint32_t number) except -1 nogil
    cdef int _note_fixed(self, uint32_t number) except -1 nogil
    cdef int _count_peers(self, uint32_t number) except -1 nogil
    cdef int _zone(self, uint32_t port, const KnownAddress *address) noexcept nogil
    cdef int _only_fixed(self, const CEnd *ends) except -2 nogil
    cdef uint32_t facts(self, uint32_t protocol, const CEnd *end) noexcept nogil
    cdef uint32_t port_facts(self, uint32_t number, uint32_t port) noexcept nogil
