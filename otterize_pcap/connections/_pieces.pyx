# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Components → pieces: the legs of a component, cut where nothing can be one connection across.

Endpoints are used again, so that one component can hold many connections in turn. A piece is what
lies between two pauses longer than any rule looks across. In a piece fit for a shape every 5-tuple
holds one flow; one that is not, or is larger than a shape, is *odd*: its rows are looked at as they
are.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memset

from otterize_pcap.connections._cuts cimport Cuts
from otterize_pcap.connections._index cimport RowIndex, protocol_of
from otterize_pcap.table._numbers cimport FIN, PSH
from otterize_pcap.table._row cimport (
    HAS_ACK,
    HAS_SEQ,
    HAS_TIMESTAMP,
    NO_CLIENT,
    RST,
    UDP,
    CRow,
    CSide,
    be64,
)

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef int by_time(const void *one, const void *other) noexcept nogil:
    """Legs in `legs.leg_order`: time, file, packet. Their own number last: no two are equal."""
    cdef const CLeg *a = <const CLeg *>one
    cdef const CLeg *b = <const CLeg *>other
    if a.first_ns != b.first_ns:
        return -1 if a.first_ns < b.first_ns else 1
    if a.rank != b.rank:
        return -1 if a.rank < b.rank else 1
    if a.row.number != b.row.number:
        return -1 if a.row.number < b.row.number else 1
    if a.number != b.number:
        return -1 if a.number < b.number else 1
    return 0


cdef class Pieces:
    """The pieces of one capture's components, one at a time.

    Args:
        index: The rows.
        offsets: Each table's clock offset in ns.
        began: When each table's recording began, in ns by its own clock; None without packets.
        ranks: For each table, how each of its files sorts among all files by name.
        limits: `shapes.Limits`.
    """

    def __cinit__(self, RowIndex index, list offsets, list began, list ranks, limits):
        cdef Py_ssize_t place, part, tables = len(offsets)
        self.index = index
        self.cuts = Cuts()
        self.limits.slack = limits.slack_ns
        self.limits.datagram_gap = limits.datagram_gap_ns
        self.limits.dump_slack = limits.dump_slack_ns
        self.limits.many = limits.many
        self.offsets = <int64_t *>calloc(tables + 1, sizeof(int64_t))
        self.settled = <int64_t *>calloc(tables + 1, sizeof(int64_t))
        self.ranks = <uint32_t **>calloc(tables + 1, sizeof(uint32_t *))
        if self.offsets == NULL or self.settled == NULL or self.ranks == NULL:
            raise MemoryError
        for place in range(tables):
            self.offsets[place] = offsets[place]
            first_ns = began[place]
            self.settled[place] = NEVER if first_ns is None else first_ns + limits.datagram_gap_ns
            self.ranks[place] = <uint32_t *>malloc((len(ranks[place]) + 1) * sizeof(uint32_t))
            if self.ranks[place] == NULL:
                raise MemoryError
            for part, rank in enumerate(ranks[place]):
                self.ranks[place][part] = rank

    def __dealloc__(self):
        cdef Py_ssize_t place
        if self.ranks != NULL and self.index is not None:
            for place in range(len(self.index.tables)):
                free(self.ranks[place])
        free(self.ranks)
        free(self.offsets)
        free(self.settled)
        free(self.sightings)
        free(self.first_sighting)
        free(self.gathered)

    cdef add_sightings(self, list sightings):
        """Take conntrack's entries in, each a `pieces.ToldSighting`.

        The 5-tuples of one entry are of one component.
        """
        cdef CSighting *sighting
        cdef CRow before, after
        cdef int place
        self.sightings = <CSighting *>malloc((len(sightings) + 1) * sizeof(CSighting))
        if self.sightings == NULL:
            raise MemoryError
        for protocol, ends, time_ns, has_last, assured, began_within in sightings:
            sighting = &self.sightings[self.sighting_count]
            for place in range(4):
                sighting.ends[place] = packed_end(ends[place])
            bare_row(&before, protocol, &sighting.ends[0], &sighting.ends[1])
            bare_row(&after, protocol, &sighting.ends[3], &sighting.ends[2])
            sighting.before = <uint32_t>self.index.add_bare(&before)
            sighting.after = <uint32_t>self.index.add_bare(&after)
            sighting.time_ns, sighting.has_last, sighting.assured = time_ns, has_last, assured
            sighting.began_within = began_within
            self.index.unite(sighting.before, sighting.after)
            self.sighting_count += 1
        self.first_sighting = <uint32_t *>calloc(self.index.tuples + 1, sizeof(uint32_t))
        if self.first_sighting == NULL:
            raise MemoryError
        # From the last to the first, so that each chain is in the order of the dumps.
        for place in range(<int>self.sighting_count - 1, -1, -1):
            sighting = &self.sightings[place]
            sighting.next_ = self.first_sighting[sighting.before]
            self.first_sighting[sighting.before] = place + 1

    cdef int gather(self, uint32_t root) except -1:
        """Collect the legs of a component, in `legs.leg_order`; 0 where they are too many."""
        cdef uint32_t number = root
        self.root = root
        self.gathered_count = 0
        self.has_sightings = self.is_bound = False
        self.protocol = protocol_of(self.index.shown_by(root))
        while True:
            if self.sighting_count and self.first_sighting[number]:
                self.has_sightings = True
            if not self._gather_rows(number):
                return 0
            if self.index.next_in_component[number] == 0:
                break
            number = self.index.next_in_component[number] - 1
        if self.gathered_count > 12:
            qsort(self.gathered, self.gathered_count, sizeof(CLeg), by_time)
        else:
            self._sort_few()
        return 1

    cdef int _gather_rows(self, uint32_t number) except -1:
        cdef uint32_t at = self.index.newest[number], room
        cdef CLeg *leg
        while at:
            if self.gathered_count == MAX_LEGS:
                return 0
            if self.gathered_count == self.gathered_room:
                room = 2 * self.gathered_room + 64
                leg = <CLeg *>realloc(self.gathered, <size_t>room * sizeof(CLeg))
                if leg == NULL:
                    raise MemoryError
                self.gathered, self.gathered_room = leg, room
            leg = &self.gathered[self.gathered_count]
            leg.row = self.index.row(at - 1)
            leg.number = at - 1
            leg.table = self.index.table_of(at - 1)
            leg.rank = self.ranks[leg.table][leg.row.part]
            leg.tuple_ = number
            leg.first_ns = leg.row.first_ns - self.offsets[leg.table]
            leg.last_ns = leg.row.last_ns - self.offsets[leg.table]
            self.gathered_count += 1
            at = self.index.next_in_tuple[at - 1]
        return 1

    cdef void _sort_few(self) noexcept nogil:
        cdef uint32_t i
        cdef int64_t j
        cdef CLeg moved
        for i in range(1, self.gathered_count):
            moved = self.gathered[i]
            j = <int64_t>i - 1
            while j >= 0 and by_time(&self.gathered[j], &moved) > 0:
                self.gathered[j + 1] = self.gathered[j]
                j -= 1
            self.gathered[j + 1] = moved

    cdef uint32_t piece_end(self, uint32_t begin) except 0:
        """Where the piece that begins with some leg ends: `piece_cuts.cuts`."""
        cdef int64_t last_ns = self.gathered[begin].last_ns
        cdef uint32_t end = begin + 1, looked_at = begin, until = begin
        if self.has_sightings:
            return self.gathered_count
        while end < self.gathered_count:
            if self.gathered[end].first_ns - last_ns > self.patience():
                if self.protocol == UDP:
                    return end
                # Most components have no pause at all.
                if not self.is_bound:
                    self.cuts.bind(self.gathered, self.gathered_count, self.limits.slack)
                    self.is_bound = True
                while looked_at < end:
                    until = max(until, self.cuts.bound[looked_at].until)
                    looked_at += 1
                if until < end:
                    return end
            last_ns = max(last_ns, self.gathered[end].last_ns)
            end += 1
        return end

    cdef bint take(self, uint32_t begin, uint32_t end) noexcept nogil:
        """Make some gathered legs the piece at hand; False where it is odd."""
        cdef uint32_t i
        self.leg, self.legs = self.gathered + begin, end - begin
        self.flows = self.ends = self.sighted = 0
        self.first_ns, self.last_ns = NEVER, -NEVER
        for i in range(self.legs):
            self.first_ns = min(self.first_ns, self.leg[i].first_ns)
            self.last_ns = max(self.last_ns, self.leg[i].last_ns)
        if self._survey() and self._take_sightings() and self._collect_ends():
            if begin and self.protocol == UDP:
                self._unsettle()
            self._order_flows()
            return True
        return False

    cdef void _unsettle(self) noexcept nogil:
        """Tell the flows whose 5-tuple had packets before the piece: a pause turns none round."""
        cdef int place
        for place in range(self.flows):
            if self.flow[place].settled and self._has_earlier(&self.flow[place]):
                self.flow[place].settled = False

    cdef bint _has_earlier(self, const CFlow *flow) noexcept nogil:
        cdef uint32_t at = self.index.newest[flow.tuple_] if flow.has_legs else 0
        while at:
            if (self.index.row(at - 1).first_ns - self.offsets[self.index.table_of(at - 1)]
                    < flow.first_ns):
                return True
            at = self.index.next_in_tuple[at - 1]
        return False

    cdef int _flow_of(self, uint32_t tuple_) noexcept nogil:
        """The place of a 5-tuple in the piece, a new one where it is met first; -1 if too many."""
        cdef CFlow *flow
        cdef int place
        for place in range(self.flows):
            if self.flow[place].tuple_ == tuple_:
                return place
        if self.flows == MAX_FLOWS:
            return -1
        place = self.flows
        flow = &self.flow[place]
        memset(flow, 0, sizeof(CFlow))
        flow.tuple_ = tuple_
        flow.client = NO_CLIENT
        flow.settled = True
        flow.first_ns, flow.last_ns, flow.handshake_ns = NEVER, -NEVER, NEVER
        self.flows += 1
        return place

    cdef bint _survey(self) noexcept nogil:
        """Find the flows of the piece; False where a 5-tuple holds several."""
        cdef uint32_t i
        cdef int place
        cdef CLeg *leg
        for i in range(self.legs):
            leg = &self.leg[i]
            place = self._flow_of(leg.tuple_)
            if place < 0:
                return False
            leg.place = place
            self._note(&self.flow[place], leg)
            if self.flow[place].several:
                return False
        if self.protocol == UDP:
            return True
        for i in range(self.legs):
            # A run that came well before the handshake is a flow of its own.
            leg = &self.leg[i]
            if (leg.row.client == NO_CLIENT and self.flow[leg.place].client != NO_CLIENT
                    and leg.first_ns + self.limits.slack < self.flow[leg.place].handshake_ns):
                return False
        return True

    cdef void _note(self, CFlow *flow, const CLeg *leg) noexcept nogil:
        """Add a leg to its flow; legs come in `legs.leg_order`."""
        cdef const CRow *row = leg.row
        if row.client != NO_CLIENT:
            if flow.client == NO_CLIENT:
                flow.client, flow.client_isn = row.client, row.client_isn
                flow.handshake_ns = leg.first_ns
            elif flow.client != row.client or flow.client_isn != row.client_isn:
                flow.several = True
            if row.has_server_isn and not flow.has_server_isn:
                flow.has_server_isn, flow.server_isn = True, row.server_isn
            if row.sides[row.client].has & HAS_TIMESTAMP and not flow.has_timestamp:
                flow.has_timestamp, flow.timestamp = True, row.sides[row.client].timestamp
        elif (self.protocol == UDP and flow.has_legs
                and leg.first_ns > flow.last_ns + self.limits.datagram_gap):
            flow.several = True
        if not flow.has_legs:
            flow.first_sender = row.first_sender
        flow.has_legs = True
        flow.settled &= row.first_ns >= self.settled[leg.table]
        flow.first_ns = min(flow.first_ns, leg.first_ns)
        flow.last_ns = max(flow.last_ns, leg.last_ns)
        flow.facts[0] |= facts_of(&row.sides[0])
        flow.facts[1] |= facts_of(&row.sides[1])

    cdef void _order_flows(self) noexcept nogil:
        """Sort the flows by the time and endpoints they have, as `join` does."""
        cdef uint8_t place_of[MAX_FLOWS]
        cdef CFlow moved
        cdef uint32_t i
        cdef int at, back
        for at in range(self.flows):
            self.flow[at].place = at
        for at in range(1, self.flows):
            moved = self.flow[at]
            back = at
            while back > 0 and is_later(&self.flow[back - 1], &moved):
                self.flow[back] = self.flow[back - 1]
                back -= 1
            self.flow[back] = moved
        for at in range(self.flows):
            place_of[self.flow[at].place] = at
        for i in range(self.legs):
            self.leg[i].place = place_of[self.leg[i].place]

    cdef bint _take_sightings(self) noexcept nogil:
        """Collect the conntrack entries of the component, in the order of the dumps."""
        cdef uint32_t number = self.root, at
        cdef CSighting *found
        cdef int place
        if not self.has_sightings:
            return True
        while True:
            at = self.first_sighting[number]
            while at:
                found = &self.sightings[at - 1]
                if self.sighted == MAX_SIGHTINGS:
                    return False
                place = self.sighted
                while place > 0 and self.sighting[place - 1] > found:
                    self.sighting[place] = self.sighting[place - 1]
                    place -= 1
                self.sighting[place] = found
                self.sighted += 1
                at = found.next_
            if self.index.next_in_component[number] == 0:
                break
            number = self.index.next_in_component[number] - 1
        for place in range(self.sighted):
            if (self._flow_of(self.sighting[place].before) < 0
                    or self._flow_of(self.sighting[place].after) < 0):
                return False
        return not self._shares_unrecorded()

    cdef bint _shares_unrecorded(self) noexcept nogil:
        """Whether a 5-tuple without rows is told by entries with different other sides.

        Its time is that of the recorded side of the entry that comes first, which is no fact of a
        shape.
        """
        cdef int one, other
        for one in range(self.sighted):
            for other in range(one + 1, self.sighted):
                if (self._has_other_side(
                        self.sighting[one], self.sighting[other], self.sighting[one].before)
                        or self._has_other_side(
                            self.sighting[one], self.sighting[other], self.sighting[one].after)):
                    return True
        return False

    cdef bint _has_other_side(
        self, const CSighting *one, const CSighting *other, uint32_t tuple_
    ) noexcept nogil:
        """Whether two entries tell different other sides of a 5-tuple without rows."""
        if tuple_ not in (other.before, other.after) or self.flow[self._flow_of(tuple_)].has_legs:
            return False
        return (one.before ^ one.after) != (other.before ^ other.after)

    cdef bint _collect_ends(self) noexcept nogil:
        """Number the endpoints of the piece in their order; False where they are too many."""
        cdef CEnd found[2]
        cdef const CRow *row
        cdef CFlow *flow
        cdef int place, side, at, moved
        for place in range(self.flows):
            row = self.index.shown_by(self.flow[place].tuple_)
            for side in range(2):
                end_of(row, side, &found[side])
                at = self.ends
                while at > 0 and compare_ends(&self.end[at - 1], &found[side]) > 0:
                    at -= 1
                if at > 0 and compare_ends(&self.end[at - 1], &found[side]) == 0:
                    continue
                if self.ends == MAX_ENDS:
                    return False
                for moved in range(self.ends, at, -1):
                    self.end[moved] = self.end[moved - 1]
                self.end[at] = found[side]
                self.ends += 1
        for place in range(self.flows):
            flow = &self.flow[place]
            row = self.index.shown_by(flow.tuple_)
            end_of(row, 0, &found[0])
            end_of(row, 1, &found[1])
            flow.low, flow.high = self.end_place(&found[0]), self.end_place(&found[1])
        return True

    cdef int end_place(self, const CEnd *end) noexcept nogil:
        """The place of an endpoint of the piece."""
        cdef int place
        for place in range(self.ends):
            if compare_ends(&self.end[place], end) == 0:
                break
        return place

    cdef int sighting_bits(self, const CSighting *sighting) noexcept nogil:
        """Whether an entry was seen too early or too late for the flows before and after NAT.

        `conntrack_flows.entry_flow` asks that.
        """
        return (self._bits_of(sighting, sighting.before) * BEFORE_IS_EARLY
                + self._bits_of(sighting, sighting.after) * AFTER_IS_EARLY
                + sighting.began_within * BEGAN_WITHIN)

    cdef int _bits_of(self, const CSighting *sighting, uint32_t tuple_) noexcept nogil:
        cdef CFlow *flow = &self.flow[self._flow_of(tuple_)]
        cdef int bits = 0
        if not flow.has_legs:
            return 0
        if flow.first_ns > sighting.time_ns + self.limits.dump_slack:
            bits |= 1
        if (sighting.has_last
                and flow.last_ns < sighting.time_ns - self.patience() - self.limits.dump_slack):
            bits |= 2
        return bits


cdef inline uint8_t facts_of(const CSide *side) noexcept nogil:
    """What rules ask of one side, all legs of a flow taken together."""
    return (HAS_PACKETS * (side.packets > 0)
            | ACKNOWLEDGED * ((side.has & HAS_ACK) != 0)
            | WAS_RESET * ((side.flags & RST) != 0)
            | SENT_SYN_ACK * (side.syn_acks > 0)
            | UNREACHABLE * (side.unreachable > 0)
            | (side.hints & 3) << HINT_SHIFT
            | WENT_ON * went_on(side))


cdef inline bint went_on(const CSide *side) noexcept nogil:
    """`outcome.went_on`."""
    return (side.flags & (FIN | PSH)) != 0 or (
        side.has & HAS_SEQ and side.seq_first != side.seq_last)


cdef inline bint is_later(const CFlow *one, const CFlow *other) noexcept nogil:
    if one.first_ns != other.first_ns:
        return one.first_ns > other.first_ns
    if one.low != other.low:
        return one.low > other.low
    return one.high > other.high


cdef CEnd packed_end(tuple endpoint):
    """A `CEnd` of (address, port)."""
    cdef CEnd end
    cdef bytes text = endpoint[0]
    end.high, end.low = be64(<const uint8_t *>text), be64(<const uint8_t *>text + 8)
    end.port = endpoint[1]
    return end


cdef void bare_row(CRow *row, uint64_t protocol, const CEnd *one, const CEnd *other) noexcept nogil:
    """The 5-tuple of two endpoints, as a row without packets."""
    cdef const CEnd *low = one if compare_ends(one, other) <= 0 else other
    cdef const CEnd *high = other if low == one else one
    memset(row, 0, sizeof(CRow))
    row.client = NO_CLIENT
    row.key.word[0], row.key.word[1] = low.high, low.low
    row.key.word[2], row.key.word[3] = high.high, high.low
    row.key.word[4] = <uint64_t>low.port << 48 | <uint64_t>high.port << 32 | protocol
