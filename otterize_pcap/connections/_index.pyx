# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Rows of several tables → 5-tuples, chained, and 5-tuples → components.

A component is a set of 5-tuples of which no row can be of one connection with a row outside it.
Too coarse is always right; what makes two 5-tuples one component is said where it is found out.
Rows are numbered through all tables, a chunk of a table after the other: chunks that are not full
leave numbers unused. A number costs 4 bytes and no row is copied; a 5-tuple costs 64, so that walks
over all of them look at no row.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from otterize_pcap.connections._endpoint cimport CTuple
from otterize_pcap.connections._tuple_facts cimport key_of, note_row
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport CRow, Key
from otterize_pcap.table._bare_rows cimport pack_chunk, pack_rows
from otterize_pcap.table._chunks cimport CHUNK_ROWS, Packed, Table, hash_key, row_at
from otterize_pcap.table._memory cimport free_zeros, grow_zeros, new_zeros

from otterize_pcap.table.rows import too_many_connections

cdef enum:
    BATCH = 16

ENOUGH_FOR_THREADS = 1 << 17
"""5-tuples from which on two threads count sooner than one: what they ask Python they ask in turn."""


cdef class RowIndex:
    """Every row of the compiled tables that were added, which must stay as they are."""

    def __cinit__(self):
        self.tables = []
        self.slot_bits = 10
        self.slots = <TupleSlot *>new_zeros((1 << 10) * sizeof(TupleSlot))
        if self.slots == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.chunk)
        free(self.packed)
        free(self.chunk_table)
        free(self.chunk_rows)
        free_zeros(self.next_in_tuple, self.next_room * sizeof(uint32_t))
        free_zeros(self.tuple_, self.tuple_room * sizeof(CTuple))
        free_zeros(self.slots, (<size_t>1 << self.slot_bits) * sizeof(TupleSlot))

    cdef int expect(self, list tables) except -1:
        """Make room for all that can be in some tables, before they are added.

        What is not used costs nothing, and moving to more room would take both.
        """
        cdef FastTable table
        cdef uint64_t rows = 0, chunks = 0
        for table in tables:
            rows += table.decoding.table.rows
            chunks += table.decoding.table.rows // CHUNK_ROWS + 1
            table.close()
        return self._make_room_for(chunks * CHUNK_ROWS + 1, rows)

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
            table.close()
            if not pack_rows(&table.decoding.table):
                raise MemoryError
            with nogil:
                self._index_chunks(begin, &table.decoding.table, flags)
        finally:
            free(flags)

    cdef as_row(self, uint32_t number):
        """A `rows.Row` of a row."""
        cdef CRow room
        cdef FastTable table = self.tables[self.table_of(number)]
        return table._as_row(self.row(number, &room))

    cdef int _make_room(self, uint64_t chunks) except -1:
        cdef CRow **chunk = <CRow **>realloc(self.chunk, (chunks + 1) * sizeof(CRow *))
        cdef const Packed **packed
        cdef uint32_t *numbers
        if chunk == NULL:
            raise MemoryError
        self.chunk = chunk
        packed = <const Packed **>realloc(self.packed, (chunks + 1) * sizeof(Packed *))
        if packed == NULL:
            raise MemoryError
        self.packed = packed
        numbers = <uint32_t *>realloc(self.chunk_table, (chunks + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.chunk_table = numbers
        numbers = <uint32_t *>realloc(self.chunk_rows, (chunks + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.chunk_rows = numbers
        return self._make_room_for(chunks * CHUNK_ROWS + 1, 0)

    cdef int _make_room_for(self, uint64_t rows, uint64_t tuples) except -1:
        """Room for the numbers of so many rows, and for so many 5-tuples."""
        cdef uint32_t *numbers
        cdef CTuple *of
        if rows > self.next_room:
            numbers = <uint32_t *>grow_zeros(
                self.next_in_tuple, self.next_room * sizeof(uint32_t), rows * sizeof(uint32_t))
            if numbers == NULL:
                raise MemoryError
            self.next_in_tuple, self.next_room = numbers, rows
        if tuples > self.tuple_room:
            of = <CTuple *>grow_zeros(
                self.tuple_, self.tuple_room * sizeof(CTuple), tuples * sizeof(CTuple))
            if of == NULL:
                raise MemoryError
            self.tuple_, self.tuple_room = of, tuples
        return 0

    cdef int _index_chunks(
        self, uint32_t first, Table *table, const uint8_t *left_out
    ) except -1 nogil:
        """Chain all rows of each 5-tuple, the newest first; chunks of a flood are packed."""
        cdef Key keys[BATCH]
        cdef uint64_t hashes[BATCH]
        cdef uint32_t chunk, begin, end, at, number
        cdef uint32_t *slot
        cdef CTuple *of
        cdef CRow room
        cdef const CRow *row
        for chunk in range(first, self.chunks):
            # A table that was indexed before is packed.
            self.packed[chunk] = &table.packed[chunk - first]
            begin = 0
            while begin < self.chunk_rows[chunk]:
                end = min(begin + <uint32_t>BATCH, self.chunk_rows[chunk])
                # Memory answers for several rows at once: 1.6 times as fast as one by one.
                for at in range(begin, end):
                    key_of(&keys[at - begin], self.row(chunk * CHUNK_ROWS + at, &room))
                    hashes[at - begin] = hash_key(self.hasher, &keys[at - begin])
                    otterize_fetch(&self.slots[hashes[at - begin] >> (64 - self.slot_bits)])
                for at in range(begin, end):
                    number = self.slots[hashes[at - begin] >> (64 - self.slot_bits)].number
                    if number:
                        otterize_fetch(&self.tuple_[number - 1])
                for at in range(begin, end):
                    number = chunk * CHUNK_ROWS + at
                    row = self.row(number, &room)
                    if left_out[(row.key.word[4] >> 8) & 0xFFFFFF]:
                        self.left_out_packets += row.sides[0].packets + row.sides[1].packets
                        continue
                    if self.tuples * 2 >= <uint32_t>1 << self.slot_bits:
                        self._grow()
                    slot = self._slot(&keys[at - begin], hashes[at - begin])
                    if slot[0] == 0:
                        self._new_tuple(&keys[at - begin])
                        slot[0] = self.tuples
                    of = &self.tuple_[slot[0] - 1]
                    self.next_in_tuple[number] = of.newest
                    of.newest = number + 1
                    note_row(of, row)
                begin = end
            pack_chunk(table, chunk - first)
            self.chunk[chunk] = table.chunks[chunk - first]
        return 0

    cdef int _new_tuple(self, const Key *key) except -1 nogil:
        cdef CTuple *tuples
        if self.tuples == self.tuple_room:
            with gil:
                self._make_room_for(0, self.tuple_room + (self.tuple_room >> 1) + 1024)
        tuples = &self.tuple_[self.tuples]
        memcpy(tuples.word, key.word, sizeof(tuples.word))
        tuples.parent = self.tuples
        self.tuples += 1
        return 0

    cdef uint32_t *_slot(self, const Key *key, uint64_t hash_) noexcept nogil:
        """The slot of a 5-tuple: its number plus one, 0 where it is new."""
        cdef uint64_t mask = (<uint64_t>1 << self.slot_bits) - 1
        cdef uint64_t place = hash_ >> (64 - self.slot_bits)
        cdef uint32_t tag = <uint32_t>(hash_ >> 32)
        while self.slots[place].number != 0:
            if (self.slots[place].tag == tag
                    and is_tuple(&self.tuple_[self.slots[place].number - 1], key)):
                return &self.slots[place].number
            place = (place + 1) & mask
        self.slots[place].tag = tag
        return &self.slots[place].number

    cdef int _grow(self) except -1 nogil:
        """Double the index; tags tell where a slot goes without a look at the rows."""
        cdef int bits = self.slot_bits + 1
        cdef uint64_t size = <uint64_t>1 << bits, mask = size - 1, old, place
        cdef TupleSlot *slots = NULL
        if bits <= 32:
            slots = <TupleSlot *>new_zeros(size * sizeof(TupleSlot))
        if slots == NULL:
            with gil:
                raise MemoryError
        for old in range(<uint64_t>1 << self.slot_bits):
            if self.slots[old].number:
                place = <uint64_t>self.slots[old].tag >> (32 - bits)
                while slots[place].number:
                    place = (place + 1) & mask
                slots[place] = self.slots[old]
        free_zeros(self.slots, (<size_t>1 << self.slot_bits) * sizeof(TupleSlot))
        self.slots = slots
        self.slot_bits = bits
        return 0

    cdef uint32_t find(self, const Key *key) noexcept nogil:
        """The number of a 5-tuple, NOTHING where the captures have none."""
        return self.find_hashed(key, hash_key(self.hasher, key)) if self.tuples else NOTHING

    cdef uint32_t find_hashed(self, const Key *key, uint64_t hash_) noexcept nogil:
        """The same, where the hash of the 5-tuple is known."""
        cdef uint64_t mask = (<uint64_t>1 << self.slot_bits) - 1
        cdef uint64_t place = hash_ >> (64 - self.slot_bits)
        while self.slots[place].number != 0:
            if (self.slots[place].tag == <uint32_t>(hash_ >> 32)
                    and is_tuple(&self.tuple_[self.slots[place].number - 1], key)):
                return self.slots[place].number - 1
            place = (place + 1) & mask
        return NOTHING

    cdef int64_t number_of(self, const Key *key) except -1:
        """The number of a 5-tuple that may have no row: conntrack alone knows of it."""
        cdef uint32_t *slot
        if self.tuples * 2 >= <uint32_t>1 << self.slot_bits:
            self._grow()
        slot = self._slot(key, hash_key(self.hasher, key))
        if slot[0] == 0:
            self._new_tuple(key)
            slot[0] = self.tuples
        return slot[0] - 1

    cdef void chain_components(self) noexcept nogil:
        """Chain the 5-tuples of each component, the root first and then the newest first.

        From then on `next_` holds one more than the next number, 0 at the end.
        """
        cdef uint32_t number, root
        for number in range(self.tuples):
            root = self.root(number)
            if root != number:
                self.tuple_[number].next_ = self.tuple_[root].next_
                self.tuple_[root].next_ = number + 1

    cdef void unchain_components(self) noexcept nogil:
        """Forget the chains, so that more 5-tuples can be united."""
        cdef uint32_t number
        for number in range(self.tuples):
            self.tuple_[number].next_ = 0

    cdef uint32_t pieces_for(self, uint32_t threads):
        """How many of some threads are worth beginning."""
        return threads if self.tuples >= ENOUGH_FOR_THREADS else 1

    cdef list ranges(self, uint32_t threads):
        """The 5-tuples, in ranges for a thread each that have as many components."""
        cdef uint32_t number, seen = 0, roots = 0
        cdef uint32_t pieces = self.pieces_for(threads)
        cdef list begins = [0]
        for number in range(self.tuples if pieces > 1 else 0):
            roots += self.tuple_[number].parent == number
        for number in range(self.tuples if pieces > 1 else 0):
            seen += self.tuple_[number].parent == number
            if seen * <uint64_t>pieces > roots * <uint64_t>len(begins):
                begins.append(number)
        return list(zip(begins[:pieces], [*begins[1:pieces], self.tuples]))
