# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Where each address sent from: `origins.origins_in_rows`, of a compiled table."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from otterize_pcap.connections._keys cimport NO_KEY, Keys
from otterize_pcap.table._bare_rows cimport kept_row
from otterize_pcap.table._chunks cimport Table
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._links cimport STATION_OUT
from otterize_pcap.table._row cimport CRow, CSide, HAS_TIMES, address, be64

cdef enum:
    ADDRESS_BYTES = 16
    KEY_BYTES = 32

cdef struct Span:
    int64_t first_ns
    int64_t last_ns

# An address, as two numbers, an interface and a station.
ctypedef uint64_t[4] Words


cdef class Origins:
    """The origins in the making."""

    cdef Keys wanted
    cdef Keys found
    cdef Span *spans
    cdef uint32_t room
    cdef uint32_t noted

    def __cinit__(self, uint64_t secret, addresses):
        cdef Words words
        cdef const uint8_t *text
        self.wanted, self.found = Keys(secret), Keys(secret)
        for each in addresses:
            text = each
            words[0], words[1] = be64(text), be64(text + 8)
            self.wanted.number_of(<const uint8_t *>words, ADDRESS_BYTES)

    def __dealloc__(self):
        free(self.spans)

    cdef int look_at(self, const Table *table) except -1 nogil:
        """Note what all rows of a table say."""
        cdef uint64_t index
        cdef int at
        cdef const CRow *row
        cdef CRow room
        cdef const CSide *side
        cdef Words words
        for index in range(table.rows):
            row = kept_row(table, index, &room)
            if (row.key.word[4] >> 8) & 0xFFFFFF:
                continue
            for at in range(2):
                side = &row.sides[at]
                if not side.has & HAS_TIMES or side.station == 0:
                    continue
                words[3] = table.station[side.station]
                if words[3] >> 48 == STATION_OUT:
                    continue
                words[0], words[1] = row.key.word[2 * at], row.key.word[2 * at + 1]
                if self.wanted.find(<const uint8_t *>words, ADDRESS_BYTES) == NO_KEY:
                    continue
                words[2] = row.key.word[5]
                self.note(words, side)
        return 0

    cdef int note(self, Words words, const CSide *side) except -1 nogil:
        """Widen the span of one origin by what one side of a row sent."""
        cdef uint32_t number = self.found.number_of(<const uint8_t *>words, KEY_BYTES)
        cdef Span *span
        if number == self.room:
            span = <Span *>realloc(self.spans, (<size_t>2 * self.room + 64) * sizeof(Span))
            if span == NULL:
                raise MemoryError
            self.spans, self.room = span, 2 * self.room + 64
        span = &self.spans[number]
        if number == self.noted:
            self.noted += 1
            span.first_ns, span.last_ns = side.first_ns, side.last_ns
            return 0
        span.first_ns = min(span.first_ns, side.first_ns)
        span.last_ns = max(span.last_ns, side.last_ns)
        return 0


def origins_in_table(FastTable table, addresses):
    """(address, interface, station, first, last) of the origins of some addresses."""
    cdef Origins origins = Origins(table.decoding.table.secret[6], addresses)
    cdef uint32_t number
    cdef Words words
    with nogil:
        origins.look_at(&table.decoding.table)
    for number in range(origins.found.count):
        memcpy(words, origins.found.key(number), KEY_BYTES)
        yield (address(words[0], words[1]), words[2], words[3],
               origins.spans[number].first_ns, origins.spans[number].last_ns)
