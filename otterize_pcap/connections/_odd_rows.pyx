# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The rows that have no shape, to be looked at as they are."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg


cdef class OddRows:
    """Numbers of rows of an index."""

    def __cinit__(self, RowIndex index):
        self.index = index

    def __dealloc__(self):
        free(self.numbers)

    def of(self, uint32_t table):
        """The rows of one table."""
        cdef uint64_t at
        for at in range(self.count):
            if self.index.table_of(self.numbers[at]) == table:
                yield self.index.as_row(self.numbers[at])

    cdef int add(self, const CLeg *legs, uint32_t count) except -1 nogil:
        """Add the rows of some legs."""
        cdef uint32_t i
        for i in range(count):
            self._add(legs[i].number)
        return 0

    cdef int add_component(self, uint32_t root) except -1 nogil:
        """Add every row of a component that is too large to gather."""
        cdef uint32_t number = root, at
        while True:
            at = self.index.tuple_[number].newest
            while at:
                self._add(at - 1)
                at = self.index.next_in_tuple[at - 1]
            if self.index.tuple_[number].next_ == 0:
                return 0
            number = self.index.tuple_[number].next_ - 1

    cdef int take_over(self, OddRows later) except -1:
        """Add the rows of another one."""
        cdef uint64_t at
        for at in range(later.count):
            self._add(later.numbers[at])
        return 0

    cdef int _add(self, uint32_t number) except -1 nogil:
        cdef uint32_t *numbers
        if self.count == self.room:
            numbers = <uint32_t *>realloc(
                self.numbers, (2 * self.room + 64) * sizeof(uint32_t))
            if numbers == NULL:
                raise MemoryError
            self.numbers, self.room = numbers, 2 * self.room + 64
        self.numbers[self.count] = number
        self.count += 1
        return 0
