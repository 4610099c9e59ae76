# cython: cdivision=True
# Rows that somebody forged by a tunnel that was left closed (S25). A header: it defines no module of
# its own.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from otterize_pcap.table._chunks cimport Table, row_at
from otterize_pcap.table._handover cimport as_row
from otterize_pcap.table._row cimport CRow, be64

cdef enum:
    # Slots of a filter in front of a look-up of an endpoint.
    CLAIM_SLOTS = 1 << 14


cdef inline bint is_in_tunnel(const CRow *row) noexcept nogil:
    return (row.key.word[4] >> 8) & 0xFFFFFF != 0


cdef inline void mark_row(CRow *row, uint64_t forged) noexcept nogil:
    """Have a row lie in the path of that number."""
    row.key.word[4] = (row.key.word[4] & ~<uint64_t>0xFFFFFF00) | forged << 8


cdef inline mark_claimed(Table *table, list path_tunnels, uint64_t forged, claims):
    """Mark rows inside tunnels: those claimed, or all where `claims` is None."""
    cdef uint64_t index
    cdef CRow *row
    for index in range(table.rows):
        row = row_at(table, index)
        if not is_in_tunnel(row):
            continue
        found = as_row(row, path_tunnels, table.station)
        if claims is None or (found.protocol, found.low, found.high) in claims:
            mark_row(row, forged)


cdef inline mark_strays(Table *table, list path_tunnels, uint64_t forged, ends, is_stray):
    """Mark rows outside of tunnels with one of those ends that `is_stray` finds to be so."""
    cdef uint64_t index
    cdef CRow *row
    cdef const uint8_t *text
    cdef uint8_t[CLAIM_SLOTS] claimed
    memset(claimed, 0, CLAIM_SLOTS)
    for _, (address, _) in ends:
        text = address
        claimed[be64(text + 8) % CLAIM_SLOTS] = 1
    for index in range(table.rows):
        row = row_at(table, index)
        if is_in_tunnel(row) or not (
            claimed[row.key.word[1] % CLAIM_SLOTS] or claimed[row.key.word[3] % CLAIM_SLOTS]
        ):
            continue
        if is_stray(as_row(row, path_tunnels, table.station)):
            mark_row(row, forged)
