# Declarations of `_described.pyx`.

from otterize_pcap.connections._pieces cimport Pieces
from otterize_pcap.connections._sums cimport CTotals
from otterize_pcap.connections._verdicts cimport CJudged


cdef tuple described(Pieces piece, const CJudged *judged, const CTotals *totals)
