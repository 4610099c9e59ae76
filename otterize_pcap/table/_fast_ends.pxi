# What is known of the ends of UDP 5-tuples: who serves there, and which belong together.

cdef uint64_t IS_CROWDED = <uint64_t>1 << 63

# An endpoint behind a Service, as `backends` gives it.
cdef struct CEndpoint:
    uint64_t high
    uint64_t low
    uint64_t port


cdef inline bint is_to_itself(const CRow *row) noexcept nogil:
    return (row.key.word[0] == row.key.word[2] and row.key.word[1] == row.key.word[3]
            and port_of(row, 0) == port_of(row, 1))


cdef class KnownEnds(MergedSlots):
    """Asks a snapshot of every UDP endpoint, and joins the 5-tuples that may be one connection.

    `root` joins 5-tuples, and `ends` counts those of an endpoint, up to two.
    """

    cdef uint32_t *root
    cdef uint64_t *ends
    cdef int end_bits
    cdef dict asked

    def __cinit__(self, *_):
        self.asked = {}

    def __dealloc__(self):
        free(self.root)
        free(self.ends)

    cdef _know_ends(self, uint32_t datagrams, set entangled, answers):
        """Learn all of it, and leave the 5-tuples of which the answers change within the capture.

        Args:
            datagrams: How many UDP 5-tuples there are.
            entangled: Endpoints (address, port) of which conntrack alone knows more flows.
            answers: What the snapshot says at all times of the capture: `groups.SteadyAnswers`.
        """
        cdef uint32_t number
        self._count_ends(datagrams)
        self.root = <uint32_t *>malloc(self.tuples * sizeof(uint32_t))
        if self.root == NULL:
            raise MemoryError
        for number in range(self.tuples):
            self.root[number] = number
        self._ask_of_ends(entangled, answers)

    cdef void _forget_ends(self) noexcept nogil:
        free(self.root)
        free(self.ends)
        self.root = NULL
        self.ends = NULL

    cdef void _leave(self, uint32_t number) noexcept nogil:
        """Leave every row of a 5-tuple, but those that are in another one already."""
        cdef uint32_t row = self.tuple_newest[number]
        while row:
            if self.state[row - 1] != ABSORBED:
                self.state[row - 1] = LEFT
            row = self.next_in_tuple[row - 1]

    cdef uint32_t _root(self, uint32_t number) noexcept nogil:
        while self.root[number] != number:
            self.root[number] = self.root[self.root[number]]
            number = self.root[number]
        return number

    cdef _count_ends(self, uint32_t datagrams):
        """Count the 5-tuples of each endpoint, so that S35 knows who talked to several."""
        cdef uint32_t number
        cdef int side
        cdef uint64_t *slot
        self.end_bits = 4
        while (<uint64_t>1 << self.end_bits) < <uint64_t>datagrams * 4:
            self.end_bits += 1
        self.ends = <uint64_t *>calloc(<size_t>1 << self.end_bits, sizeof(uint64_t))
        if self.ends == NULL:
            raise MemoryError
        for number in range(self.tuples):
            if is_udp(self._newest(number)):
                for side in range(1 if is_to_itself(self._newest(number)) else 2):
                    slot = self._end_slot(self._newest(number), side)
                    slot[0] = slot[0] | IS_CROWDED if slot[0] else (<uint64_t>number << 1 | side) + 1

    cdef uint64_t *_end_slot(self, const CRow *row, int side) noexcept nogil:
        """The slot of an endpoint: who first had it, as a 5-tuple and its side; 0 where new."""
        cdef Key key
        cdef uint64_t mask = (<uint64_t>1 << self.end_bits) - 1, place, known
        cdef CRow *other
        memset(&key, 0, sizeof(Key))
        key.word[0], key.word[1] = row.key.word[2 * side], row.key.word[2 * side + 1]
        key.word[4] = port_of(row, side)
        place = hash_key(self.hasher, &key) >> (64 - self.end_bits)
        while self.ends[place] != 0:
            known = (self.ends[place] & ~IS_CROWDED) - 1
            other = self._newest(<uint32_t>(known >> 1))
            if (other.key.word[2 * (known & 1)] == key.word[0]
                    and other.key.word[2 * (known & 1) + 1] == key.word[1]
                    and port_of(other, known & 1) == key.word[4]):
                break
            place = (place + 1) & mask
        return &self.ends[place]

    cdef _ask_of_ends(self, set entangled, answers):
        """Ask the snapshot who serves what, and join what a Service could lead from and to."""
        cdef uint32_t number
        cdef int side
        cdef CRow *row
        cdef dict backends = {}
        for number in range(self.tuples):
            row = self._newest(number)
            if not is_udp(row):
                continue
            if is_to_itself(row):
                self._leave(number)
            for side in range(2):
                ports, could_be_service = self._asked(
                    address(row.key.word[2 * side], row.key.word[2 * side + 1]), answers
                )
                if ports is None:
                    self._leave(number)
                elif port_of(row, side) in ports:
                    self.tuple_flags[number] |= HIGH_SERVED if side else LOW_SERVED
                if could_be_service:
                    self._ask_of_service(number, side, backends, answers)
                if entangled and endpoint_key(row, side)[1] in entangled:
                    self._leave(number)

    cdef tuple _asked(self, bytes end, answers):
        """The UDP ports that are served on an address, and whether a Service could be there."""
        found = self.asked.get(end)
        if found is None:
            found = answers.served_ports(UDP, end), answers.could_be_service(end)
            self.asked[end] = found
        return found

    cdef bint _serves(self, tuple endpoint, answers) except *:
        """Whether an endpoint is, or at some time was, served."""
        ports, _ = self._asked(endpoint[0], answers)
        return ports is None or endpoint[1] in ports

    cdef _ask_of_service(self, uint32_t number, int side, dict backends, answers):
        """Join a 5-tuple with those of its client and what the Service at one side leads to."""
        cdef CRow probe
        cdef CRow *row = self._newest(number)
        cdef const CEndpoint *ends
        cdef int64_t other
        cdef Py_ssize_t place
        _, end = endpoint_key(row, side)
        found = backends.get(end)
        if found is None:
            steady, targets = answers.backends(UDP, end)
            found = backends[end] = (steady, b"".join(map(packed_endpoint, targets)))
        steady, text = found
        if not text:
            return
        self.tuple_flags[number] |= IS_SERVICE
        if not steady:
            self._leave(number)
        ends = <const CEndpoint *><const char *>text
        for place in range(len(text) // <Py_ssize_t>sizeof(CEndpoint)):
            tuple_between(&probe, row, 1 - side, &ends[place])
            other = <int64_t>self._tuple_slot(&probe)[0] - 1
            if other >= 0 and other != number:
                self.root[self._root(number)] = self._root(<uint32_t>other)


cdef void tuple_between(
    CRow *made, const CRow *row, int side, const CEndpoint *end
) noexcept nogil:
    """The 5-tuple of one side of a UDP row and another endpoint, as a row without packets."""
    cdef CEndpoint own, low, high
    own.high, own.low = row.key.word[2 * side], row.key.word[2 * side + 1]
    own.port = port_of(row, side)
    if is_lower(&own, end):
        low, high = own, end[0]
    else:
        low, high = end[0], own
    made.key.word[0], made.key.word[1] = low.high, low.low
    made.key.word[2], made.key.word[3] = high.high, high.low
    made.key.word[4] = low.port << 48 | high.port << 32 | UDP


cdef inline bint is_lower(const CEndpoint *one, const CEndpoint *other) noexcept nogil:
    if one.high != other.high:
        return one.high < other.high
    return one.low < other.low if one.low != other.low else one.port < other.port


cdef bytes packed_endpoint(tuple endpoint):
    """A `CEndpoint` of (address, port)."""
    cdef CEndpoint end
    cdef bytes text = endpoint[0]
    end.high, end.low = be64(<const uint8_t *>text), be64(<const uint8_t *>text + 8)
    end.port = endpoint[1]
    return (<char *>&end)[:sizeof(CEndpoint)]
