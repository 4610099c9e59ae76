# cython: language_level=3
"""How tables and other large arrays are kept."""

from libc.stdint cimport uint64_t

from otterize_pcap.table._chunks cimport CHUNK_ROWS
from otterize_pcap.table._fastpath cimport FastTable

cdef extern from *:
    """
    #include <stdlib.h>
    #if defined(__GLIBC__)
    #include <malloc.h>
    static void otterize_map_arrays(int size) { mallopt(M_MMAP_THRESHOLD, size); }
    #else
    static void otterize_map_arrays(int size) { (void)size; }
    #endif
    """
    void otterize_map_arrays(int size) noexcept nogil

cdef enum:
    MAPPED = 8 << 20


def map_large_arrays():
    """Have every array of 8 MiB and more mapped, for as long as this process runs.

    glibc raises that size with each array that is given back, to 32 MiB (mallopt(3),
    M_MMAP_THRESHOLD). What grows next lies in the heap then: it is copied each time, and the holes
    stay, 16 MB after a flood from a million sources.
    """
    otterize_map_arrays(MAPPED)


def packed_rows(FastTable table):
    """How many rows of a table are in chunks that were packed (`_bare_rows`)."""
    cdef uint64_t chunk, count = 0
    for chunk in range(table.decoding.table.rows // CHUNK_ROWS):
        count += CHUNK_ROWS * (table.decoding.table.chunks[chunk] == NULL)
    return count
