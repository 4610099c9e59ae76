# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What a whole capture shows of an endpoint: `known_ends.py` in C.

Only endpoints that rules can ask for are kept: servers of handshakes, fixed ports of 5-tuples that
show no whole handshake, ends of UDP flows, and the addresses that calls came from.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._endpoint cimport CEnd, CTuple, compare_ends, end_of, packed_end
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._table_times cimport TableTimes
from otterize_pcap.connections._tuple_facts cimport (
    HIGH_ANSWERED,
    HIGH_ASKED,
    IS_INCOMPLETE,
    IS_RECORDED,
    LOW_ANSWERED,
    LOW_ASKED,
    protocol_of,
)
from otterize_pcap.table._row cimport UDP, CRow, Key
from otterize_pcap.table._rows cimport hash_key

cdef enum:
    ENOUGH_FLOWS = 3


cdef class KnownEnds:
    """The endpoints of an index's rows.

    Args:
        index: All rows.
        answers: What the snapshot says: a Service's address calls nobody.
        times: What times of a table's rows mean.
        limits: `shapes.Limits`.
        ranges: The ephemeral ports that nodes saved, by address.
    """

    def __cinit__(self, RowIndex index, Answers answers, TableTimes times, limits, ranges):
        cdef uint32_t number
        cdef CEnd end
        cdef KnownAddress *address
        self.index, self.answers, self.times = index, answers, times
        self.well_known = limits.well_known
        self.usual_first, self.usual_last = limits.usual_ports.start, limits.usual_ports.stop - 1
        self.bits = 8
        self.slots = <KnownEnd *>calloc(1 << 8, sizeof(KnownEnd))
        if self.slots == NULL:
            raise MemoryError
        for where, ports in ranges.items():
            end = packed_end((where, 0))
            address = self._address(&end)
            address.first_port, address.last_port = ports.start, ports.stop - 1
        with nogil:
            for number in range(self.index.tuples):
                self._note_servers(number)
                self._note_shown(number)
                self._note_vote(number)
            for number in range(self.index.tuples):
                self._note_fixed(number)
            for number in range(self.index.tuples if self.has_fixed else 0):
                self._count_peers(number)

    def __dealloc__(self):
        free(self.slots)
        free(self.addresses)

    cdef int _note_servers(self, uint32_t number) except -1 nogil:
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef CEnd end
        cdef int side
        for side in range(2):
            if of.flags & (HIGH_ANSWERED if side else LOW_ANSWERED):
                end_of(of, side, &end)
                self._note(protocol_of(of), &end, IS_SERVER)
        return 0

    cdef int _note_shown(self, uint32_t number) except -1 nogil:
        """Note the port that a SYN or a DNS query came from; where one was answered, that one."""
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef CEnd end
        cdef int side
        cdef uint32_t low = HIGH_ANSWERED, high = LOW_ANSWERED
        if not of.flags & (HIGH_ANSWERED | LOW_ANSWERED):
            low, high = LOW_ASKED, HIGH_ASKED
        for side in range(2):
            if of.flags & (high if side else low):
                end_of(of, side, &end)
                self._note_shown_by(&end)
        return 0

    cdef int _note_shown_by(self, const CEnd *end) except -1 nogil:
        cdef KnownAddress *address
        cdef int zone
        if end.port < self.well_known:
            return 0
        address = self._address(end)
        zone = self._zone(end.port, address)
        if address.seen[zone] == 0:
            address.seen[zone] = <uint16_t>end.port
        elif address.seen[zone] != end.port:
            address.shown |= 1 << zone
        return 0

    cdef int _note_vote(self, uint32_t number) except -1 nogil:
        """Note who sent first in a UDP flow that was answered and began inside the capture."""
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef const CRow *row
        cdef const CRow *first = NULL
        cdef CRow rooms[2]
        cdef CEnd ends[2]
        cdef int64_t time_ns, first_ns = 0, settled_ns = 0
        cdef uint32_t at, table, rank, first_rank = 0
        cdef int side, free_room = 0
        cdef bint sent[2]
        if protocol_of(of) != UDP:
            return 0
        end_of(of, 0, &ends[0])
        end_of(of, 1, &ends[1])
        if (ends[0].port == ends[1].port
                or (ends[0].port < self.well_known) != (ends[1].port < self.well_known)):
            return 0
        sent[0] = sent[1] = False
        at = of.newest
        while at:
            row = self.index.row(at - 1, &rooms[free_room])
            table = self.index.table_of(at - 1)
            time_ns = row.first_ns - self.times.offsets[table]
            rank = self.times.ranks[table][row.part]
            # The chain goes from the newest to the oldest, which of equal ones is the first.
            if first == NULL or time_ns < first_ns or (time_ns == first_ns and (
                    rank < first_rank or (rank == first_rank and row.number <= first.number))):
                first, first_ns, first_rank = row, time_ns, rank
                free_room = 1 - free_room
                settled_ns = self.times.settled[table]
            for side in range(2):
                sent[side] |= row.sides[side].packets > 0
            at = self.index.next_in_tuple[at - 1]
        if first == NULL or not (sent[0] and sent[1]) or first.first_ns < settled_ns:
            return 0
        for side in range(2):
            self._note(UDP, &ends[side], HAS_VOTES).votes[side != first.first_sender] += 1
        return 0

    cdef int _note_fixed(self, uint32_t number) except -1 nogil:
        """Note the one fixed port of a 5-tuple of which a handshake is missing.

        One below 1024 needs no other connections to be a server's.
        """
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef CEnd ends[2]
        cdef int server
        if not of.flags & IS_INCOMPLETE:
            return 0
        end_of(of, 0, &ends[0])
        end_of(of, 1, &ends[1])
        if min(ends[0].port, ends[1].port) < self.well_known:
            return 0
        server = self._only_fixed(ends)
        if server >= 0:
            self._note(protocol_of(of), &ends[server], IS_SHARED)
            self.has_fixed = True
        return 0

    cdef int _count_peers(self, uint32_t number) except -1 nogil:
        """Count, up to two, the recorded 5-tuples whose one fixed port an endpoint is."""
        cdef const CTuple *of = &self.index.tuple_[number]
        cdef CEnd ends[2]
        cdef KnownEnd *known
        cdef uint32_t address
        cdef int server
        if not of.flags & IS_RECORDED:
            return 0
        end_of(of, 0, &ends[0])
        end_of(of, 1, &ends[1])
        if min(ends[0].port, ends[1].port) < self.well_known:
            return 0
        server = self._only_fixed(ends)
        if server < 0:
            return 0
        known = self.find(protocol_of(of), &ends[server])
        if not known.facts & IS_SHARED or known.peers > 1:
            return 0
        address = self.answers.number_of(ends[1 - server].high, ends[1 - server].low)
        if not self.answers.could_lead(address, protocol_of(of), ends[1 - server].port):
            known.peers += 1
        return 0

    cdef int _zone(self, uint32_t port, const KnownAddress *address) noexcept nogil:
        """`port_ranges.zone_of`; an address of which nothing is known has the usual range."""
        cdef bint known = address != NULL and address.last_port != 0
        if port < self.well_known:
            return SYSTEM
        if port < (address.first_port if known else self.usual_first):
            return BELOW
        return INSIDE if port <= (address.last_port if known else self.usual_last) else ABOVE

    cdef int _only_fixed(self, const CEnd *ends) except -2 nogil:
        """The side whose port alone is fixed; -1 where none is."""
        cdef uint32_t one = self.port_facts(
            self.answers.number_of(ends[0].high, ends[0].low), ends[0].port)
        cdef uint32_t other = self.port_facts(
            self.answers.number_of(ends[1].high, ends[1].low), ends[1].port)
        cdef uint32_t shown = one >> 2 or other >> 2 or 1 << INSIDE
        cdef bint low = not (one >> 2 or shown) >> (one & 3) & 1
        cdef bint high = not (other >> 2 or shown) >> (other & 3) & 1
        if low == high:
            return -1
        return 0 if low else 1

    cdef uint32_t port_facts(self, uint32_t number, uint32_t port) noexcept nogil:
        """`port_ranges.PortFacts.encoded` of a port at an address."""
        cdef const KnownAddress *address = NULL
        if number < self.address_room:
            address = &self.addresses[number]
        return self._zone(port, address) | (address.shown << 2 if address != NULL else 0)

    cdef uint32_t facts(self, uint32_t protocol, const CEnd *end) noexcept nogil:
        """What is true of an endpoint, beside what the snapshot says."""
        cdef KnownEnd *known
        cdef uint32_t facts
        if self.count == 0:
            return 0
        known = self.find(protocol, end)
        facts = known.facts & IS_SERVER
        if known.facts & IS_SHARED and known.peers > 1:
            facts |= IS_SHARED
        if known.votes[0] + known.votes[1] >= ENOUGH_FLOWS and known.votes[0] != known.votes[1]:
            facts |= MOSTLY_CLIENT if known.votes[0] > known.votes[1] else MOSTLY_SERVER
        return facts

    cdef KnownEnd *find(self, uint32_t protocol, const CEnd *end) noexcept nogil:
        """The slot of an endpoint, or an empty one."""
        cdef Key key
        cdef uint64_t mask = (<uint64_t>1 << self.bits) - 1, place
        key.word[0], key.word[1] = end.high, end.low
        key.word[2] = key.word[3] = key.word[5] = 0
        key.word[4] = <uint64_t>protocol << 32 | end.port
        place = hash_key(self.index.hasher, &key) >> (64 - self.bits)
        while self.slots[place].facts != 0:
            if (self.slots[place].protocol == protocol
                    and compare_ends(&self.slots[place].end, end) == 0):
                break
            place = (place + 1) & mask
        return &self.slots[place]

    cdef KnownAddress *_address(self, const CEnd *end) except NULL nogil:
        """What is known of an endpoint's address, to be added to."""
        cdef uint32_t number = self.answers.number_of(end.high, end.low), room
        cdef KnownAddress *addresses
        if number >= self.address_room:
            room = number + number // 4 + 64
            addresses = <KnownAddress *>realloc(
                self.addresses, <size_t>room * sizeof(KnownAddress))
            if addresses == NULL:
                with gil:
                    raise MemoryError
            memset(addresses + self.address_room, 0,
                   <size_t>(room - self.address_room) * sizeof(KnownAddress))
            self.addresses, self.address_room = addresses, room
        return &self.addresses[number]

    cdef KnownEnd *_note(
        self, uint32_t protocol, const CEnd *end, uint32_t facts
    ) except NULL nogil:
        cdef KnownEnd *known = self.find(protocol, end)
        if known.facts == 0:
            self.count += 1
            known.end, known.protocol = end[0], protocol
        known.facts |= facts
        if self.count * 2 > <uint64_t>1 << self.bits:
            self._grow()
            known = self.find(protocol, end)
        return known

    cdef int _grow(self) except -1 nogil:
        cdef KnownEnd *old = self.slots
        cdef uint64_t place
        self.slots = <KnownEnd *>calloc(<size_t>2 << self.bits, sizeof(KnownEnd))
        if self.slots == NULL:
            self.slots = old
            raise MemoryError
        self.bits += 1
        for place in range(<uint64_t>1 << (self.bits - 1)):
            if old[place].facts:
                self.find(old[place].protocol, &old[place].end)[0] = old[place]
        free(old)
        return 0
