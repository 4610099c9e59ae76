# Declarations of `_ends.pyx`.

from libc.stdint cimport uint32_t, uint64_t

from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._pieces cimport CEnd

cdef enum:
    IS_SERVER = 1
    HAS_PEERS = 2

cdef struct KnownEnd:
    CEnd end
    uint32_t protocol
    uint32_t facts
    uint32_t peers


cdef class KnownEnds:
    cdef RowIndex index
    cdef KnownEnd *slots
    cdef int bits
    cdef uint64_t count
    cdef bint asks
    cdef uint32_t ephemeral_first
    cdef uint32_t ephemeral_end

    cdef inline bint is_ephemeral(self, uint32_t port) noexcept nogil:
        return self.ephemeral_first <= port < self.ephemeral_end

    cdef KnownEnd *find(self, uint32_t protocol, const CEnd *end) noexcept nogil
    cdef int _note(self, uint32_t protocol, const CEnd *end, uint32_t facts) except -1
    cdef int _grow(self) except -1
    cdef int _note_servers(self, uint32_t number) except -1
    cdef void _count_peers(self, uint32_t number) noexcept nogil
    cdef uint32_t facts(self, uint32_t protocol, const CEnd *end) noexcept nogil
