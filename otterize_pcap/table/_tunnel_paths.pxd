# Declarations of `_tunnel_paths.pyx`.

from libc.stdint cimport uint64_t

from otterize_pcap.table._frames cimport Decoding
from otterize_pcap.table._rows cimport Outcome


cdef class TunnelPaths:
    # The table's own, which holds this one as well.
    cdef Decoding *decoding
    cdef dict numbers
    cdef list tunnels
    cdef uint64_t max_rows
    cdef object opens

    cdef bint learn(self) except -1
    cdef uint64_t number_of(self, tuple tunnels) except? 0


cdef int check(Outcome outcome, uint64_t max_rows) except -1
