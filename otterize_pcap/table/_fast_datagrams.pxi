# UDP rows → plain connections, counted by who talked to whom.
#
# What `legs`, `join`, `direction`, `outcome` and `joined` do in Python for any UDP flow, this does
# in C where it is plain: what the snapshot says of both ends holds for the whole capture, and at
# most one other 5-tuple could be the same connection behind a Service. All others are left to
# Python, always together with every row that could belong to them. 100,000 conversations among
# a million connections took Python 9 s and 350 MB; this takes well under a second.

cdef enum:
    EPHEMERAL_FIRST = 32768
    EPHEMERAL_END = 61000
    WELL_KNOWN = 1024

cdef struct Legs:
    CRow *row[MAX_LEGS]
    uint32_t number[MAX_LEGS]
    int64_t first_ns[MAX_LEGS]
    int64_t last_ns[MAX_LEGS]
    int count


cdef inline bint is_ephemeral(uint32_t port) noexcept nogil:
    """`direction.EPHEMERAL`."""
    return EPHEMERAL_FIRST <= port < EPHEMERAL_END


cdef class PlainDatagrams(KnownEnds):
    """Groups the plain UDP connections of several recordings.

    `size` and `mate` are of each set of 5-tuples that may be one connection, and `began` tells when
    a table's recording was 30 seconds old.
    """

    cdef uint32_t *size
    cdef uint32_t *mate
    cdef int64_t *began

    def __cinit__(self, list tables, *_):
        self.began = <int64_t *>calloc(len(tables) + 1, sizeof(int64_t))
        if self.began == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.size)
        free(self.mate)
        free(self.began)

    cdef _group_datagrams(self, set entangled, answers):
        """Group every plain UDP connection; the arguments are those of `_know_ends`."""
        cdef uint32_t number, datagrams = 0
        for number in range(self.tuples):
            datagrams += is_udp(self._newest(number))
        if datagrams == 0:
            return
        self._merge_slots()
        self._know_ends(datagrams, entangled, answers)
        self.size = <uint32_t *>calloc(self.tuples, sizeof(uint32_t))
        self.mate = <uint32_t *>calloc(self.tuples, sizeof(uint32_t))
        if self.size == NULL or self.mate == NULL:
            raise MemoryError
        # A set with a member that is left has to be left as a whole.
        for number in range(self.tuples):
            if is_udp(self._newest(number)):
                self.size[self._root(number)] += 3 if self._is_left(number) else 1
                self.mate[self._root(number)] ^= number
        for number in range(self.tuples):
            if is_udp(self._newest(number)) and not self._is_left(number):
                self._take_tuple(number)
        free(self.size)
        free(self.mate)
        self.size = self.mate = NULL
        self._forget_ends()

    cdef inline bint _is_left(self, uint32_t number) noexcept nogil:
        return self.state[self.tuple_newest[number] - 1] == LEFT

    cdef int _take_tuple(self, uint32_t number) except -1:
        """Take the connections of a 5-tuple, with those behind its Service, or leave them all."""
        cdef Legs legs[2]
        cdef uint32_t other, set_ = self._root(number)
        if self.size[set_] == 1:
            if not (self._gather(number, &legs[0]) and self._take_runs(number, &legs[0], False)):
                self._leave(number)
            else:
                self._take_runs(number, &legs[0], True)
            return 0
        if self.size[set_] == 2:
            other = self.mate[set_] ^ number
            if self.tuple_flags[number] & IS_SERVICE:
                # Taken from the side behind the Service, so that it is once.
                if not self.tuple_flags[other] & IS_SERVICE:
                    if not self._take_pair(number, other, &legs[0], &legs[1]):
                        self._leave(number)
                        self._leave(other)
                    return 0
            elif self.tuple_flags[other] & IS_SERVICE:
                return 0
        self._leave(number)
        return 0

    cdef bint _gather(self, uint32_t number, Legs *legs) noexcept nogil:
        """The legs of a 5-tuple by the time they began; False where they are too many."""
        cdef uint32_t index = self.tuple_newest[number]
        cdef int64_t first_ns
        cdef CRow *row
        cdef int place
        legs.count = 0
        while index:
            index -= 1
            if self.state[index] != ABSORBED:
                if legs.count == MAX_LEGS:
                    return False
                row = self._effective(index)
                first_ns = row.first_ns - self.offsets[self.table_of[index]]
                place = legs.count
                while place > 0 and legs.first_ns[place - 1] > first_ns:
                    legs.row[place] = legs.row[place - 1]
                    legs.number[place] = legs.number[place - 1]
                    legs.first_ns[place] = legs.first_ns[place - 1]
                    legs.last_ns[place] = legs.last_ns[place - 1]
                    place -= 1
                legs.row[place], legs.number[place] = row, index
                legs.first_ns[place] = first_ns
                legs.last_ns[place] = row.last_ns - self.offsets[self.table_of[index]]
                legs.count += 1
            index = self.next_in_tuple[index]
        return True

    cdef bint _take_runs(self, uint32_t number, Legs *legs, bint counting) except *:
        """Take each run of a 5-tuple without a pause of 30 seconds; False where one is not plain."""
        cdef int begin = 0, end
        cdef int64_t last_ns
        while begin < legs.count:
            last_ns = legs.last_ns[begin]
            end = begin + 1
            while end < legs.count and legs.first_ns[end] <= last_ns + SLOT_NS:
                last_ns = max(last_ns, legs.last_ns[end])
                end += 1
            if not self._take_run(number, legs, begin, end, counting):
                return False
            begin = end
        return True

    cdef bint _take_run(
        self, uint32_t number, Legs *legs, int begin, int end, bint counting
    ) except *:
        cdef CFlow flow
        cdef uint8_t clients[MAX_LEGS]
        cdef int count = end - begin, said
        cdef Rule rule = UNDIRECTED
        cdef CallOutcome outcome
        said = self._vote(number, legs, begin, end, &rule)
        if said == 1 or said == 2:
            flow.client = said == 2
        else:
            flow.client = self._first_sender(legs, begin, end)
            rule = UNDIRECTED
            if said == 0 and self._began_inside(legs, begin, end):
                rule = BY_FIRST_SENDER
        memset(clients, flow.client, sizeof(clients))
        outcome = outcome_of_datagrams(legs.row + begin, clients, count)
        if self.tuple_flags[number] & IS_ASSURED and outcome != ESTABLISHED:
            return False
        if counting:
            flow.tuple_ = number
            flow.row = legs.row[begin]
            self._count(
                self._group_number(&flow, 1, outcome, rule),
                legs.row + begin, legs.number + begin, clients, count,
            )
        return True

    cdef bint _take_pair(
        self, uint32_t before, uint32_t behind, Legs *one, Legs *other
    ) except *:
        """Take what went to a Service and to a pod behind it as one connection."""
        cdef CFlow flows[2]
        cdef CFlow moved
        cdef CRow *legs[2 * MAX_LEGS]
        cdef uint32_t numbers[2 * MAX_LEGS]
        cdef uint8_t clients[2 * MAX_LEGS]
        cdef Rule rule = UNDIRECTED, other_rule = UNDIRECTED
        cdef CallOutcome outcome
        cdef int count, said
        if not (self._gather(before, one) and self._gather(behind, other)):
            return False
        if not self._flow(before, one, &flows[0]) or not self._flow(behind, other, &flows[1]):
            return False
        if (flows[0].first_ns > flows[1].last_ns + SLOT_NS
                or flows[1].first_ns > flows[0].last_ns + SLOT_NS):
            return False
        # The endpoint that both have is the client's.
        shared_side(flows[0].row, flows[1].row, &flows[0].client, &flows[1].client)
        said = self._vote(before, one, 0, one.count, &rule)
        if said != 1 << flows[0].client:
            return False
        said = self._vote(behind, other, 0, other.count, &other_rule)
        if said != 0 and said != 1 << flows[1].client:
            return False
        rule = min(rule, other_rule)
        count = one.count + other.count
        if count > MAX_LEGS:
            return False
        memcpy(legs, one.row, one.count * sizeof(CRow *))
        memcpy(legs + one.count, other.row, other.count * sizeof(CRow *))
        memcpy(numbers, one.number, one.count * sizeof(uint32_t))
        memcpy(numbers + one.count, other.number, other.count * sizeof(uint32_t))
        memset(clients, flows[0].client, one.count)
        memset(clients + one.count, flows[1].client, other.count)
        outcome = outcome_of_datagrams(legs, clients, count)
        if ((self.tuple_flags[before] | self.tuple_flags[behind]) & IS_ASSURED
                and outcome != ESTABLISHED):
            return False
        if later_flow(&flows[0], &flows[1]):
            moved = flows[0]
            flows[0], flows[1] = flows[1], moved
        self._count(
            self._group_number(flows, 2, outcome, rule), legs, numbers, clients, count
        )
        return True

    cdef bint _flow(self, uint32_t number, const Legs *legs, CFlow *flow) noexcept nogil:
        """All legs of a 5-tuple as one flow; False where a pause makes them several."""
        cdef int place
        flow.tuple_ = number
        flow.server_isn = 0
        flow.row = legs.row[0]
        flow.first_ns, flow.last_ns = legs.first_ns[0], legs.last_ns[0]
        for place in range(1, legs.count):
            if legs.first_ns[place] > flow.last_ns + SLOT_NS:
                return False
            flow.last_ns = max(flow.last_ns, legs.last_ns[place])
        return True

    cdef int _vote(
        self, uint32_t number, const Legs *legs, int begin, int end, Rule *rule
    ) noexcept nogil:
        """Which sides S31 to S35 call the client, 1 the low one and 2 the high; the first rule."""
        cdef uint8_t flags = self.tuple_flags[number]
        cdef CRow *row = legs.row[begin]
        cdef int said = 0, hinted = 0, i, side
        cdef bint low_fixed, high_fixed
        cdef int called = flags & (LOW_CALLED | HIGH_CALLED)
        cdef int served = flags & (LOW_SERVED | HIGH_SERVED)
        if called == LOW_CALLED or called == HIGH_CALLED:
            said |= 1 if called == LOW_CALLED else 2
            rule[0] = min(rule[0], BY_CONNTRACK)
        if served == LOW_SERVED or served == HIGH_SERVED:
            said |= 2 if served == LOW_SERVED else 1
            rule[0] = min(rule[0], BY_SNAPSHOT)
        for i in range(begin, end):
            for side in range(2):
                if legs.row[i].sides[side].hints & 1:
                    hinted |= 1 << side
                if legs.row[i].sides[side].hints & 2:
                    hinted |= 2 >> side
        if hinted == 1 or hinted == 2:
            said |= hinted
            rule[0] = min(rule[0], BY_PAYLOAD)
        low_fixed = not is_ephemeral(port_of(row, 0))
        high_fixed = not is_ephemeral(port_of(row, 1))
        if low_fixed != high_fixed:
            side = 1 if high_fixed else 0
            if port_of(row, side) < WELL_KNOWN or self._end_slot(row, side)[0] & IS_CROWDED:
                said |= 2 >> side
                rule[0] = min(rule[0], BY_PORT)
        return said

    cdef uint8_t _first_sender(self, const Legs *legs, int begin, int end):
        """Who sent the first packet; of legs that began at one time the first by file."""
        cdef int best = begin, place
        for place in range(begin + 1, end):
            if legs.first_ns[place] > legs.first_ns[begin]:
                break
            if self._place(legs, place) < self._place(legs, best):
                best = place
        return legs.row[best].first_sender

    cdef tuple _place(self, const Legs *legs, int place):
        """Where a leg began: file by rank, and packet."""
        cdef CRow *row = legs.row[place]
        return self.files[self.table_of[legs.number[place]]][row.part], row.number

    cdef bint _began_inside(self, const Legs *legs, int begin, int end) noexcept nogil:
        """`direction._began_inside`."""
        cdef bint low_sent = False, high_sent = False
        cdef int i
        for i in range(begin, end):
            low_sent |= legs.row[i].sides[0].packets > 0
            high_sent |= legs.row[i].sides[1].packets > 0
            if legs.row[i].first_ns < self.began[self.table_of[legs.number[i]]]:
                return False
        return low_sent and high_sent


cdef CallOutcome outcome_of_datagrams(
    CRow **legs, const uint8_t *clients, int count
) noexcept nogil:
    """`outcome.outcome_of` for UDP."""
    cdef bint sent = False, answered = False, refused = False
    cdef int i
    for i in range(count):
        sent |= legs[i].sides[clients[i]].packets > 0
        answered |= legs[i].sides[1 - clients[i]].packets > 0
        refused |= legs[i].sides[clients[i]].unreachable > 0
    if sent and answered:
        return ESTABLISHED
    return REFUSED if refused else UNANSWERED


cdef void shared_side(
    const CRow *one, const CRow *other, uint8_t *in_one, uint8_t *in_other
) noexcept nogil:
    """On which side of each of two 5-tuples the endpoint is that both have."""
    cdef int i, j
    for i in range(2):
        for j in range(2):
            if (one.key.word[2 * i] == other.key.word[2 * j]
                    and one.key.word[2 * i + 1] == other.key.word[2 * j + 1]
                    and port_of(one, i) == port_of(other, j)):
                in_one[0], in_other[0] = i, j
