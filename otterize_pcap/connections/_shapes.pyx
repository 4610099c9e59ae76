# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Pieces → shapes: the facts of a piece that rules ask for, as canonical bytes.

`shapes.py` says what each byte means and rebuilds flows from them. Nothing is decided here. A piece
is odd where what the snapshot says of it changes within its time, or where a fact does not fit.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from otterize_pcap.connections._answers cimport CHANGES, YES, Answer, Leads, during
from otterize_pcap.connections._endpoint cimport CEnd, compare_ends
from otterize_pcap.connections._pieces cimport CFlow
from otterize_pcap.connections._sightings cimport CSighting
from otterize_pcap.table._numbers cimport UDP
from otterize_pcap.table._row cimport HAS_ACK, HAS_SEQ, NO_CLIENT, TCP, CSide

cdef enum:
    CLIENT_ISN = 0
    SERVER_ISN = 1
    TIMESTAMP = 2
    MAX_SERVER_ISNS = 2

cdef int64_t SEQUENCE_SLACK = 1 << 20


cdef class ShapeWriter:
    """Writes the shape of the piece at hand into `out`.

    Args:
        pieces: The pieces; one has been taken.
        answers: What the snapshot says.
        known: What the whole capture says.
        isns: All client ISNs.
        limits: `shapes.Limits`.
    """

    def __cinit__(self, Pieces pieces, Answers answers, KnownEnds known, ClientIsns isns, limits):
        self.pieces, self.answers, self.known, self.isns = pieces, answers, known, isns
        self.component = pieces.component
        self.well_known = limits.well_known

    cdef int write(self) except -1 nogil:
        """Whether the piece at hand has a shape; then it is in `out`."""
        cdef int place
        self.length = 0
        self.put(self.pieces.protocol)
        self.put(self.pieces.ends)
        self.put(self.pieces.flows)
        self.put(self.pieces.sighted)
        if not (self._write_ends() and self._write_leads() and self._note_acknowledgements()
                and self._tell_streams()):
            return False
        for place in range(self.pieces.flows):
            self._write_flow(place)
        self._write_sightings()
        self._write_gaps()
        return True

    cdef int _write_ends(self) except -1 nogil:
        """Each endpoint: its address's rank, its port's place in its class, facts of both."""
        cdef CEnd *end
        cdef int64_t first_ns = self.pieces.first_ns, last_ns = self.pieces.last_ns
        cdef int place, rank = -1
        cdef uint32_t facts
        cdef Answer held, served
        for place in range(self.pieces.ends):
            end = &self.pieces.end[place]
            if (place == 0 or end.high != self.pieces.end[place - 1].high
                    or end.low != self.pieces.end[place - 1].low):
                rank += 1
                self.numbers[place] = self.answers.number_of(end.high, end.low)
            else:
                self.numbers[place] = self.numbers[place - 1]
            held = self.answers.is_held(self.numbers[place], first_ns, last_ns)
            served = self.answers.is_served(
                self.numbers[place], self.pieces.protocol, end.port, first_ns, last_ns)
            if held == CHANGES or served == CHANGES:
                return False
            facts = IS_HELD if held == YES else 0
            facts |= IS_SERVED if served == YES else 0
            facts |= self.known.facts(self.pieces.protocol, end) << END_FACTS_SHIFT
            self.put(rank)
            self.put(self._port_class(end.port))
            self.put(self._canonical_port(place))
            self.put(facts)
            self.put(self.known.port_facts(self.numbers[place], end.port))
        return True

    cdef int _port_class(self, uint32_t port) noexcept nogil:
        """0 well known, 1 not."""
        return port >= self.well_known

    cdef int _canonical_port(self, int place) noexcept nogil:
        """How many lower ports of the same class the piece has at the same address."""
        cdef const CEnd *end = &self.pieces.end[place]
        cdef const CEnd *lower
        cdef int rank = 0
        while place > rank:
            lower = &self.pieces.end[place - rank - 1]
            if (lower.high != end.high or lower.low != end.low
                    or self._port_class(lower.port) != self._port_class(end.port)):
                break
            rank += 1
        return rank

    cdef int _write_leads(self) except -1 nogil:
        """Which endpoint of the piece a Service leads to from which; their count comes first."""
        cdef const Leads *leads
        cdef CEnd end
        cdef Answer answer, more
        cdef int place, other, count_at = self.length, count = 0
        cdef uint32_t at
        self.put(0)
        for place in range(self.pieces.ends):
            if not self.answers.could_lead(
                    self.numbers[place], self.pieces.protocol, self.pieces.end[place].port):
                continue
            leads = self.answers.leads_from(
                self.numbers[place], self.pieces.protocol, self.pieces.end[place].port)
            for other in range(self.pieces.ends):
                answer = <Answer>0
                for at in range(leads.count):
                    end.high, end.low = leads.lead[at].high, leads.lead[at].low
                    end.port = leads.lead[at].port
                    if compare_ends(&end, &self.pieces.end[other]) == 0:
                        more = during(
                            &leads.lead[at].time, self.pieces.first_ns, self.pieces.last_ns)
                        if more == YES or answer != YES:
                            answer = more if more else answer
                if answer == CHANGES or (answer == YES and count == MAX_LEADS):
                    return False
                if answer == YES:
                    self.put(place)
                    self.put(other)
                    count += 1
        self.out[count_at] = count
        return True

    cdef bint _note_acknowledgements(self) noexcept nogil:
        """Which server's initial sequence number each side acknowledged (RFC 9293 3.4)."""
        cdef CFlow *flow
        cdef const CSide *side
        cdef int place, token, which
        cdef uint32_t i
        for token in range(3):
            self.token_count[token] = 0
        for place in range(self.pieces.flows):
            flow = &self.pieces.flow[place]
            self.acked[place][0] = self.acked[place][1] = 0
            if flow.client != NO_CLIENT:
                self._token(CLIENT_ISN, flow.client_isn)
            if flow.has_server_isn and self._token(SERVER_ISN, flow.server_isn) > MAX_SERVER_ISNS:
                return False
            if flow.has_timestamp:
                self._token(TIMESTAMP, flow.timestamp)
        for i in range(self.pieces.legs if self.token_count[SERVER_ISN] else 0):
            for which in range(2):
                side = &self.pieces.leg[i].row.sides[which]
                if side.has & HAS_ACK:
                    for token in range(self.token_count[SERVER_ISN]):
                        if (<uint32_t>(side.ack_first - self.tokens[SERVER_ISN][token] - 1)
                                < <uint32_t>1 << 31):
                            self.acked[self.pieces.leg[i].place][which] |= 1 << token
        return True

    cdef int _token(self, int kind, uint32_t value) noexcept nogil:
        """One more than the place of a value among those of its kind, in the order of flows."""
        cdef int place
        for place in range(self.token_count[kind]):
            if self.tokens[kind][place] == value:
                return place + 1
        self.tokens[kind][self.token_count[kind]] = value
        self.token_count[kind] += 1
        return self.token_count[kind]

    cdef bint _tell_streams(self) noexcept nogil:
        """Which flows could carry one stream, by the sequence numbers at each shared endpoint."""
        cdef int place
        for place in range(self.pieces.flows):
            self.streams[place][0] = self.streams[place][1] = 0
        if self.pieces.protocol != TCP or self.pieces.flows < 2:
            return True
        for place in range(self.pieces.ends):
            if not self._tell_streams_of(place):
                return False
        return True

    cdef bint _tell_streams_of(self, int end) noexcept nogil:
        """The same at one endpoint; False where it is not the same for all flows of a stream."""
        cdef int one, other, one_side, other_side, streams = 0
        cdef bint overlap
        for one in range(self.pieces.flows):
            one_side = side_at(&self.pieces.flow[one], end)
            if one_side < 0:
                continue
            for other in range(one + 1, self.pieces.flows):
                other_side = side_at(&self.pieces.flow[other], end)
                if other_side < 0 or (self.pieces.flow[one].client != NO_CLIENT
                                      and self.pieces.flow[other].client != NO_CLIENT):
                    continue
                overlap = self._overlap(one, one_side, other, other_side)
                if not overlap:
                    continue
                if self.streams[one][one_side] == 0:
                    self.streams[one][one_side] = self.streams[other][other_side]
                if self.streams[one][one_side] == 0:
                    streams += 1
                    self.streams[one][one_side] = streams
                if self.streams[other][other_side] not in (0, self.streams[one][one_side]):
                    return False
                self.streams[other][other_side] = self.streams[one][one_side]
        for one in range(self.pieces.flows):
            one_side = side_at(&self.pieces.flow[one], end)
            for other in range(one + 1, self.pieces.flows):
                other_side = side_at(&self.pieces.flow[other], end)
                if one_side < 0 or other_side < 0 or (
                        self.pieces.flow[one].client != NO_CLIENT
                        and self.pieces.flow[other].client != NO_CLIENT):
                    continue
                if (self.streams[one][one_side] != 0
                        and self.streams[one][one_side] == self.streams[other][other_side]
                        and not self._overlap(one, one_side, other, other_side)):
                    return False
        return True

    cdef bint _overlap(self, int one, int one_side, int other, int other_side) noexcept nogil:
        """Whether any ranges that two flows sent overlap: `join._overlap`."""
        cdef const CSide *a
        cdef const CSide *b
        cdef uint32_t i, j
        for i in range(self.pieces.legs):
            a = &self.pieces.leg[i].row.sides[one_side]
            if self.pieces.leg[i].place != one or not a.has & HAS_SEQ:
                continue
            for j in range(self.pieces.legs):
                b = &self.pieces.leg[j].row.sides[other_side]
                if (self.pieces.leg[j].place == other and b.has & HAS_SEQ
                        and <int64_t><int>(a.seq_first - b.seq_last) <= SEQUENCE_SLACK
                        and <int64_t><int>(b.seq_first - a.seq_last) <= SEQUENCE_SLACK):
                    return True
        return False

    cdef void _write_flow(self, int place) noexcept nogil:
        cdef CFlow *flow = &self.pieces.flow[place]
        cdef uint32_t facts = flow.client | (flow.first_sender + 1 if flow.has_legs else 0) << 4
        cdef int side
        if flow.has_legs and flow.settled and self.pieces.protocol == UDP:
            facts |= IS_SETTLED
        if (flow.has_legs and place > 0 and self.pieces.sighted
                and flow.first_ns == self.pieces.flow[place - 1].first_ns):
            facts |= BEGAN_WITH_LAST
        if flow.client != NO_CLIENT and self.isns.is_crowded(self.pieces.protocol, flow.client_isn):
            facts |= IS_CROWDED
        if flow.client != NO_CLIENT and flow.has_legs and self._lacks_question(place, flow.client):
            facts |= LACKS_QUESTION
        self.put(flow.low)
        self.put(flow.high)
        self.put(facts)
        self.put(self._token(CLIENT_ISN, flow.client_isn) if flow.client != NO_CLIENT else 0)
        self.put(self._token(SERVER_ISN, flow.server_isn) if flow.has_server_isn else 0)
        self.put(self._token(TIMESTAMP, flow.timestamp) if flow.has_timestamp else 0)
        for side in range(2):
            self.put(flow.facts[side])
            self.put(self.acked[place][side])
            self.put(self.streams[place][side])

    cdef void _write_sightings(self) noexcept nogil:
        cdef CSighting *sighting
        cdef int place, which
        for place in range(self.pieces.sighted):
            sighting = self.pieces.sighting[place]
            for which in range(4):
                self.put(self.pieces.end_place(&sighting.ends[which]))
            self.put(sighting.assured | self.pieces.sighting_bits(sighting))

    cdef void _write_gaps(self) noexcept nogil:
        """Which flow began later than any rule joins it to which other one; nothing if none."""
        cdef int one, other
        cdef bint any_ = False
        for one in range(self.pieces.flows):
            for other in range(self.pieces.flows):
                any_ |= self._is_apart(one, other)
        for one in range(self.pieces.flows if any_ else 0):
            for other in range(self.pieces.flows):
                self.put(self._is_apart(one, other))

    cdef bint _is_apart(self, int one, int other) noexcept nogil:
        cdef CFlow *a = &self.pieces.flow[one]
        cdef CFlow *b = &self.pieces.flow[other]
        return (a.has_legs and b.has_legs
                and a.first_ns - b.last_ns > self.component.patience())


cdef inline int side_at(const CFlow *flow, int end) noexcept nogil:
    """Which side of a flow an endpoint is; -1 where it is none."""
    if flow.low == end:
        return 0
    return 1 if flow.high == end else -1
