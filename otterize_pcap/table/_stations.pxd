# cython: cdivision=True
# The stations of a table, numbered. A header: it defines no module of its own.

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from otterize_pcap.table._chunks cimport Table

cdef enum:
    # Numbers of stations have 16 bits: of more than these, no more are told apart.
    MAX_STATIONS = 0xFFFF
    FIRST_STATION_BITS = 6


cdef inline bint grow_stations(Table *table) noexcept nogil:
    """Room for twice as many stations; False where there is none."""
    cdef int bits = table.station_bits + 1
    cdef uint64_t place, mask = (<uint64_t>1 << bits) - 1
    cdef uint32_t number
    cdef uint64_t *station = <uint64_t *>realloc(
        table.station, (<size_t>1 << (bits - 1)) * sizeof(uint64_t)
    )
    cdef uint16_t *slots
    if station == NULL:
        return False
    table.station = station
    slots = <uint16_t *>calloc(<size_t>1 << bits, sizeof(uint16_t))
    if slots == NULL:
        return False
    for number in range(1, table.stations + 1):
        place = (station[number] * table.secret[6]) >> (64 - bits)
        while slots[place]:
            place = (place + 1) & mask
        slots[place] = <uint16_t>number
    free(table.station_slots)
    table.station_slots = slots
    table.station_bits = bits
    return True


cdef inline uint16_t number_of_station(Table *table, uint64_t station) noexcept nogil:
    """The number of a station, given now where it has none; 0 for none."""
    cdef uint64_t place, mask
    cdef uint16_t number
    if station == 0:
        return 0
    mask = (<uint64_t>1 << table.station_bits) - 1
    place = (station * table.secret[6]) >> (64 - table.station_bits)
    while table.station_slots[place]:
        number = table.station_slots[place]
        if table.station[number] == station:
            return number
        place = (place + 1) & mask
    if table.stations == MAX_STATIONS:
        return 0
    if table.stations + 1 == <uint32_t>1 << (table.station_bits - 1):
        return number_of_station(table, station) if grow_stations(table) else 0
    table.stations += 1
    table.station[table.stations] = station
    table.station_slots[place] = <uint16_t>table.stations
    return <uint16_t>table.stations
