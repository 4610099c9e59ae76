# Declarations of `_component_legs.pyx`.

from libc.stdint cimport int64_t, uint32_t

from otterize_pcap.connections._cuts cimport Cuts
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._leg cimport CLeg
from otterize_pcap.connections._sightings cimport Sightings
from otterize_pcap.connections._table_times cimport TableTimes
from otterize_pcap.table._numbers cimport UDP
from otterize_pcap.table._row cimport CRow

cdef enum:
    MAX_LEGS = 1 << 16
    SPARE_ROWS = 1 << 8
    SPARE_BLOCKS = 1 << 8

# Times that rules compare by, in ns (`shapes.Limits`).
cdef struct CLimits:
    int64_t slack
    int64_t datagram_gap
    int64_t dump_slack
    uint32_t many


cdef class ComponentLegs:
    cdef RowIndex index
    cdef TableTimes times
    cdef Sightings sightings
    cdef CLimits limits
    cdef Cuts cuts
    cdef bint is_bound
    # The component at hand: its legs by time, and whether conntrack tells of any of its 5-tuples.
    cdef CLeg *leg
    cdef uint32_t count
    cdef uint32_t room
    # Blocks of rows that are packed in their tables, for those of the component at hand.
    cdef CRow *spare[SPARE_BLOCKS]
    cdef uint32_t spared
    cdef uint32_t root
    cdef int protocol
    cdef bint has_sightings

    cdef inline int64_t patience(self) noexcept nogil:
        """How far apart legs of one connection may be: `conntrack_flows.patience_of`."""
        return self.limits.datagram_gap if self.protocol == UDP else self.limits.slack

    cdef int gather(self, uint32_t root) except -1 nogil
    cdef CRow *_spare_row(self) except NULL nogil
    cdef int _gather_rows(self, uint32_t number) except -1 nogil
    cdef void _sort_few(self) noexcept nogil
    cdef uint32_t piece_end(self, uint32_t begin) except 0 nogil
