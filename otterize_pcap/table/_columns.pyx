# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""`table.columns`, of compiled tables: a column at a time, and rows of columns again."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from otterize_pcap.table._bare_rows cimport kept_row
from otterize_pcap.table._chunks cimport Table
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._numbers cimport MOST_COUNTED, MOST_PARTS
from otterize_pcap.table._row cimport (
    BYTES_BITS, CRow, CSide, HAS_ACK, HAS_SEQ, HAS_TIMES, HAS_TIMESTAMP, NO_CLIENT, NUMBER_BITS,
    PACKETS_BITS, be64
)
from otterize_pcap.table._rows cimport DONE, Outcome, place_row
from otterize_pcap.table._stations cimport MAX_STATIONS, number_of_station

from otterize_pcap.table import columns as reference
from otterize_pcap.table.columns import COLUMNS, SIDES, SIZES, Columns

for _name, _number in (
    ("HAS_ACK", HAS_ACK), ("HAS_SEQ", HAS_SEQ), ("HAS_TIMESTAMP", HAS_TIMESTAMP),
    ("HAS_TIMES", HAS_TIMES), ("NO_CLIENT", NO_CLIENT),
):
    if getattr(reference, _name) != _number:
        raise ImportError(f"_row.pxd has another {_name} than {reference.__name__}")


cdef dict _places():
    """Where in a `CRow` the values of a column lie, of those that lie there as they are."""
    cdef CRow row
    cdef CSide *side
    cdef char *base = <char *>&row
    places = {
        "interface": <char *>&row.key.word[5] - base,
        "first_ns": <char *>&row.first_ns - base,
        "last_ns": <char *>&row.last_ns - base,
        "client_isn": <char *>&row.client_isn - base,
        "server_isn": <char *>&row.server_isn - base,
    }
    for index, which in enumerate(SIDES):
        side = &row.sides[<int>index]
        places |= {
            f"{which}_flags": <char *>&side.flags - base,
            f"{which}_ack_first": <char *>&side.ack_first - base,
            f"{which}_seq_first": <char *>&side.seq_first - base,
            f"{which}_seq_last": <char *>&side.seq_last - base,
            f"{which}_timestamp": <char *>&side.timestamp - base,
            f"{which}_unreachable": <char *>&side.unreachable - base,
            f"{which}_first_ns": <char *>&side.first_ns - base,
            f"{which}_last_ns": <char *>&side.last_ns - base,
        }
    return places


_PLACES = _places()

# The columns that a row has in another form: in fewer bits, or as parts of its key.
cdef struct Made:
    uint8_t *protocol
    uint32_t *path
    uint32_t *part
    uint64_t *number
    uint8_t *first_sender
    uint8_t *client
    uint8_t *has_server_isn
    uint64_t *packets[2]
    uint64_t *bytes[2]
    uint32_t *syns[2]
    uint32_t *syn_acks[2]
    uint8_t *has[2]
    uint8_t *hints[2]
    uint8_t *address[2]
    uint16_t *port[2]
    uint64_t *station[2]


cdef bind(Made *made, dict at):
    """Say where the columns are, by the address of each."""
    made.protocol, made.path = <uint8_t *><size_t>at["protocol"], <uint32_t *><size_t>at["path"]
    made.part, made.number = <uint32_t *><size_t>at["part"], <uint64_t *><size_t>at["number"]
    made.first_sender = <uint8_t *><size_t>at["first_sender"]
    made.client = <uint8_t *><size_t>at["client"]
    made.has_server_isn = <uint8_t *><size_t>at["has_server_isn"]
    for side, which in enumerate(SIDES):
        made.packets[<int>side] = <uint64_t *><size_t>at[f"{which}_packets"]
        made.bytes[<int>side] = <uint64_t *><size_t>at[f"{which}_bytes"]
        made.syns[<int>side] = <uint32_t *><size_t>at[f"{which}_syns"]
        made.syn_acks[<int>side] = <uint32_t *><size_t>at[f"{which}_syn_acks"]
        made.has[<int>side] = <uint8_t *><size_t>at[f"{which}_has"]
        made.hints[<int>side] = <uint8_t *><size_t>at[f"{which}_hints"]
        made.address[<int>side] = <uint8_t *><size_t>at[f"{which}_address"]
        made.port[<int>side] = <uint16_t *><size_t>at[f"{which}_port"]
        made.station[<int>side] = <uint64_t *><size_t>at[f"{which}_station"]


cdef inline void put64(uint8_t *out, uint64_t value) noexcept nogil:
    cdef int i
    for i in range(8):
        out[i] = <uint8_t>(value >> (56 - 8 * i))


cdef void gather(
    const Table *table, uint64_t first, uint64_t count, size_t offset, size_t size, uint8_t *out
) noexcept nogil:
    cdef uint64_t index
    cdef CRow room
    for index in range(count):
        memcpy(out + index * size, <const uint8_t *>kept_row(table, first + index, &room) + offset, size)


cdef void make(const Table *table, uint64_t first, uint64_t count, const Made *made) noexcept nogil:
    cdef uint64_t index
    cdef const CRow *row
    cdef CRow room
    cdef int side
    for index in range(count):
        row = kept_row(table, first + index, &room)
        made.protocol[index] = <uint8_t>row.key.word[4]
        made.path[index] = <uint32_t>(row.key.word[4] >> 8) & 0xFFFFFF
        made.part[index], made.number[index] = row.part, row.number
        made.first_sender[index], made.client[index] = row.first_sender, row.client
        made.has_server_isn[index] = row.has_server_isn
        made.port[0][index] = <uint16_t>(row.key.word[4] >> 48)
        made.port[1][index] = <uint16_t>(row.key.word[4] >> 32)
        for side in range(2):
            made.packets[side][index] = row.sides[side].packets
            made.bytes[side][index] = row.sides[side].bytes
            made.syns[side][index] = row.sides[side].syns
            made.syn_acks[side][index] = row.sides[side].syn_acks
            made.has[side][index], made.hints[side][index] = (
                row.sides[side].has, row.sides[side].hints)
            put64(made.address[side] + 16 * index, row.key.word[2 * side])
            put64(made.address[side] + 16 * index + 8, row.key.word[2 * side + 1])
            made.station[side][index] = (
                table.station[row.sides[side].station] if row.sides[side].has & HAS_TIMES else 0)


cdef uint8_t *_room(dict values, str name) except NULL:
    """The memory of a column, which is not moved while `values` holds it."""
    cdef bytearray column = values[name]
    return <uint8_t *>column


def columns_of(FastTable table, uint64_t first=0, uint64_t most=reference.ALL):
    """`columns.columns_of`."""
    cdef const Table *rows = &table.decoding.table
    cdef uint64_t count = min(most, rows.rows - min(first, rows.rows))
    cdef Made made
    cdef size_t offset, size
    cdef uint8_t *out
    # One byte more: an empty column has an address as well.
    cdef dict values = {name: bytearray(count * size + 1) for name, size in SIZES.items()}
    for name, place in _PLACES.items():
        offset, size, out = place, SIZES[name], _room(values, name)
        with nogil:
            gather(rows, first, count, offset, size, out)
    bind(&made, {name: <size_t>_room(values, name) for name in SIZES})
    with nogil:
        make(rows, first, count, &made)
    return Columns(
        count,
        {name: memoryview(column)[:count * SIZES[name]] for name, column in values.items()},
        list(table.path_tunnels),
    )


cdef bint unpack(CRow *row, const Made *made, uint64_t index, uint64_t first_part) noexcept nogil:
    """Fill in what a row has in fewer bits; False where one does not hold its value."""
    cdef int side
    if (made.client[index] > NO_CLIENT or made.first_sender[index] > 1
            or made.has_server_isn[index] > 1 or made.number[index] >> NUMBER_BITS
            or first_part + made.part[index] >= MOST_PARTS):
        return False
    row.client, row.first_sender = made.client[index], made.first_sender[index]
    row.has_server_isn = made.has_server_isn[index]
    row.number, row.part = made.number[index], <uint32_t>first_part + made.part[index]
    for side in range(2):
        if (made.packets[side][index] >> PACKETS_BITS or made.bytes[side][index] >> BYTES_BITS
                or made.syns[side][index] > MOST_COUNTED
                or made.syn_acks[side][index] > MOST_COUNTED):
            return False
        row.sides[side].packets = made.packets[side][index]
        row.sides[side].bytes = made.bytes[side][index]
        row.sides[side].syns = <uint16_t>made.syns[side][index]
        row.sides[side].syn_acks = <uint16_t>made.syn_acks[side][index]
        row.sides[side].has, row.sides[side].hints = made.has[side][index], made.hints[side][index]
    return True


cdef struct Source:
    const uint8_t *data
    size_t size
    size_t offset


def restore(FastTable table, columns, uint32_t first_part=0):
    """`columns.restore`."""
    cdef Table *rows = &table.decoding.table
    cdef Source source[64]
    cdef Made made
    cdef int sources = 0, each, side
    cdef Outcome outcome = DONE
    cdef uint64_t index, count = columns.rows
    cdef CRow row
    cdef const uint8_t[::1] view
    cdef list views = []
    cdef dict held = {}
    cdef uint32_t known_paths = len(columns.paths)
    cdef uint32_t *paths = <uint32_t *>malloc((known_paths + 1) * sizeof(uint32_t))
    if paths == NULL:
        raise MemoryError
    try:
        for index, tunnels in enumerate(columns.paths):
            paths[index] = <uint32_t>table.tunnel_paths.number_of(tunnels)
        if count == 0:
            return
        for name, size in SIZES.items():
            view = columns.values[name]
            if <uint64_t>view.shape[0] != count * <size_t>size:
                raise ValueError(f"column {name} has {view.shape[0]} bytes for {count} rows")
            views.append(view)
            if name in _PLACES:
                source[sources].data = &view[0]
                source[sources].size, source[sources].offset = size, _PLACES[name]
                sources += 1
            else:
                held[name] = <size_t>&view[0]
        bind(&made, held)
        with nogil:
            for index in range(count):
                memset(&row, 0, sizeof(CRow))
                for each in range(sources):
                    memcpy(<uint8_t *>&row + source[each].offset,
                           source[each].data + index * source[each].size, source[each].size)
                if (made.path[index] >= known_paths or row.first_ns < 0 or row.last_ns < 0
                        or not unpack(&row, &made, index, first_part)):
                    break
                row.key.word[4] = (
                    <uint64_t>made.port[0][index] << 48 | <uint64_t>made.port[1][index] << 32
                    | <uint64_t>paths[made.path[index]] << 8 | made.protocol[index])
                for side in range(2):
                    row.key.word[2 * side] = be64(made.address[side] + 16 * index)
                    row.key.word[2 * side + 1] = be64(made.address[side] + 16 * index + 8)
                    row.sides[side].station = number_of_station(rows, made.station[side][index])
                outcome = place_row(rows, &row)
                if outcome != DONE:
                    break
            else:
                index = count
    finally:
        free(paths)
    table._check(outcome)
    if index < count:
        raise ValueError(f"row {index} cannot be: it has no such tunnel path, side or time")
