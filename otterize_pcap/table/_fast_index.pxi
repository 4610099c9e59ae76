# The rows of several tables, chained by 5-tuple and by the client's initial sequence number.

cdef enum:
    HAS_RUN = 1
    HAS_HANDSHAKE = 2
    # Conntrack called a flow of this 5-tuple ASSURED, or one of its ends the client.
    IS_ASSURED = 4
    LOW_CALLED = 8
    HIGH_CALLED = 16
    # The snapshot says that an end was served, or that a Service led on from it.
    LOW_SERVED = 32
    HIGH_SERVED = 64
    IS_SERVICE = 128


cdef inline bint same_tuple(const CRow *one, const CRow *other) noexcept nogil:
    return ((one.key.word[0] ^ other.key.word[0]) | (one.key.word[1] ^ other.key.word[1])
            | (one.key.word[2] ^ other.key.word[2]) | (one.key.word[3] ^ other.key.word[3])
            | ((one.key.word[4] ^ other.key.word[4]) & ~<uint64_t>0xFFFFFF00)) == 0


cdef inline void tuple_order(const CRow *row, uint64_t *out) noexcept nogil:
    """(protocol, low endpoint, high endpoint) as numbers that sort the same."""
    out[0] = row.key.word[4] & 0xFF
    out[1] = row.key.word[0]
    out[2] = row.key.word[1]
    out[3] = row.key.word[4] >> 48
    out[4] = row.key.word[2]
    out[5] = row.key.word[3]
    out[6] = (row.key.word[4] >> 32) & 0xFFFF


cdef inline int compare_tuples(const CRow *one, const CRow *other) noexcept nogil:
    cdef uint64_t a[7]
    cdef uint64_t b[7]
    cdef int i
    tuple_order(one, a)
    tuple_order(other, b)
    for i in range(7):
        if a[i] != b[i]:
            return -1 if a[i] < b[i] else 1
    return 0


cdef inline uint32_t port_of(const CRow *row, int side) noexcept nogil:
    return (row.key.word[4] >> (32 if side else 48)) & 0xFFFF


cdef inline bint is_udp(const CRow *row) noexcept nogil:
    return row.key.word[4] & 0xFF == UDP


cdef class RowIndex:
    """Every row of several tables by number, chained with those that could be of one connection.

    A chain holds row numbers plus one and ends with 0. The tables must stay as they are.
    """

    cdef list tables
    cdef uint32_t rows
    cdef CRow **row
    cdef uint32_t *table_of
    cdef uint32_t *tuple_of
    cdef uint32_t *next_in_tuple
    cdef uint32_t *next_with_isn
    cdef uint32_t *tuple_slots
    cdef uint32_t *isn_slots
    cdef uint32_t *tuple_newest
    cdef uint8_t *tuple_flags
    cdef uint32_t tuples
    cdef int bits
    cdef Table *hasher

    def __cinit__(self, list tables, *_):
        cdef FastTable table
        cdef uint64_t total = 0, index
        cdef uint32_t number = 0, place
        self.tables = tables
        for table in tables:
            total += table.decoding.table.rows
        if total >= <uint64_t>0x7FFFFFFF:
            raise too_many_connections(0x7FFFFFFF)
        self.rows = <uint32_t>total
        self.bits = 4
        while (<uint64_t>1 << self.bits) < total * 2:
            self.bits += 1
        self.row = <CRow **>malloc((total + 1) * sizeof(CRow *))
        self.table_of = <uint32_t *>malloc((total + 1) * sizeof(uint32_t))
        self.tuple_of = <uint32_t *>malloc((total + 1) * sizeof(uint32_t))
        self.next_in_tuple = <uint32_t *>calloc(total + 1, sizeof(uint32_t))
        self.next_with_isn = <uint32_t *>calloc(total + 1, sizeof(uint32_t))
        self.tuple_slots = <uint32_t *>calloc(<size_t>1 << self.bits, sizeof(uint32_t))
        self.isn_slots = <uint32_t *>calloc(<size_t>1 << self.bits, sizeof(uint32_t))
        self.tuple_newest = <uint32_t *>malloc((total + 1) * sizeof(uint32_t))
        self.tuple_flags = <uint8_t *>calloc(total + 1, 1)
        if (self.row == NULL or self.table_of == NULL or self.tuple_of == NULL
                or self.next_in_tuple == NULL or self.next_with_isn == NULL
                or self.tuple_slots == NULL or self.isn_slots == NULL
                or self.tuple_newest == NULL or self.tuple_flags == NULL):
            raise MemoryError
        for place, table in enumerate(tables):
            self.hasher = &table.decoding.table
            for index in range(table.decoding.table.rows):
                self.row[number] = row_at(&table.decoding.table, index)
                self.table_of[number] = place
                number += 1
        if self.rows:
            with nogil:
                self._index()

    def __dealloc__(self):
        free(self.row)
        free(self.table_of)
        free(self.tuple_of)
        free(self.next_in_tuple)
        free(self.next_with_isn)
        free(self.tuple_slots)
        free(self.isn_slots)
        free(self.tuple_newest)
        free(self.tuple_flags)

    cdef inline CRow *_newest(self, uint32_t number) noexcept nogil:
        return self.row[self.tuple_newest[number] - 1]

    cdef uint32_t *_tuple_slot(self, const CRow *row) noexcept nogil:
        """The slot of a row's 5-tuple: its number plus one, 0 where it is new."""
        cdef Key key = row.key
        cdef uint64_t mask = (<uint64_t>1 << self.bits) - 1, place
        key.word[4] &= ~<uint64_t>0xFFFFFF00
        key.word[5] = 0
        place = hash_key(self.hasher, &key) >> (64 - self.bits)
        while self.tuple_slots[place] != 0:
            if same_tuple(self.row[self.tuple_newest[self.tuple_slots[place] - 1] - 1], row):
                break
            place = (place + 1) & mask
        return &self.tuple_slots[place]

    cdef uint32_t *_isn_slot(self, const CRow *row) noexcept nogil:
        """The slot of a row's (protocol, client ISN): its newest row plus one, 0 where new."""
        cdef uint64_t mask = (<uint64_t>1 << self.bits) - 1, place, mixed
        cdef CRow *other
        mixed = (<uint64_t>(row.key.word[4] & 0xFF) << 32 | row.client_isn) + self.hasher.secret[0]
        place = (mixed * self.hasher.secret[6]) >> (64 - self.bits)
        while self.isn_slots[place] != 0:
            other = self.row[self.isn_slots[place] - 1]
            if (other.client_isn == row.client_isn
                    and (other.key.word[4] & 0xFF) == (row.key.word[4] & 0xFF)):
                break
            place = (place + 1) & mask
        return &self.isn_slots[place]

    cdef void _index(self) noexcept nogil:
        """Chain all rows of each 5-tuple, and all handshake rows of each client ISN."""
        cdef uint32_t index
        cdef uint32_t *slot
        cdef CRow *row
        for index in range(self.rows):
            row = self.row[index]
            slot = self._tuple_slot(row)
            if slot[0] == 0:
                self.tuple_newest[self.tuples] = 0
                self.tuples += 1
                slot[0] = self.tuples
            self.tuple_of[index] = slot[0] - 1
            self.next_in_tuple[index] = self.tuple_newest[slot[0] - 1]
            self.tuple_newest[slot[0] - 1] = index + 1
            if row.client == NO_CLIENT:
                self.tuple_flags[slot[0] - 1] |= HAS_RUN
                continue
            self.tuple_flags[slot[0] - 1] |= HAS_HANDSHAKE
            slot = self._isn_slot(row)
            self.next_with_isn[index] = slot[0]
            slot[0] = index + 1

    cdef bint _is_alone(self, uint32_t index) noexcept nogil:
        """Whether a row shows a handshake, and no other row its 5-tuple or its client ISN."""
        cdef CRow *row = self.row[index]
        return (row.client != NO_CLIENT
                and self.tuple_newest[self.tuple_of[index]] == index + 1
                and self.next_in_tuple[index] == 0
                and self._isn_slot(row)[0] == index + 1
                and self.next_with_isn[index] == 0)

    def alone_rows(self, uint32_t table):
        """One table's rows that are a whole connection each, by the time they began.

        Only before anything was grouped, which changes the chains.
        """
        cdef uint32_t index, before = 0
        cdef FastTable rows = self.tables[table]
        cdef bint in_order = True, any_before = False
        for index in range(self.rows):
            if self.table_of[index] == table and self._is_alone(index):
                if any_before and self.row[index].first_ns < self.row[before].first_ns:
                    in_order = False
                    break
                before, any_before = index, True
        if in_order:
            for index in range(self.rows):
                if self.table_of[index] == table and self._is_alone(index):
                    yield rows._as_row(self.row[index])
            return
        order = [
            (self.row[index].first_ns, index)
            for index in range(self.rows)
            if self.table_of[index] == table and self._is_alone(index)
        ]
        order.sort()
        for _, index in order:
            yield rows._as_row(self.row[index])

    def crowded_rows(self, uint32_t table):
        """The other rows of a table: they may be of one connection with others."""
        cdef uint32_t index
        cdef FastTable rows = self.tables[table]
        for index in range(self.rows):
            if self.table_of[index] == table and not self._is_alone(index):
                yield rows._as_row(self.row[index])

    cdef int64_t _tuple_number(self, uint64_t protocol, tuple one, tuple other) except -2:
        """The number of a 5-tuple of two (address, port) endpoints, -1 where no row has it."""
        cdef CRow row
        cdef bytes low = (one if one <= other else other)[0]
        cdef bytes high = (other if one <= other else one)[0]
        cdef uint64_t low_port = (one if one <= other else other)[1]
        cdef uint64_t high_port = (other if one <= other else one)[1]
        if not self.rows:
            return -1
        row.key.word[0], row.key.word[1] = be64(<const uint8_t *>low), be64(<const uint8_t *>low + 8)
        row.key.word[2], row.key.word[3] = be64(<const uint8_t *>high), be64(<const uint8_t *>high + 8)
        row.key.word[4] = low_port << 48 | high_port << 32 | protocol
        return <int64_t>self._tuple_slot(&row)[0] - 1
