# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What the rules say of each shape, asked once."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef class Verdicts:
    """The verdicts of all shapes met.

    `judge` takes a shape's bytes and gives, for each connection in it, (class number, places of
    the clients' endpoints, of the servers', (flow, client's side) pairs).
    """

    def __cinit__(self, judge, uint64_t secret):
        self.judge = judge
        self.shapes = Keys(secret)

    def __dealloc__(self):
        free(self.verdicts)
        free(self.judged)

    def __len__(self):
        return self.shapes.count

    cdef const CVerdict *of(self, const uint8_t *shape, uint32_t length) except NULL nogil:
        cdef uint32_t before = self.shapes.count
        cdef uint32_t number = self.shapes.number_of(shape, length)
        if number == before:
            with gil:
                self._learn((<const char *>shape)[:length])
        return &self.verdicts[number]

    cdef int take_over(self, Verdicts later) except -1:
        """Learn the shapes that another one met."""
        cdef uint32_t number
        for number in range(later.shapes.count):
            self.of(later.shapes.key(number), later.shapes.length(number))
        return 0

    cdef int _learn(self, bytes shape) except -1:
        cdef uint32_t number = self.shapes.count - 1
        cdef CVerdict *verdicts
        cdef CJudged *judged
        cdef Py_ssize_t place
        if number >= self.verdict_room:
            verdicts = <CVerdict *>realloc(
                self.verdicts, (<size_t>2 * self.verdict_room + 256) * sizeof(CVerdict))
            if verdicts == NULL:
                raise MemoryError
            self.verdicts, self.verdict_room = verdicts, 2 * self.verdict_room + 256
        self.verdicts[number].first = self.judged_count
        self.verdicts[number].count = 0
        for class_, clients, servers, flows in self.judge(shape):
            judged = self._new_judged()
            judged.class_ = class_
            judged.clients, judged.servers = <uint8_t>len(clients), <uint8_t>len(servers)
            for place, end in enumerate(clients):
                judged.client[place] = end
            for place, end in enumerate(servers):
                judged.server[place] = end
            memset(judged.side, OTHERS, sizeof(judged.side))
            for flow, side in flows:
                judged.side[<uint8_t>flow] = side
            self.verdicts[number].count += 1
        return 0

    cdef CJudged *_new_judged(self) except NULL:
        cdef CJudged *judged
        if self.judged_count == self.judged_room:
            judged = <CJudged *>realloc(
                self.judged, (<size_t>2 * self.judged_room + 256) * sizeof(CJudged))
            if judged == NULL:
                raise MemoryError
            self.judged, self.judged_room = judged, 2 * self.judged_room + 256
        self.judged_count += 1
        return &self.judged[self.judged_count - 1]
