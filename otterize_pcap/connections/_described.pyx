# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""A connection of a piece → all that `Components.connections` gives of it."""

from libc.stdint cimport uint8_t, uint32_t

from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.connections._verdicts cimport OTHERS
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport address


cdef tuple described(Pieces piece, const CJudged *judged, const CTotals *totals):
    """What is said of one connection of the piece at hand, but for its group."""
    cdef uint32_t i
    cdef const CLeg *leg
    cdef FastTable rows
    cdef list legs = []
    for i in range(piece.legs):
        leg = &piece.leg[i]
        if judged.side[leg.place] != OTHERS:
            rows = piece.index.tables[leg.table]
            legs.append((leg.table, rows._as_row(leg.row), leg.first_ns, leg.last_ns))
    return (
        endpoints(piece, judged.client, judged.clients),
        endpoints(piece, judged.server, judged.servers),
        totals.first_ns, totals.last_ns,
        tuple([(totals.sent[i].first_ns, totals.sent[i].last_ns) for i in range(2)]),
        (totals.packets[0], totals.packets[1]),
        (totals.bytes[0], totals.bytes[1]), totals.syns, legs,
    )


cdef tuple endpoints(Pieces piece, const uint8_t *places, int count):
    cdef list ends = []
    cdef int place
    cdef CEnd *end
    for place in range(count):
        end = &piece.end[places[place]]
        ends.append((address(end.high, end.low), end.port))
    return tuple(ends)
