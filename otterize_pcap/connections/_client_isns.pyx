# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Client ISNs → the 5-tuples that show them, united.

The legs of a connection before and after NAT show the same client ISN: see `RowIndex` for what a
component is.
"""

from libc.stdint cimport uint32_t, uint64_t

from otterize_pcap.connections._endpoint cimport CTuple
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._tuple_facts cimport HAS_HANDSHAKE, HAS_ISNS, protocol_of
from otterize_pcap.table._memory cimport free_zeros, new_zeros
from otterize_pcap.table._row cimport NO_CLIENT, CRow


cdef class ClientIsns:
    """The client ISNs of all rows of an index; one that more than `many` 5-tuples have was made up.

    The 5-tuples of each of the others are one component.
    """

    def __cinit__(self, RowIndex index, uint32_t many):
        cdef uint32_t number
        self.index, self.many = index, many
        self.bits = 10
        # Room for all at once: growing would hold the old table beside the new one.
        while <uint64_t>1 << self.bits < <uint64_t>index.tuples * 2:
            self.bits += 1
        self.slots = <IsnSlot *>new_zeros((<size_t>1 << self.bits) * sizeof(IsnSlot))
        if self.slots == NULL:
            raise MemoryError
        with nogil:
            for number in range(index.tuples):
                self._unite(number)
        self._keep_crowded()

    def __dealloc__(self):
        free_zeros(self.slots, (<size_t>1 << self.bits) * sizeof(IsnSlot))

    cdef bint is_crowded(self, uint32_t protocol, uint32_t isn) noexcept nogil:
        """Whether more 5-tuples show a client ISN than one connection can have."""
        return self._slot(protocol, isn).tuples > self.many

    cdef int _unite(self, uint32_t number) except -1 nogil:
        """Count, up to 255, the 5-tuples of each ISN of a 5-tuple, and unite them while few."""
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef uint32_t at = of.newest
        cdef const CRow *row
        cdef CRow room
        if not of.flags & HAS_HANDSHAKE:
            return 0
        if not of.flags & HAS_ISNS:
            return self._unite_by(number, protocol_of(of), of.isn)
        while at:
            row = self.index.row(at - 1, &room)
            at = self.index.next_in_tuple[at - 1]
            if row.client != NO_CLIENT:
                self._unite_by(number, protocol_of(of), row.client_isn)
        return 0

    cdef int _unite_by(self, uint32_t number, uint32_t protocol, uint32_t isn) except -1 nogil:
        """Count a 5-tuple with one of its ISNs, and unite it with the first one that has that."""
        cdef IsnSlot *slot
        if self.count * 2 >= <uint64_t>1 << self.bits:
            self._grow()
        slot = self._slot(protocol, isn)
        if slot.tuples == 0:
            self.count += 1
            slot.protocol, slot.isn = protocol, isn
            slot.first, slot.tuples = number, 1
        elif slot.latest != number:
            if slot.tuples < 255:
                slot.tuples += 1
            if slot.tuples <= self.many:
                self.index.unite(slot.first, number)
        slot.latest = number
        return 0

    cdef IsnSlot *_slot(self, uint32_t protocol, uint32_t isn) noexcept nogil:
        """The slot of a client ISN, or the empty one where it belongs."""
        cdef uint64_t mask = (<uint64_t>1 << self.bits) - 1, place
        place = (((<uint64_t>protocol << 32 | isn) + self.index.hasher.secret[0])
                 * self.index.hasher.secret[6]) >> (64 - self.bits)
        while self.slots[place].tuples != 0:
            if self.slots[place].isn == isn and self.slots[place].protocol == protocol:
                break
            place = (place + 1) & mask
        return &self.slots[place]

    cdef int _keep_crowded(self) except -1:
        """Forget what was needed to unite: who asks later finds a small table in the cache."""
        cdef uint64_t place
        cdef int bits = 4
        self.count = 0
        for place in range(<uint64_t>1 << self.bits):
            self.count += self.slots[place].tuples > self.many
        while <uint64_t>1 << bits < self.count * 2:
            bits += 1
        return self._move_to(bits, self.many)

    cdef int _grow(self) except -1 nogil:
        return self._move_to(self.bits + 1, 0)

    cdef int _move_to(self, int bits, uint32_t above) except -1 nogil:
        """Another table of so many bits, with the slots that more 5-tuples than those show."""
        cdef IsnSlot *old = self.slots
        cdef uint64_t index, size = <uint64_t>1 << self.bits
        self.slots = <IsnSlot *>new_zeros((<size_t>1 << bits) * sizeof(IsnSlot))
        if self.slots == NULL:
            self.slots = old
            with gil:
                raise MemoryError
        self.bits = bits
        for index in range(size):
            if old[index].tuples > above:
                self._slot(old[index].protocol, old[index].isn)[0] = old[index]
        free_zeros(old, size * sizeof(IsnSlot))
        return 0
