# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Rows of several tables, grouped: see `_fast_grouping.pxi` and `_fast_datagrams.pxi`."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport (
    ACK,
    CRow,
    CSide,
    HAS_ACK,
    Key,
    NO_CLIENT,
    RST,
    SLOT_NS,
    UDP,
    address,
    append_side,
    be64,
    same_key,
)
from otterize_pcap.table._rows cimport Table, hash_key, row_at

from otterize_pcap.table.rows import too_many_connections

include "_fast_index.pxi"
include "_fast_groups.pxi"
include "_fast_slots.pxi"
include "_fast_ends.pxi"
include "_fast_datagrams.pxi"
include "_fast_grouping.pxi"
