# cython: cdivision=True
# What the rows of a 5-tuple show, all taken together.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from otterize_pcap.connections._endpoint cimport CTuple
from otterize_pcap.table._numbers cimport CLIENT, DNS_PORT, UDP
from otterize_pcap.table._row cimport NO_CLIENT, CRow, Key

cdef enum:
    HAS_HANDSHAKE = 1
    HAS_RUN = 2
    IS_INCOMPLETE = 4
    IS_RECORDED = 8
    LOW_ANSWERED = 16
    HIGH_ANSWERED = 32
    # A side sent a SYN or a DNS query.
    LOW_ASKED = 64
    HIGH_ASKED = 128
    # Rows have other client ISNs than `isn`.
    HAS_ISNS = 256


cdef inline void key_of(Key *key, const CRow *row) noexcept nogil:
    """The key of a row's 5-tuple: of no interface, and outside tunnels."""
    key[0] = row.key
    key.word[4] &= ~<uint64_t>0xFFFFFF00
    key.word[5] = 0


cdef inline uint32_t protocol_of(const CTuple *of) noexcept nogil:
    return of.word[4] & 0xFF


cdef inline uint16_t flags_of(const CRow *row) noexcept nogil:
    cdef uint16_t flags = HAS_HANDSHAKE
    if row.client == NO_CLIENT:
        flags = HAS_RUN | IS_INCOMPLETE
        if row.key.word[4] & 0xFF == UDP:
            if (row.key.word[4] >> 32) & 0xFFFF == DNS_PORT and row.sides[0].hints & CLIENT:
                flags |= LOW_ASKED
            elif row.key.word[4] >> 48 == DNS_PORT and row.sides[1].hints & CLIENT:
                flags |= HIGH_ASKED
    else:
        flags |= HIGH_ASKED if row.client else LOW_ASKED
        if row.has_server_isn:
            flags |= LOW_ANSWERED if row.client else HIGH_ANSWERED
        else:
            flags |= IS_INCOMPLETE
    if (row.sides[0].packets or row.sides[1].packets or row.sides[0].unreachable
            or row.sides[1].unreachable):
        flags |= IS_RECORDED
    return flags


cdef inline void note_row(CTuple *of, const CRow *row) noexcept nogil:
    """Add what a row shows to what is known of its 5-tuple."""
    cdef uint16_t flags = flags_of(row)
    if flags & HAS_HANDSHAKE:
        if not of.flags & HAS_HANDSHAKE:
            of.isn = row.client_isn
        elif of.isn != row.client_isn:
            flags |= HAS_ISNS
    of.flags |= flags
