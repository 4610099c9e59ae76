# Declarations of `_odd_rows.pyx`.

from libc.stdint cimport uint32_t, uint64_t

from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg


cdef class OddRows:
    cdef RowIndex index
    cdef uint32_t *numbers
    cdef uint64_t count
    cdef uint64_t room

    cdef int add(self, const CLeg *legs, uint32_t count) except -1 nogil
    cdef int add_component(self, uint32_t root) except -1 nogil
    cdef int take_over(self, OddRows later) except -1
    cdef int _add(self, uint32_t number) except -1 nogil
