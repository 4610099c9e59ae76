# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Which legs of a component must stay together, whatever lies between: `piece_cuts.py` in C."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, qsort, realloc

from otterize_pcap.table._row cimport HAS_ACK, NO_CLIENT


cdef class Cuts:
    """What binds the legs of one component; keeps its memory for the next one."""

    def __dealloc__(self):
        free(self.bound)
        free(self.handshake)
        free(self.starts)

    cdef int bind(self, const CLeg *legs, uint32_t count, int64_t slack) except -1 nogil:
        """Fill `bound` for legs in `legs.leg_order`: `legs.collect_flows` makes one flow of them.

        All is sorted and walked once, so that no component is slow to cut.
        """
        cdef uint32_t i, begin = 0
        cdef CHandshake *one
        self._make_room(count)
        for i in range(count):
            self.bound[i].until = self.bound[i].first = self.bound[i].last = i
            self.bound[i].before = NO_LEG
            self.bound[i].shows = 0
            one = &self.handshake[i]
            one.tuple_, one.place, one.client = legs[i].tuple_, i, legs[i].row.client
            one.isn = legs[i].row.client_isn if one.client != NO_CLIENT else 0
        qsort(self.handshake, count, sizeof(CHandshake), by_tuple)
        for i in range(1, count):
            if self.handshake[i].tuple_ == self.handshake[i - 1].tuple_:
                self.bound[self.handshake[i].place].before = self.handshake[i - 1].place
        qsort(self.handshake, count, sizeof(CHandshake), by_handshake)
        for i in range(1, count + 1):
            if i == count or self.handshake[i].tuple_ != self.handshake[begin].tuple_:
                self._bind_tuple(legs, begin, i, slack)
                begin = i
        return 0

    cdef int _make_room(self, uint32_t count) except -1 nogil:
        cdef void *room
        if count <= self.room:
            return 0
        room = realloc(self.bound, <size_t>count * sizeof(CBound))
        if room == NULL:
            raise MemoryError
        self.bound = <CBound *>room
        room = realloc(self.handshake, <size_t>count * sizeof(CHandshake))
        if room == NULL:
            raise MemoryError
        self.handshake = <CHandshake *>room
        room = realloc(self.starts, <size_t>count * sizeof(uint32_t))
        if room == NULL:
            raise MemoryError
        self.starts = <uint32_t *>room
        self.room = count
        return 0

    cdef void _bind_tuple(
        self, const CLeg *legs, uint32_t begin, uint32_t end, int64_t slack
    ) noexcept nogil:
        """Bind the legs of one 5-tuple, those with handshakes first."""
        cdef uint32_t *starts = self.starts
        cdef uint32_t count = self._collect_starts(legs, begin, end, starts)
        cdef uint32_t i, place, begun = 0, before = NO_LEG
        # Where one side alone was ever a client, no SYN-ACK can turn a connection round.
        cdef bint may_turn = False
        for i in range(1, count):
            may_turn |= legs[starts[i]].row.client != legs[starts[0]].row.client
        for i in range(begin, end):
            if self.handshake[i].client != NO_CLIENT:
                continue
            place = self.handshake[i].place
            while begun < count and (
                    legs[starts[begun]].first_ns <= legs[place].first_ns + slack):
                begun += 1
            if begun:
                self._add(legs, starts[begun - 1], place)
            else:
                may_turn = True
                if before != NO_LEG:
                    self.bound[before].until = place
            before = place
        for i in range(count):
            self._bind_flow(starts[i], may_turn)

    cdef uint32_t _collect_starts(
        self, const CLeg *legs, uint32_t begin, uint32_t end, uint32_t *starts
    ) noexcept nogil:
        """The first leg of each handshake of a 5-tuple, by time; how many they are."""
        cdef uint32_t i, count = 0
        cdef const CHandshake *one
        cdef const CHandshake *last
        for i in range(begin, end):
            one = &self.handshake[i]
            if one.client == NO_CLIENT:
                break
            last = &self.handshake[i - 1]
            if i == begin or last.client != one.client or last.isn != one.isn:
                starts[count] = one.place
                count += 1
            self._add(legs, starts[count - 1], one.place)
        qsort(starts, count, sizeof(uint32_t), by_number)
        return count

    cdef void _add(self, const CLeg *legs, uint32_t start, uint32_t place) noexcept nogil:
        """Add a leg to the flow that begins with another."""
        cdef CBound *flow = &self.bound[start]
        cdef int side
        flow.first, flow.last = min(flow.first, place), max(flow.last, place)
        if legs[place].row.client != NO_CLIENT:
            if legs[place].row.has_server_isn:
                flow.shows |= ANSWERED
            if legs[place].row.sides[legs[place].row.client].syns:
                flow.shows |= ASKED
        for side in range(2):
            if legs[place].row.sides[side].has & HAS_ACK:
                flow.shows |= 1 << side

    cdef void _bind_flow(self, uint32_t start, bint may_turn) noexcept nogil:
        """Bind a flow's legs, and to what was before it where it lacks an answer or a question."""
        cdef const CBound *flow = &self.bound[start]
        cdef uint32_t first = flow.first, before = self.bound[first].before
        self.bound[first].until = max(self.bound[first].until, flow.last)
        if before != NO_LEG and (
                (flow.shows & ~ASKED) == ACKNOWLEDGED_BOTH or (
                    may_turn and not flow.shows & ASKED)):
            self.bound[before].until = max(self.bound[before].until, first)


cdef int by_tuple(const void *one, const void *other) noexcept nogil:
    cdef const CHandshake *a = <const CHandshake *>one
    cdef const CHandshake *b = <const CHandshake *>other
    if a.tuple_ != b.tuple_:
        return -1 if a.tuple_ < b.tuple_ else 1
    if a.place != b.place:
        return -1 if a.place < b.place else 1
    return 0


cdef int by_handshake(const void *one, const void *other) noexcept nogil:
    """By 5-tuple, client and its sequence number; those without one are last in their 5-tuple."""
    cdef const CHandshake *a = <const CHandshake *>one
    cdef const CHandshake *b = <const CHandshake *>other
    if a.tuple_ != b.tuple_:
        return -1 if a.tuple_ < b.tuple_ else 1
    if a.client != b.client:
        return -1 if a.client < b.client else 1
    if a.isn != b.isn:
        return -1 if a.isn < b.isn else 1
    if a.place != b.place:
        return -1 if a.place < b.place else 1
    return 0


cdef int by_number(const void *one, const void *other) noexcept nogil:
    cdef uint32_t a = (<const uint32_t *>one)[0], b = (<const uint32_t *>other)[0]
    if a != b:
        return -1 if a < b else 1
    return 0
