# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What a snapshot says of addresses and endpoints, asked once for each address of a capture.

Addresses are numbered: first those that the snapshot knows, then others as they are met. A scan of
a million others costs 16 bytes each and no call into Python.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from otterize_pcap.connections._endpoint cimport CEnd, CTuple, end_of
from otterize_pcap.table._row cimport address, be64


cdef class Answers:
    """The answers of one snapshot.

    Args:
        snapshot: `facts.SnapshotFacts`.
        secret: At least 32 bytes that whoever wrote the capture does not know.
        borders: See `grouped.GroupedConnections`.
    """

    def __cinit__(self, snapshot, bytes secret, borders=None):
        cdef int i
        cdef bytes text
        self.snapshot = snapshot
        for i in range(4):
            self.secret[i] = int.from_bytes(secret[8 * i:8 * i + 8], "little")
        self.lead_keys = Keys(self.secret[3])
        self.moments = {}
        self.slot_bits = 8
        self.slots = <uint32_t *>calloc(1 << 8, sizeof(uint32_t))
        if self.slots == NULL:
            raise MemoryError
        self.border_count = -1 if borders is None else <int32_t>len(borders)
        self.borders = <uint64_t *>malloc((max(self.border_count, 0) + 1) * 2 * sizeof(uint64_t))
        if self.borders == NULL:
            raise MemoryError
        for i, text in enumerate(borders or ()):
            self.borders[2 * i] = be64(<const uint8_t *>text)
            self.borders[2 * i + 1] = be64(<const uint8_t *>text + 8)
        for text in set(snapshot.addresses()):
            self._add(be64(<const uint8_t *>text), be64(<const uint8_t *>text + 8))
        self.knowns = <CKnown *>calloc(<size_t>self.count + 1, sizeof(CKnown))
        if self.knowns == NULL:
            raise MemoryError
        self.known_count = self.count

    def __dealloc__(self):
        cdef uint32_t number
        for number in range(self.known_count):
            free(self.knowns[number].held)
            free(self.knowns[number].served)
        free(self.knowns)
        for number in range(self.lead_count):
            free(self.leads[number].lead)
        free(self.addresses)
        free(self.leads)
        free(self.slots)
        free(self.borders)

    cdef uint64_t _hash(self, uint64_t high, uint64_t low) noexcept nogil:
        cdef uint64_t total
        total = (<uint64_t><uint32_t>(high + self.secret[0])
                 * <uint64_t><uint32_t>((high >> 32) + (self.secret[0] >> 32)))
        total += (<uint64_t><uint32_t>(low + self.secret[1])
                  * <uint64_t><uint32_t>((low >> 32) + (self.secret[1] >> 32)))
        return total * (self.secret[2] | 1)

    cdef uint32_t number_of(self, uint64_t high, uint64_t low) except? 0xFFFFFFFF nogil:
        """The number of an address, a new one where it was not met before."""
        cdef uint64_t mask = (<uint64_t>1 << self.slot_bits) - 1
        cdef uint64_t place = self._hash(high, low) >> (64 - self.slot_bits)
        cdef uint32_t number
        while self.slots[place]:
            number = self.slots[place] - 1
            if self.addresses[number].low == low and self.addresses[number].high == high:
                if number < self.known_count and not self.knowns[number].is_asked:
                    with gil:
                        self._ask(number)
                return number
            place = (place + 1) & mask
        return self._add(high, low)

    cdef uint32_t _add(self, uint64_t high, uint64_t low) except? 0xFFFFFFFF nogil:
        """Number an address that has no number."""
        cdef uint64_t mask, place
        cdef uint32_t room
        cdef CAddress *addresses
        if self.count == self.room:
            room = self.room * 2 + 64
            addresses = <CAddress *>realloc(self.addresses, <size_t>room * sizeof(CAddress))
            if addresses == NULL:
                raise MemoryError
            self.addresses, self.room = addresses, room
        self.addresses[self.count].high, self.addresses[self.count].low = high, low
        self.count += 1
        if self.count * 2 > <uint64_t>1 << self.slot_bits:
            self._grow()
            return self.count - 1
        mask = (<uint64_t>1 << self.slot_bits) - 1
        place = self._hash(high, low) >> (64 - self.slot_bits)
        while self.slots[place]:
            place = (place + 1) & mask
        self.slots[place] = self.count
        return self.count - 1

    cdef int _grow(self) except -1 nogil:
        cdef uint32_t *slots = <uint32_t *>calloc(<size_t>2 << self.slot_bits, sizeof(uint32_t))
        cdef uint64_t mask, place
        cdef uint32_t number
        if slots == NULL:
            raise MemoryError
        free(self.slots)
        self.slots = slots
        self.slot_bits += 1
        mask = (<uint64_t>1 << self.slot_bits) - 1
        for number in range(self.count):
            place = self._hash(self.addresses[number].high, self.addresses[number].low)
            place >>= 64 - self.slot_bits
            while self.slots[place]:
                place = (place + 1) & mask
            self.slots[place] = number + 1
        return 0

    cdef int _ask(self, uint32_t number) except -1:
        """Learn all that the snapshot says of an address."""
        cdef CKnown *found = &self.knowns[number]
        cdef Py_ssize_t place
        cdef CServed *served
        held, ports = self.snapshot.facts_of(self.address(number))
        found.held = <CInterval *>malloc((len(held) + 1) * sizeof(CInterval))
        found.served = <CServed *>malloc((len(ports) + 1) * sizeof(CServed))
        if found.held == NULL or found.served == NULL:
            raise MemoryError
        for place, (start, end) in enumerate(held):
            found.held[place].start_ns, found.held[place].end_ns = start, end
        for place, (protocol, port, start, end, leads) in enumerate(ports):
            served = &found.served[place]
            served.protocol, served.port, served.leads = protocol, port, leads
            served.time.start_ns, served.time.end_ns = start, end
        found.held_count, found.served_count = <uint32_t>len(held), <uint32_t>len(ports)
        found.is_asked = True
        return 0

    cdef bint is_known(self, uint32_t number) noexcept nogil:
        """Whether the snapshot knows anything of an address."""
        return number < self.known_count

    cdef int32_t alike(self, uint32_t number) noexcept nogil:
        """The range of an address of which nothing is known; -1 where something is."""
        cdef CAddress *found = &self.addresses[number]
        cdef int32_t low = 0, high = self.border_count, middle
        if self.is_known(number) or high < 0:
            return -1
        while low < high:
            middle = (low + high) >> 1
            if (self.borders[2 * middle] < found.high
                    or (self.borders[2 * middle] == found.high
                        and self.borders[2 * middle + 1] <= found.low)):
                low = middle + 1
            else:
                high = middle
        return low

    cdef Answer is_held(self, uint32_t number, int64_t first_ns, int64_t last_ns) noexcept nogil:
        """Whether a pod held an address over a time."""
        cdef CKnown *found
        cdef Answer answer = NO, more
        cdef uint32_t i
        if not self.is_known(number):
            return NO
        found = &self.knowns[number]
        for i in range(found.held_count):
            more = during(&found.held[i], first_ns, last_ns)
            if more == YES:
                return YES
            if more == CHANGES:
                answer = CHANGES
        return answer

    cdef Answer is_served(
        self, uint32_t number, uint32_t protocol, uint32_t port, int64_t first_ns, int64_t last_ns
    ) noexcept nogil:
        """Whether the snapshot declares a port as served over a time (S32)."""
        cdef CKnown *found
        cdef CServed *served
        cdef Answer answer = NO, more
        cdef uint32_t i
        if not self.is_known(number):
            return NO
        found = &self.knowns[number]
        for i in range(found.served_count):
            served = &found.served[i]
            if served.port == port and served.protocol == protocol:
                more = during(&served.time, first_ns, last_ns)
                if more == YES:
                    return YES
                if more == CHANGES:
                    answer = CHANGES
        return answer

    cdef bint could_lead(self, uint32_t number, uint32_t protocol, uint32_t port) noexcept nogil:
        """Whether a Service led on from an endpoint at any time."""
        cdef CKnown *found
        cdef uint32_t i
        if not self.is_known(number):
            return False
        found = &self.knowns[number]
        for i in range(found.served_count):
            if (found.served[i].leads and found.served[i].port == port
                    and found.served[i].protocol == protocol):
                return True
        return False

    cdef Leads *leads_from(
        self, uint32_t number, uint32_t protocol, uint32_t port
    ) except NULL nogil:
        """All endpoints that a Service ever led to from an endpoint for which `could_lead` holds."""
        cdef uint32_t key[3]
        cdef uint32_t place
        key[0], key[1], key[2] = number, protocol, port
        place = self.lead_keys.number_of(<const uint8_t *>key, sizeof(key))
        if place == self.lead_count:
            with gil:
                self._learn_leads(number, protocol, port)
        return &self.leads[place]

    def know(self, addresses):
        """Number and learn addresses that may be in no capture."""
        cdef bytes text
        for text in addresses:
            self.number_of(be64(<const uint8_t *>text), be64(<const uint8_t *>text + 8))

    cdef int learn_all(self, const CTuple *tuples, uint32_t count) except -1 nogil:
        """Number and learn all that is asked of some 5-tuples: nothing changes then any more."""
        cdef CEnd end
        cdef uint32_t at, number
        cdef int side
        for at in range(count):
            for side in range(2):
                end_of(&tuples[at], side, &end)
                number = self.number_of(end.high, end.low)
                if self.could_lead(number, tuples[at].word[4] & 0xFF, end.port):
                    self.leads_from(number, tuples[at].word[4] & 0xFF, end.port)
        return 0

    cdef int _learn_leads(self, uint32_t number, uint32_t protocol, uint32_t port) except -1:
        cdef uint32_t room
        cdef Leads *leads
        if self.lead_count == self.lead_room:
            room = self.lead_room * 2 + 64
            leads = <Leads *>realloc(self.leads, <size_t>room * sizeof(Leads))
            if leads == NULL:
                raise MemoryError
            self.leads, self.lead_room = leads, room
        found = self.snapshot.leads(protocol, (self.address(number), port))
        self.leads[self.lead_count].lead = packed_leads(found)
        self.leads[self.lead_count].count = <uint32_t>len(found)
        self.leads[self.lead_count].is_kept = False
        self.lead_count += 1
        return 0

    cdef bytes address(self, uint32_t number):
        """The 16 bytes of an address."""
        return address(self.addresses[number].high, self.addresses[number].low)


cdef CLead *packed_leads(found) except NULL:
    cdef CLead *leads = <CLead *>malloc((len(found) + 1) * sizeof(CLead))
    cdef bytes text
    cdef Py_ssize_t place
    if leads == NULL:
        raise MemoryError
    for place, (text, port, start, end) in enumerate(found):
        leads[place].high = be64(<const uint8_t *>text)
        leads[place].low = be64(<const uint8_t *>text + 8)
        leads[place].port = port
        leads[place].time.start_ns, leads[place].time.end_ns = start, end
    return leads
