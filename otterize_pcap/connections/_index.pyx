# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Rows of several tables → 5-tuples, chained, and 5-tuples → components.

A component is a set of 5-tuples of which no row can be of one connection with a row outside it.
Too coarse is always right; what makes two 5-tuples one component is said where it is found out.
Rows are numbered through all tables, a chunk of a table after the other: chunks that are not full
leave numbers unused. A number costs 4 bytes and no row is copied.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport NO_CLIENT, CRow, Key
from otterize_pcap.table._chunks cimport CHUNK_ROWS, Table, hash_key, row_at

from otterize_pcap.table.rows import too_many_connections

cdef enum:
    BATCH = 16


cdef inline uint8_t flags_of(const CRow *row) noexcept nogil:
    cdef uint8_t flags = HAS_HANDSHAKE
    if row.client == NO_CLIENT:
        flags = HAS_RUN | IS_INCOMPLETE
    elif row.has_server_isn:
        flags |= LOW_ANSWERED if row.client else HIGH_ANSWERED
    else:
        flags |= IS_INCOMPLETE
    if (row.sides[0].packets or row.sides[1].packets or row.sides[0].unreachable
            or row.sides[1].unreachable):
        flags |= IS_RECORDED
    return flags


cdef inline uint64_t tuple_hash(const Table *hasher, const CRow *row) noexcept nogil:
    cdef Key key = row.key
    key.word[4] &= ~<uint64_t>0xFFFFFF00
    key.word[5] = 0
    return hash_key(hasher, &key)


cdef class RowIndex:
    """Every row of the compiled tables that were added, which must stay as they are."""

    def __cinit__(self):
        self.tables = []
        self.slot_bits = 10
        self.slots = <TupleSlot *>calloc(1 << 10, sizeof(TupleSlot))
        if self.slots == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.chunk)
        free(self.chunk_table)
        free(self.chunk_rows)
        free(self.next_in_tuple)
        free(self.newest)
        free(self.flags)
        free(self.bare)
        free(self.bare_of)
        free(self.parent)
        free(self.next_in_component)
        free(self.slots)

    cdef add(self, added, left_out):
        """Add the rows of a `FastTable`, but for those of the tunnel paths with the numbers `left_out` (S25).

        Raises:
            CaptureError: There are more rows than 32 bits can number.
        """
        cdef FastTable table = added
        cdef uint64_t rows = table.decoding.table.rows, index = 0
        cdef uint32_t begin = self.chunks
        cdef uint64_t room = begin + (rows + CHUNK_ROWS - 1) // CHUNK_ROWS
        cdef uint8_t *flags = <uint8_t *>calloc(len(table.path_tunnels) + 1, 1)
        if flags == NULL:
            raise MemoryError
        try:
            if room * CHUNK_ROWS >= <uint64_t>0xFFFFFFFE:
                raise too_many_connections(0xFFFFFFFE)
            self._make_room(room)
            for number in left_out:
                flags[<uint32_t>number] = 1
            while index < rows:
                self.chunk[self.chunks] = row_at(&table.decoding.table, index)
                self.chunk_table[self.chunks] = <uint32_t>len(self.tables)
                self.chunk_rows[self.chunks] = <uint32_t>min(rows - index, <uint64_t>CHUNK_ROWS)
                self.chunks += 1
                index += CHUNK_ROWS
            if self.hasher == NULL:
                # All are hashed alike: by the first table's secret.
                self.hasher = &table.decoding.table
            self.tables.append(table)
            with nogil:
                self._index_chunks(begin, flags)
        finally:
            free(flags)

    cdef int _make_room(self, uint64_t chunks) except -1:
        cdef CRow **chunk = <CRow **>realloc(self.chunk, (chunks + 1) * sizeof(CRow *))
        cdef uint32_t *numbers
        if chunk == NULL:
            raise MemoryError
        self.chunk = chunk
        numbers = <uint32_t *>realloc(self.chunk_table, (chunks + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.chunk_table = numbers
        numbers = <uint32_t *>realloc(self.chunk_rows, (chunks + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.chunk_rows = numbers
        numbers = <uint32_t *>realloc(
            self.next_in_tuple, (chunks * CHUNK_ROWS + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.next_in_tuple = numbers
        return 0

    cdef int _index_chunks(self, uint32_t first, const uint8_t *left_out) except -1 nogil:
        """Chain all rows of each 5-tuple, the newest first."""
        cdef uint64_t hashes[BATCH]
        cdef uint32_t chunk, begin, end, at, number
        cdef uint32_t *slot
        cdef CRow *row
        for chunk in range(first, self.chunks):
            begin = 0
            while begin < self.chunk_rows[chunk]:
                end = min(begin + <uint32_t>BATCH, self.chunk_rows[chunk])
                # Memory answers for several rows at once: 1.6 times as fast as one by one.
                for at in range(begin, end):
                    hashes[at - begin] = tuple_hash(self.hasher, &self.chunk[chunk][at])
                    otterize_fetch(&self.slots[hashes[at - begin] >> (64 - self.slot_bits)])
                for at in range(begin, end):
                    row = &self.chunk[chunk][at]
                    number = chunk * CHUNK_ROWS + at
                    if left_out[(row.key.word[4] >> 8) & 0xFFFFFF]:
                        self.left_out_packets += row.sides[0].packets + row.sides[1].packets
                        continue
                    if self.tuples * 2 >= <uint32_t>1 << self.slot_bits:
                        self._grow()
                    slot = self._slot(row, hashes[at - begin])
                    if slot[0] == 0:
                        self._new_tuple()
                        slot[0] = self.tuples
                    self.next_in_tuple[number] = self.newest[slot[0] - 1]
                    self.newest[slot[0] - 1] = number + 1
                    self.flags[slot[0] - 1] |= flags_of(row)
                begin = end
        return 0

    cdef int _new_tuple(self) except -1 nogil:
        cdef uint32_t room
        cdef uint32_t *newest
        cdef uint32_t *parent
        cdef uint8_t *flags
        if self.tuples == self.tuple_room:
            room = self.tuple_room + (self.tuple_room >> 1) + 1024
            newest = <uint32_t *>realloc(self.newest, <size_t>room * sizeof(uint32_t))
            if newest != NULL:
                self.newest = newest
            parent = <uint32_t *>realloc(self.parent, <size_t>room * sizeof(uint32_t))
            if parent != NULL:
                self.parent = parent
            flags = <uint8_t *>realloc(self.flags, room)
            if flags != NULL:
                self.flags = flags
            if newest == NULL or parent == NULL or flags == NULL:
                with gil:
                    raise MemoryError
            self.tuple_room = room
        self.newest[self.tuples] = 0
        self.parent[self.tuples] = self.tuples
        self.flags[self.tuples] = 0
        self.tuples += 1
        return 0

    cdef uint32_t *_slot(self, const CRow *row, uint64_t hash_) noexcept nogil:
        """The slot of a row's 5-tuple: its number plus one, 0 where it is new."""
        cdef uint64_t mask = (<uint64_t>1 << self.slot_bits) - 1
        cdef uint64_t place = hash_ >> (64 - self.slot_bits)
        cdef uint32_t tag = <uint32_t>(hash_ >> 32)
        while self.slots[place].number != 0:
            if (self.slots[place].tag == tag
                    and same_tuple(self.shown_by(self.slots[place].number - 1), row)):
                return &self.slots[place].number
            place = (place + 1) & mask
        self.slots[place].tag = tag
        return &self.slots[place].number

    cdef int _grow(self) except -1 nogil:
        """Double the index; tags tell where a slot goes without a look at the rows."""
        cdef int bits = self.slot_bits + 1
        cdef uint64_t size = <uint64_t>1 << bits, mask = size - 1, old, place
        cdef TupleSlot *slots = <TupleSlot *>calloc(size, sizeof(TupleSlot)) if bits <= 32 else NULL
        if slots == NULL:
            with gil:
                raise MemoryError
        for old in range(<uint64_t>1 << self.slot_bits):
            if self.slots[old].number:
                place = <uint64_t>self.slots[old].tag >> (32 - bits)
                while slots[place].number:
                    place = (place + 1) & mask
                slots[place] = self.slots[old]
        free(self.slots)
        self.slots = slots
        self.slot_bits = bits
        return 0

    cdef uint32_t find(self, const CRow *row) noexcept nogil:
        """The number of a row's 5-tuple, NOTHING where the captures have none."""
        cdef uint64_t hash_, mask, place
        if self.tuples == 0:
            return NOTHING
        hash_ = tuple_hash(self.hasher, row)
        mask = (<uint64_t>1 << self.slot_bits) - 1
        place = hash_ >> (64 - self.slot_bits)
        while self.slots[place].number != 0:
            if (self.slots[place].tag == <uint32_t>(hash_ >> 32)
                    and same_tuple(self.shown_by(self.slots[place].number - 1), row)):
                return self.slots[place].number - 1
            place = (place + 1) & mask
        return NOTHING

    cdef int64_t add_bare(self, const CRow *row) except -1:
        """The number of a 5-tuple that may have no row: conntrack alone knows of it."""
        cdef uint32_t *slot
        cdef CRow *bare
        cdef uint32_t *bare_of
        cdef uint32_t number
        if self.tuples * 2 >= <uint32_t>1 << self.slot_bits:
            self._grow()
        slot = self._slot(row, tuple_hash(self.hasher, row))
        if slot[0]:
            return slot[0] - 1
        self._new_tuple()
        number = self.tuples - 1
        if self.bares == self.bare_room:
            self.bare_room = 2 * self.bare_room + 64
            bare = <CRow *>realloc(self.bare, <size_t>self.bare_room * sizeof(CRow))
            if bare == NULL:
                raise MemoryError
            self.bare = bare
        if self.bare_of_room != self.tuple_room:
            bare_of = <uint32_t *>realloc(self.bare_of, <size_t>self.tuple_room * sizeof(uint32_t))
            if bare_of == NULL:
                raise MemoryError
            self.bare_of = bare_of
            self.bare_of_room = self.tuple_room
        self.bare[self.bares] = row[0]
        self.bare_of[number] = self.bares
        self.bares += 1
        slot[0] = self.tuples
        return number

    cdef int chain_components(self) except -1 nogil:
        """Chain the 5-tuples of each component, the root first and then the newest first.

        From then on `next_in_component` holds one more than the next number, 0 at the end.
        """
        cdef uint32_t number, root
        self.next_in_component = <uint32_t *>calloc(
            <size_t>self.tuples + 1, sizeof(uint32_t))
        if self.next_in_component == NULL:
            with gil:
                raise MemoryError
        for number in range(self.tuples):
            root = self.root(number)
            if root != number:
                self.next_in_component[number] = self.next_in_component[root]
                self.next_in_component[root] = number + 1
        return 0

    cdef void unchain_components(self) noexcept nogil:
        """Forget the chains, so that more 5-tuples can be united."""
        free(self.next_in_component)
        self.next_in_component = NULL
