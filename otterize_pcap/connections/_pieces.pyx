# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Pieces of components → their flows, endpoints and conntrack entries, which shapes are made of.

In a piece fit for a shape every 5-tuple holds one flow; one that is not, or is larger than a shape,
is *odd*: its rows are looked at as they are.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from otterize_pcap.connections._component_legs cimport ComponentLegs
from otterize_pcap.connections._endpoint cimport CEnd, compare_ends, end_of
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.connections._sightings cimport CSighting
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
)

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF


cdef class Pieces:
    """The pieces of one capture's components, one at a time.

    Args:
        component: The legs of the component at hand.
    """

    def __cinit__(self, ComponentLegs component):
        self.component, self.index = component, component.index

    cdef bint take(self, uint32_t begin, uint32_t end) noexcept nogil:
        """Make some gathered legs the piece at hand; False where it is odd."""
        cdef uint32_t i
        self.leg, self.legs = self.component.leg + begin, end - begin
        self.protocol = self.component.protocol
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
        cdef CRow room
        cdef uint32_t at = self.index.tuple_[flow.tuple_].newest if flow.has_legs else 0
        while at:
            if (self.index.row(at - 1, &room).first_ns
                    - self.component.times.offsets[self.index.table_of(at - 1)] < flow.first_ns):
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
        cdef int64_t early
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
            # A run that came well before the handshake, or went both ways before, is another flow's.
            leg = &self.leg[i]
            if leg.row.client != NO_CLIENT or self.flow[leg.place].client == NO_CLIENT:
                continue
            early = self.flow[leg.place].handshake_ns - leg.first_ns
            if early > self.component.limits.slack or early > 0 and (
                    leg.row.sides[0].has & leg.row.sides[1].has & HAS_ACK):
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
                and leg.first_ns > flow.last_ns + self.component.limits.datagram_gap):
            flow.several = True
        if not flow.has_legs:
            flow.first_sender = row.first_sender
        flow.has_legs = True
        flow.settled &= row.first_ns >= self.component.times.settled[leg.table]
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
        cdef uint32_t number = self.component.root
        cdef CSighting *found
        cdef int place
        if not self.component.has_sightings:
            return True
        while True:
            found = self.component.sightings.first_of(number)
            while found != NULL:
                if self.sighted == MAX_SIGHTINGS:
                    return False
                place = self.sighted
                while place > 0 and self.sighting[place - 1] > found:
                    self.sighting[place] = self.sighting[place - 1]
                    place -= 1
                self.sighting[place] = found
                self.sighted += 1
                found = self.component.sightings.after(found)
            if self.index.tuple_[number].next_ == 0:
                break
            number = self.index.tuple_[number].next_ - 1
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
        cdef CFlow *flow
        cdef int place, side, at, moved
        for place in range(self.flows):
            for side in range(2):
                end_of(&self.index.tuple_[self.flow[place].tuple_], side, &found[side])
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
            end_of(&self.index.tuple_[flow.tuple_], 0, &found[0])
            end_of(&self.index.tuple_[flow.tuple_], 1, &found[1])
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
        if flow.first_ns > sighting.time_ns + self.component.limits.dump_slack:
            bits |= 1
        if (sighting.has_last
                and flow.last_ns < sighting.time_ns - self.component.patience() - self.component.limits.dump_slack):
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
