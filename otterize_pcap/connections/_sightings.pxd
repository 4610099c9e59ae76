# Declarations of `_sightings.pyx`.

from libc.stdint cimport int64_t, uint32_t

from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._index cimport RowIndex

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


cdef class Sightings:
    cdef CSighting *entries
    cdef uint32_t count
    cdef uint32_t *first

    cdef inline CSighting *first_of(self, uint32_t number) noexcept nogil:
        """The first entry, of those chained, that a 5-tuple is the one before NAT of; or NULL."""
        if self.count and self.first[number]:
            return &self.entries[self.first[number] - 1]
        return NULL

    cdef inline CSighting *after(self, const CSighting *entry) noexcept nogil:
        """The next one in the chain, or NULL."""
        return &self.entries[entry.next_ - 1] if entry.next_ else NULL
