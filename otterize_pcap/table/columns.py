"""Rows ⟷ typed columns: what a table is when it is saved, and made again of it.

A column holds one value a row, packed without padding in the machine's byte order. What a row may
lack has a bit in `low_has` or `high_has` that says whether the value counts. `_columns` does the
same with compiled tables, a column at a time; tests hold the two equal.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from msgspec import Struct

from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.table.chunk import Table
from otterize_pcap.table.rows import MOST_COUNTED, MOST_PARTS, Row, Side

HAS_ACK, HAS_SEQ, HAS_TIMESTAMP, HAS_TIMES = 1, 2, 4, 8
"""Bits of `low_has` and `high_has`: which of a side's values there are."""
ALL = 1 << 62
"""More rows than any table has."""
NO_CLIENT = 2
"""`client` of a row without a handshake; else it is 0, the lower endpoint, or 1."""

ROW_COLUMNS = {
    "protocol": "B",
    "path": "I",
    "interface": "Q",
    "low_address": "16s",
    "low_port": "H",
    "high_address": "16s",
    "high_port": "H",
    "part": "I",
    "number": "Q",
    "first_sender": "B",
    "first_ns": "q",
    "last_ns": "q",
    "client": "B",
    "client_isn": "I",
    "has_server_isn": "B",
    "server_isn": "I",
}
SIDE_COLUMNS = {
    "packets": "Q",
    "bytes": "Q",
    "flags": "H",
    "syns": "I",
    "syn_acks": "I",
    "has": "B",
    "ack_first": "I",
    "seq_first": "I",
    "seq_last": "I",
    "timestamp": "I",
    "hints": "B",
    "unreachable": "H",
    "first_ns": "q",
    "last_ns": "q",
    "station": "Q",
}
SIDES = ("low", "high")
COLUMNS: Mapping[str, str] = ROW_COLUMNS | {
    f"{side}_{name}": code for side in SIDES for name, code in SIDE_COLUMNS.items()
}
"""The columns and how their values are packed, as `struct` writes it."""
SIZES = {name: struct.calcsize(f"={code}") for name, code in COLUMNS.items()}
"""Bytes of a value, by column."""

_LACKING = {
    HAS_ACK: ("ack_first",),
    HAS_SEQ: ("seq_first", "seq_last"),
    HAS_TIMESTAMP: ("timestamp",),
    HAS_TIMES: ("first_ns", "last_ns"),
}

_BITS = {
    "number": 40,
    "has_server_isn": 1,
    **dict.fromkeys(("low_packets", "high_packets"), 40),
    **dict.fromkeys(("low_bytes", "high_bytes"), 56),
}
"""Of values that a compiled table has less room for than their column."""
_COUNTED = ("low_syns", "high_syns", "low_syn_acks", "high_syn_acks")

_ROW = struct.Struct("=" + "".join(COLUMNS.values()))


class Columns(Struct, frozen=True):
    """Rows as columns; `path` indexes `paths`, the tunnels that packets came through."""

    rows: int
    values: Mapping[str, bytes | bytearray | memoryview]
    paths: Sequence[tuple[Tunnel, ...]]


def columns_of(table: Table, first: int = 0, most: int = ALL) -> Columns:
    """The columns of a table's rows, in the order in which they began: `most` from `first` on."""
    paths: dict[tuple[Tunnel, ...], int] = {(): 0}
    packed = [
        _ROW.pack(*_row_values(row, paths.setdefault(row.tunnels, len(paths))))
        for row in islice(table.rows(), first, first + most)
    ]
    values: dict[str, bytes] = {}
    at = 0
    for name, size in SIZES.items():
        values[name] = b"".join(row[at : at + size] for row in packed)
        at += size
    return Columns(len(packed), values, list(paths))


def restore(table: Table, columns: Columns, first_part: int = 0) -> None:
    """Append the rows of columns to a table; their parts move on by `first_part`.

    Raises:
        ValueError: A row is none that any table has.
    """
    for row in rows_of(columns, first_part):
        row.part += first_part
        table.append_row(row)


def rows_of(columns: Columns, first_part: int = 0) -> Iterator[Row]:
    """The rows again; their parts will move on by `first_part`.

    Raises:
        ValueError: A row is none that any table has.
    """
    parts = [struct.iter_unpack(f"={code}", columns.values[name]) for name, code in COLUMNS.items()]
    for index, values in enumerate(zip(*parts, strict=True)):
        row = dict(zip(COLUMNS, chain.from_iterable(values), strict=True))
        if not _can_be(row, columns, first_part):
            message = f"row {index} cannot be: it has no such tunnel path, side or time"
            raise ValueError(message)
        yield _row(row, columns.paths)


def _can_be(row: Mapping[str, Any], columns: Columns, first_part: int) -> bool:
    return bool(
        row["path"] < len(columns.paths)
        and row["client"] <= NO_CLIENT
        and row["first_sender"] < NO_CLIENT
        and row["first_ns"] >= 0
        and row["last_ns"] >= 0
        and row["part"] + first_part < MOST_PARTS
        and not any(row[name] >> bits for name, bits in _BITS.items())
        and all(row[name] <= MOST_COUNTED for name in _COUNTED)
    )


def _row_values(row: Row, path: int) -> Iterator[int | bytes]:
    yield from (row.protocol, path, row.interface, *row.low, *row.high, row.part, row.number)
    yield from (row.first_sender, row.first_ns, row.last_ns)
    yield NO_CLIENT if row.client is None else row.client
    yield row.client_isn or 0
    yield row.server_isn is not None
    yield row.server_isn or 0
    for side in row.sides:
        yield from _side_values(side)


def _side_values(side: Side) -> Iterable[int]:
    has = (
        HAS_ACK * (side.ack_first is not None)
        | HAS_SEQ * (side.seq_first is not None)
        | HAS_TIMESTAMP * (side.timestamp is not None)
        | HAS_TIMES * (side.first_ns is not None)
    )
    known = (side.ack_first, side.seq_first, side.seq_last, side.timestamp)
    return (
        *(side.packets, side.bytes, side.flags, side.syns, side.syn_acks, has),
        *(value or 0 for value in known),
        *(side.hints, side.unreachable, side.first_ns or 0, side.last_ns or 0, side.station),
    )


def _row(row: Mapping[str, Any], paths: Sequence[tuple[Tunnel, ...]]) -> Row:
    has_client = row["client"] != NO_CLIENT
    return Row(
        protocol=row["protocol"],
        tunnels=paths[row["path"]],
        interface=row["interface"],
        low=(row["low_address"], row["low_port"]),
        high=(row["high_address"], row["high_port"]),
        number=row["number"],
        first_sender=row["first_sender"],
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        client=row["client"] if has_client else None,
        client_isn=row["client_isn"] if has_client else None,
        server_isn=row["server_isn"] if row["has_server_isn"] else None,
        part=row["part"],
        sides=(_side(row, "low"), _side(row, "high")),
    )


def _side(row: Mapping[str, Any], which: str) -> Side:
    known = {name: row[f"{which}_{name}"] for name in SIDE_COLUMNS}
    has = known.pop("has")
    for bit, names in _LACKING.items():
        if not has & bit:
            known |= dict.fromkeys(names)
    return Side(**known)
