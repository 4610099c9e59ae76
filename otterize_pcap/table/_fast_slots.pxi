# The 30-second slots of a UDP flow → one row.

cdef enum:
    MAX_OPEN = 8


cdef class MergedSlots(CountedGroups):
    """Rows of which some stand for those that follow them.

    `legs` would put the slots of a flow together anyway, but each costs it 15 µs. The tables stay
    as they are: what is merged is a copy.
    """

    cdef uint32_t merged_count
    cdef uint32_t merged_room

    cdef inline CRow *_effective(self, uint32_t index) noexcept nogil:
        """A row, or the copy that stands for it and those merged into it."""
        if self.merged_as != NULL and self.merged_as[index]:
            return &self.merged[self.merged_as[index] - 1]
        return self.row[index]

    cdef _merge_slots(self):
        """Make one row of the slots of each UDP flow on one interface."""
        cdef uint32_t number
        for number in range(self.tuples):
            if is_udp(self._newest(number)) and self.next_in_tuple[self.tuple_newest[number] - 1]:
                self._turn_chain(number)
                self._merge_tuple(number)

    cdef void _turn_chain(self, uint32_t number) noexcept nogil:
        """Put a 5-tuple's rows in the order of the file."""
        cdef uint32_t index = self.tuple_newest[number], turned = 0, next_
        while index:
            next_ = self.next_in_tuple[index - 1]
            self.next_in_tuple[index - 1] = turned
            turned, index = index, next_
        self.tuple_newest[number] = turned

    cdef int _merge_tuple(self, uint32_t number) except -1:
        cdef uint32_t last[MAX_OPEN]
        cdef int open_ = 0, place
        cdef uint32_t index = self.tuple_newest[number]
        cdef CRow *row
        cdef CRow *merged
        while index:
            row = self.row[index - 1]
            for place in range(open_):
                if (self.table_of[last[place]] == self.table_of[index - 1]
                        and same_key(&self.row[last[place]].key, &row.key)):
                    merged = self._effective(last[place])
                    if merged.first_ns <= row.first_ns <= merged.last_ns + SLOT_NS:
                        merged = self._copy_of(last[place])
                        merged.last_ns = max(merged.last_ns, row.last_ns)
                        append_side(&merged.sides[0], &row.sides[0])
                        append_side(&merged.sides[1], &row.sides[1])
                        self.state[index - 1] = ABSORBED
                    else:
                        last[place] = index - 1
                    break
            else:
                place = open_ if open_ < MAX_OPEN else index % MAX_OPEN
                open_ = min(open_ + 1, <int>MAX_OPEN)
                last[place] = index - 1
            index = self.next_in_tuple[index - 1]
        return 0

    cdef CRow *_copy_of(self, uint32_t index) except NULL:
        """The copy that stands for a row and those that follow it; made when first asked for."""
        cdef CRow *merged
        if self.merged_as == NULL:
            self.merged_as = <uint32_t *>calloc(self.rows + 1, sizeof(uint32_t))
            if self.merged_as == NULL:
                raise MemoryError
        if self.merged_as[index] == 0:
            if self.merged_count == self.merged_room:
                self.merged_room = 2 * self.merged_room + 256
                merged = <CRow *>realloc(self.merged, self.merged_room * sizeof(CRow))
                if merged == NULL:
                    raise MemoryError
                self.merged = merged
            self.merged[self.merged_count] = self.row[index][0]
            self.merged_count += 1
            self.merged_as[index] = self.merged_count
        return &self.merged[self.merged_as[index] - 1]
