# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Entries of conntrack dumps, at the 5-tuples that they tell of."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free, malloc

from otterize_pcap.connections._endpoint cimport packed_end, tuple_of
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.table._row cimport Key


cdef class Sightings:
    """The entries of one capture's dumps.

    The 5-tuples of one entry are of one component, so that they are united here.

    Args:
        index: The rows; a 5-tuple that only conntrack knows of gets a number there.
        told: Each a `pieces.ToldSighting`.
    """

    def __cinit__(self, RowIndex index, list told):
        cdef CSighting *entry
        cdef Key before, after
        cdef int place
        self.entries = <CSighting *>malloc((len(told) + 1) * sizeof(CSighting))
        if self.entries == NULL:
            raise MemoryError
        for protocol, ends, time_ns, has_last, assured, began_within in told:
            entry = &self.entries[self.count]
            for place in range(4):
                entry.ends[place] = packed_end(ends[place])
            tuple_of(&before, protocol, &entry.ends[0], &entry.ends[1])
            tuple_of(&after, protocol, &entry.ends[3], &entry.ends[2])
            entry.before = <uint32_t>index.number_of(&before)
            entry.after = <uint32_t>index.number_of(&after)
            entry.time_ns, entry.has_last, entry.assured = time_ns, has_last, assured
            entry.began_within = began_within
            index.unite(entry.before, entry.after)
            self.count += 1
        self.first = <uint32_t *>calloc(index.tuples + 1, sizeof(uint32_t))
        if self.first == NULL:
            raise MemoryError
        # From the last to the first, so that each chain is in the order of the dumps.
        for place in range(<int>self.count - 1, -1, -1):
            entry = &self.entries[place]
            entry.next_ = self.first[entry.before]
            self.first[entry.before] = place + 1

    def __dealloc__(self):
        free(self.entries)
        free(self.first)
