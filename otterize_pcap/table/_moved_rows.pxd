# cython: cdivision=True
# Rows of one table that move into another. A header: it defines no module of its own.

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from otterize_pcap.table._row cimport CRow, Key
from otterize_pcap.table._rows cimport (
    CHUNK_ROWS, DONE, Outcome, Slot, Table, empty_table, first_slot, free_chunk, hash_key,
    place_row, row_at
)
from otterize_pcap.table._batch cimport AHEAD, otterize_prefetch, prefetch_row


cdef inline Outcome move_rows(
    Table *table, Table *later, const uint32_t *paths, const uint16_t *stations
) noexcept nogil:
    """Put all rows of `later` into a table, giving back the memory of each chunk that has moved.

    `paths` and `stations` are the numbers, in the table, of what `later` has by its own.
    """
    cdef Outcome outcome = DONE
    cdef uint64_t index
    cdef CRow row
    for index in range(later.rows):
        look_ahead(table, later, index, paths)
        row = row_at(later, index)[0]
        row.key.word[4] = move_path(row.key.word[4], paths)
        row.sides[0].station = stations[row.sides[0].station]
        row.sides[1].station = stations[row.sides[1].station]
        outcome = place_row(table, &row)
        if outcome != DONE:
            break
        if index % CHUNK_ROWS == CHUNK_ROWS - 1:
            free_chunk(later, index // CHUNK_ROWS)
    empty_table(later)
    return outcome


cdef inline void look_ahead(
    const Table *table, const Table *later, uint64_t index, const uint32_t *paths
) noexcept nogil:
    """Have in the cache what the rows a little later will be looked up in: slot, then row."""
    cdef Slot *slot
    if index + 2 * AHEAD < later.rows:
        otterize_prefetch(slot_of(table, row_at(later, index + 2 * AHEAD), paths))
    if index + AHEAD < later.rows:
        slot = slot_of(table, row_at(later, index + AHEAD), paths)
        if slot.row:
            prefetch_row(row_at(table, slot.row - 1))


cdef inline Slot *slot_of(
    const Table *table, const CRow *later, const uint32_t *paths
) noexcept nogil:
    cdef Key key = later.key
    key.word[4] = move_path(key.word[4], paths)
    return &table.slots[first_slot(table, hash_key(table, &key))]


cdef inline uint64_t move_path(uint64_t word, const uint32_t *paths) noexcept nogil:
    """Word 4 of a key with the number that its tunnel path has in another table."""
    return (word & ~<uint64_t>0xFFFFFF00) | <uint64_t>paths[(word >> 8) & 0xFFFFFF] << 8
