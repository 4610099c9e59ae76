from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from otterize_pcap.table._batch cimport Counts, Walk
from otterize_pcap.table._frames cimport Decoding
from otterize_pcap.table._row cimport CRow
from otterize_pcap.table._rows cimport Outcome
from otterize_pcap.table._tunnel_paths cimport TunnelPaths


cdef class FastTable:
    cdef Decoding decoding
    cdef Counts counts
    cdef TunnelPaths tunnel_paths
    cdef list path_tunnels
    cdef public uint64_t max_rows

    cdef _walk(
        self, Walk *walk, const uint8_t[::1] buffer, ptrdiff_t start, ptrdiff_t end,
        ptrdiff_t stop, bint big_endian, uint64_t number, uint32_t part, bint is_pcapng, window
    )
    cdef _check(self, Outcome outcome)
    cdef _must_be_open(self)
    cdef close(self)
    cdef _row_at(self, uint64_t index)
    cdef uint64_t _forged_path(self) except? 0
    cdef _as_row(self, const CRow *row)
