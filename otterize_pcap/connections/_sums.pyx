# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What the legs of one connection add up to: `connect._fullest` and the times, in C."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from otterize_pcap.connections._verdicts cimport OTHERS
from otterize_pcap.table._row cimport HAS_TIMES, CSide, same_key


cdef class LegSums:
    """Adds up legs; keeps its memory for the next connection."""

    def __dealloc__(self):
        free(self.sums)

    cdef int add_up(
        self, const CLeg *legs, uint32_t count, const uint8_t *sides, CTotals *totals
    ) except -1 nogil:
        """Totals of the legs of those flows that have a client's side.

        Counts are those of the recording that saw most, never a sum over recordings (S21).
        """
        cdef uint32_t i, at, recordings = 0
        cdef uint8_t client
        cdef bint has_sent[2]
        cdef const CLeg *leg
        cdef CSums *sums
        totals.first = NULL
        totals.syns = 0
        has_sent[0] = has_sent[1] = False
        for i in range(count):
            leg = &legs[i]
            client = sides[leg.place]
            if client == OTHERS:
                continue
            if totals.first == NULL:
                totals.first = leg
                totals.first_ns, totals.last_ns = leg.first_ns, leg.last_ns
                # Where it sent nothing, the first packet is all there is.
                for at in range(2):
                    totals.sent[at].first_ns = totals.sent[at].last_ns = leg.first_ns
            totals.last_ns = max(totals.last_ns, leg.last_ns)
            totals.syns = max(totals.syns, leg.row.sides[client].syns)
            for at in range(2):
                if leg.row.sides[client ^ at].has & HAS_TIMES:
                    note_sent(&totals.sent[at], leg, &leg.row.sides[client ^ at], has_sent[at])
                    has_sent[at] = True
            for at in range(recordings):
                if (self.sums[at].leg.table == leg.table
                        and same_key(&self.sums[at].leg.row.key, &leg.row.key)):
                    break
            else:
                at = recordings
                if recordings == self.room:
                    sums = <CSums *>realloc(self.sums, (2 * self.room + 16) * sizeof(CSums))
                    if sums == NULL:
                        raise MemoryError
                    self.sums, self.room = sums, 2 * self.room + 16
                recordings += 1
                sums = &self.sums[at]
                sums.leg = leg
                sums.packets[0] = sums.packets[1] = sums.bytes[0] = sums.bytes[1] = 0
            sums = &self.sums[at]
            sums.packets[0] += leg.row.sides[client].packets
            sums.packets[1] += leg.row.sides[1 - client].packets
            sums.bytes[0] += leg.row.sides[client].bytes
            sums.bytes[1] += leg.row.sides[1 - client].bytes
        sums = &self.sums[0]
        for at in range(1, recordings):
            if is_fuller(&self.sums[at], sums):
                sums = &self.sums[at]
        for at in range(2):
            totals.packets[at], totals.bytes[at] = sums.packets[at], sums.bytes[at]
        return 0


cdef inline void note_sent(CSpan *sent, const CLeg *leg, const CSide *side, bint more) noexcept nogil:
    """Widen a span to the times, without the clock's offset, at which a side of a leg sent."""
    cdef int64_t ahead = leg.row.first_ns - leg.first_ns
    cdef int64_t first_ns = side.first_ns - ahead, last_ns = side.last_ns - ahead
    if more:
        first_ns, last_ns = min(first_ns, sent.first_ns), max(last_ns, sent.last_ns)
    sent.first_ns, sent.last_ns = first_ns, last_ns


cdef bint is_fuller(const CSums *one, const CSums *other) noexcept nogil:
    cdef uint64_t a = one.packets[0] + one.packets[1], b = other.packets[0] + other.packets[1]
    if a != b:
        return a > b
    a, b = one.bytes[0] + one.bytes[1], other.bytes[0] + other.bytes[1]
    if a != b:
        return a > b
    if one.packets[0] != other.packets[0]:
        return one.packets[0] > other.packets[0]
    return one.bytes[0] > other.bytes[0]
