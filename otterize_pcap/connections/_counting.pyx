# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Components → connections, counted into groups: some of the components, by one thread.

What several threads count is put together in the order of the components, so that the result is
that of one thread.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from otterize_pcap.connections._index cimport AHEAD


cdef class Counter:
    """Counts connections; nothing that it shares with others changes meanwhile.

    Args:
        component: Gathers the legs of a component, for this one alone.
        answers: What the snapshot says; where others count as well, `Answers.learn_all` was called.
        known: What the whole capture says.
        isns: All client ISNs.
        limits: `shapes.Limits`.
        judge: See `Verdicts`; where others count as well, several threads call it.
        secret: A number that whoever wrote the capture does not know.
        within: See `Components.join`.
    """

    def __cinit__(
        self, ComponentLegs component, Answers answers, KnownEnds known, ClientIsns isns, limits,
        judge, uint64_t secret, within
    ):
        self.component, self.index = component, component.index
        self.pieces = Pieces(component)
        self.shape = ShapeWriter(self.pieces, answers, known, isns, limits)
        self.verdicts = Verdicts(judge, secret)
        self.groups = Groups(answers, secret, within)
        self.sums = LegSums()
        self.odd = OddRows(component.index)
        self.listed = Listing(component.index)

    def count(self, uint32_t begin, uint32_t end, bint list_them):
        """Count the connections of the components with roots from `begin` to before `end`.

        `list_them` says whether to note each connection.
        """
        with nogil:
            self._count(begin, end, list_them)

    cdef int _count(self, uint32_t begin, uint32_t end, bint list_them) except -1 nogil:
        cdef uint32_t root, at, piece_end
        cdef const CVerdict *verdict
        for root in range(begin, end):
            self.index.fetch(root + AHEAD)
            if self.index.tuple_[root].parent != root:
                continue
            if not self.component.gather(root):
                self.odd.add_component(root)
                continue
            at = 0
            while at < self.component.count:
                piece_end = self.component.piece_end(at)
                verdict = self.verdict(at, piece_end)
                if verdict == NULL:
                    self.odd.add(self.component.leg + at, piece_end - at)
                else:
                    self._count_piece(root, verdict, list_them)
                at = piece_end
        return 0

    cdef int _count_piece(
        self, uint32_t root, const CVerdict *verdict, bint list_them
    ) except -1 nogil:
        """Count the connections of the piece at hand."""
        cdef uint32_t at, group
        cdef CJudged *judged
        cdef CTotals totals
        for at in range(verdict.count):
            judged = &self.verdicts.judged[verdict.first + at]
            group = self.add_up(judged, &totals)
            self.groups.count(group, &totals)
            if self.group_at[root] not in (0, group + 1):
                group = SEVERAL - 1
            self.group_at[root] = group + 1
            if list_them:
                self.listed.note(judged, self.pieces.end, &totals)
        return 0

    cdef const CVerdict *verdict(self, uint32_t begin, uint32_t end) except? NULL nogil:
        """What is said of some legs of the component at hand; NULL where they have no shape.

        They are the piece at hand then.
        """
        if not (self.pieces.take(begin, end) and self.shape.write()):
            return NULL
        return self.verdicts.of(self.shape.out, self.shape.length)

    cdef uint32_t add_up(self, const CJudged *judged, CTotals *totals) except? 0xFFFFFFFF nogil:
        """The group of one connection of the piece at hand, and its totals."""
        self.sums.add_up(self.pieces.leg, self.pieces.legs, judged.side, totals)
        return self.groups.group_of(
            judged, self.pieces.protocol, self.pieces.end, self.shape.numbers, totals)

    cdef bint is_at(self, const CJudged *judged, const uint32_t *asked, int count) noexcept nogil:
        """Whether a connection of the piece at hand has each of some addresses, at either side."""
        cdef int at, place
        cdef bint is_there
        for at in range(count):
            is_there = False
            for place in range(judged.clients):
                is_there |= self.shape.numbers[judged.client[place]] == asked[at]
            for place in range(judged.servers):
                is_there |= self.shape.numbers[judged.server[place]] == asked[at]
            if not is_there:
                return False
        return True

    cdef int take_over(self, Counter later, uint32_t begin, uint32_t end) except -1:
        """Add what another one counted of the components that follow, with roots in a range."""
        cdef uint32_t root
        cdef uint32_t *group = <uint32_t *>malloc((len(later.groups) + 1) * sizeof(uint32_t))
        if group == NULL:
            raise MemoryError
        try:
            self.groups.take_over(later.groups, group)
            for root in range(begin, end):
                if self.group_at[root] not in (0, SEVERAL):
                    self.group_at[root] = group[self.group_at[root] - 1] + 1
        finally:
            free(group)
        self.verdicts.take_over(later.verdicts)
        self.odd.take_over(later.odd)
        self.listed.take_over(later.listed)
        return 0
