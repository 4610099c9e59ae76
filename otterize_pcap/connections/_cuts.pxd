# Declarations of `_cuts.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from otterize_pcap.connections._leg cimport CLeg

cdef enum:
    NO_LEG = 0xFFFFFFFF
    # What the legs of one handshake's flow show together.
    ACKNOWLEDGED_BOTH = 3
    ANSWERED = 4
    ASKED = 8

# What binds one leg: `until` is the place of a later leg that it must stay together with, `before`
# the one before it of its 5-tuple. Where a flow begins, its earliest and latest leg and what it
# shows.
cdef struct CBound:
    uint32_t until
    uint32_t before
    uint32_t first
    uint32_t last
    uint8_t shows

cdef struct CHandshake:
    uint32_t tuple_
    uint32_t isn
    uint32_t place
    uint8_t client


cdef class Cuts:
    cdef CBound *bound
    cdef CHandshake *handshake
    cdef uint32_t *starts
    cdef uint32_t room

    cdef int bind(self, const CLeg *legs, uint32_t count, int64_t slack) except -1 nogil
    cdef int _make_room(self, uint32_t count) except -1 nogil
    cdef void _bind_tuple(
        self, const CLeg *legs, uint32_t begin, uint32_t end, int64_t slack
    ) noexcept nogil
    cdef uint32_t _collect_starts(
        self, const CLeg *legs, uint32_t begin, uint32_t end, uint32_t *starts
    ) noexcept nogil
    cdef void _add(self, const CLeg *legs, uint32_t start, uint32_t place) noexcept nogil
    cdef void _bind_flow(self, uint32_t start, bint may_turn) noexcept nogil
