# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What times of a table's rows mean: `pieces.TableTimes` of all tables, in C."""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef class TableTimes:
    """How far each table's clock was ahead, when its rows count as settled, and its files' order.

    Args:
        offsets: Each table's clock offset in ns.
        began: When each table's recording began, in ns by its own clock; None without packets.
        ranks: For each table, how each of its files sorts among all files by name.
        datagram_gap_ns: How long nothing may be heard of a 5-tuple that goes on.
    """

    def __cinit__(self, list offsets, list began, list ranks, int64_t datagram_gap_ns):
        cdef Py_ssize_t place, part
        self.tables = len(offsets)
        self.offsets = <int64_t *>calloc(self.tables + 1, sizeof(int64_t))
        self.settled = <int64_t *>calloc(self.tables + 1, sizeof(int64_t))
        self.ranks = <uint32_t **>calloc(self.tables + 1, sizeof(uint32_t *))
        if self.offsets == NULL or self.settled == NULL or self.ranks == NULL:
            raise MemoryError
        for place in range(self.tables):
            self.offsets[place] = offsets[place]
            first_ns = began[place]
            self.settled[place] = (
                NEVER if first_ns is None else min(NEVER, first_ns + datagram_gap_ns)
            )
            self.ranks[place] = <uint32_t *>malloc((len(ranks[place]) + 1) * sizeof(uint32_t))
            if self.ranks[place] == NULL:
                raise MemoryError
            for part, rank in enumerate(ranks[place]):
                self.ranks[place][part] = rank

    def __dealloc__(self):
        cdef Py_ssize_t place
        if self.ranks != NULL:
            for place in range(self.tables):
                free(self.ranks[place])
        free(self.ranks)
        free(self.offsets)
        free(self.settled)
