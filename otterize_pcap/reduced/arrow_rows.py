"""Rows of a connection table ⟷ an Arrow table: the columns that `docs/tables.md` describes.

pyarrow is an extra of its own (`otterize-pcap[tables]`): only this module and `parquet` use it.
Names, addresses and states are text in dictionaries, so that SQL reads as people speak; what is
not known is null. Times are nanoseconds since the epoch, of the node's own clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from otterize_pcap.addresses import format_address, parse_address
from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, PROTOCOL_NUMBERS
from otterize_pcap.reduced.saved_tunnels import known_tunnel
from otterize_pcap.table.columns import (
    HAS_ACK,
    HAS_SEQ,
    HAS_TIMES,
    HAS_TIMESTAMP,
    NO_CLIENT,
    SIDES,
    SIZES,
    Columns,
)

Arrow = Any
"""pyarrow's arrays, tables and types: it says nothing of them itself."""

TEXT = pa.dictionary(pa.int32(), pa.utf8())
TIME = pa.int64()
"""Nanoseconds since 1970: Spark reads no Parquet file with timestamps of them."""
_ADDRESS = pa.binary(16)
_INTEGERS = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32(), 8: pa.uint64()}
_MAYBE = {
    "ack_first": HAS_ACK,
    "seq_first": HAS_SEQ,
    "seq_last": HAS_SEQ,
    "timestamp": HAS_TIMESTAMP,
    "first_ns": HAS_TIMES,
    "last_ns": HAS_TIMES,
    "station": HAS_TIMES,
}
_BIT_OF = {HAS_ACK: "ack_first", HAS_SEQ: "seq_first", HAS_TIMESTAMP: "timestamp"}
_SIDE = (
    "packets",
    "bytes",
    "flags",
    "syns",
    "syn_acks",
    *_MAYBE,
    "hints",
    "unreachable",
)


def _side_fields(side: str) -> Iterable[tuple[str, Arrow]]:
    for name in _SIDE:
        column = f"{side}_{name}"
        kind = TIME if name.endswith("_ns") else _INTEGERS[SIZES[column]]
        yield column, kind


SCHEMA = pa.schema(
    [
        ("node", TEXT),
        ("file", TEXT),
        ("part", pa.uint32()),
        ("packet", pa.uint64()),
        ("interface", pa.uint64()),
        ("tunnels", TEXT),
        ("protocol", TEXT),
        ("low_address", TEXT),
        ("low_port", pa.uint16()),
        ("high_address", TEXT),
        ("high_port", pa.uint16()),
        ("first_sender", TEXT),
        ("client", TEXT),
        ("client_isn", pa.uint32()),
        ("server_isn", pa.uint32()),
        ("first_ns", TIME),
        ("last_ns", TIME),
        *(field for side in SIDES for field in _side_fields(side)),
    ]
)
"""The columns, in order."""
_NOT_ALWAYS_KNOWN = {
    *("tunnels", "client", "client_isn", "server_isn"),
    *(f"{side}_{name}" for side in SIDES for name in _MAYBE),
}
"""Of these null says something; of any other column it is damage."""


def arrow_of(columns: Columns, node: str, files: Sequence[str]) -> Arrow:
    """The rows of one recording as an Arrow table of `SCHEMA`."""
    plain = {name: _integers(columns, name) for name, size in SIZES.items() if size <= 8}
    part, path = plain["part"], plain["path"]
    paths = [path_text(tunnels) for tunnels in columns.paths]
    made: dict[str, Arrow] = {
        "node": pa.DictionaryArray.from_arrays(_zeros(columns.rows), [node]),
        "file": pa.DictionaryArray.from_arrays(part.cast(pa.int32()), list(files)),
        "packet": plain["number"],
        "tunnels": _known(pa.DictionaryArray.from_arrays(path.cast(pa.int32()), paths), path),
        "protocol": _named(plain["protocol"], PROTOCOL_NAMES),
        "first_sender": _named(plain["first_sender"], dict(enumerate(SIDES))),
        "client": _named(plain["client"], dict(enumerate(SIDES))),
        "client_isn": _known(plain["client_isn"], pc.not_equal(plain["client"], NO_CLIENT)),
        "server_isn": _known(plain["server_isn"], plain["has_server_isn"]),
    }
    for side in SIDES:
        made[f"{side}_address"] = _addresses(columns, f"{side}_address")
        for name, bit in _MAYBE.items():
            has = pc.bit_wise_and(plain[f"{side}_has"], pa.scalar(bit, pa.uint8()))
            made[f"{side}_{name}"] = _known(plain[f"{side}_{name}"], has)
    made |= {name: plain[name] for name in SCHEMA.names if name not in made}
    return pa.table([made[field.name].cast(field.type) for field in SCHEMA], schema=SCHEMA)


def columns_of(table: Arrow) -> Columns:
    """The columns of a recording's rows, of an Arrow table of `SCHEMA`.

    Raises:
        ValueError: It holds what no row can have.
    """
    table = table.select(SCHEMA.names).cast(SCHEMA).unify_dictionaries().combine_chunks()
    found = {name: _whole(table.column(name)) for name in SCHEMA.names}
    for name, column in found.items():
        if column.null_count and name not in _NOT_ALWAYS_KNOWN:
            raise ValueError(name)
    paths: dict[tuple[Tunnel, ...], int] = {(): 0}
    values: dict[str, Arrow] = {
        "protocol": _numbered(found["protocol"], PROTOCOL_NUMBERS, pa.uint8()),
        "path": _numbered(found["tunnels"], _PathNumbers(paths), pa.uint32()),
        "number": found["packet"],
        "has_server_isn": found["server_isn"].is_valid().cast(pa.uint8()),
        "first_sender": _numbered(found["first_sender"], _SIDE_NUMBERS, pa.uint8()),
        "client": _numbered(found["client"], _SIDE_NUMBERS, pa.uint8(), NO_CLIENT),
    }
    for side in SIDES:
        values[f"{side}_address"] = _packed_addresses(found[f"{side}_address"])
        values[f"{side}_has"] = _has(found, side)
    packed = {name: _bytes(values.get(name, found.get(name)), size) for name, size in SIZES.items()}
    return Columns(table.num_rows, packed, list(paths))


def path_text(path: Sequence[Tunnel]) -> str:
    """Tunnels as text, from the outside in: kind and outer addresses of each."""
    return "; ".join(
        tunnel.kind
        if tunnel == FORGED
        else f"{tunnel.kind} {format_address(tunnel.low)} {format_address(tunnel.high)}"
        for tunnel in path
    )


def parse_path(text: str) -> tuple[Tunnel, ...]:
    """The tunnels of `path_text`.

    Raises:
        ValueError: It is no such text.
    """
    return tuple(map(_tunnel, text.split("; "))) if text else ()


def _tunnel(text: str) -> Tunnel:
    if text == FORGED.kind:
        return FORGED
    kind, low, high = text.split(" ")
    return known_tunnel(kind, parse_address(low), parse_address(high))


class _PathNumbers(dict[str, int]):
    """The number of each tunnel path, given as its text is met."""

    def __init__(self, paths: dict[tuple[Tunnel, ...], int]) -> None:
        super().__init__()
        self._paths = paths

    def __missing__(self, text: str) -> int:
        return self._paths.setdefault(parse_path(text), len(self._paths))


_SIDE_NUMBERS = {side: number for number, side in enumerate(SIDES)}


def _zeros(rows: int) -> Arrow:
    return pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(bytes(4 * rows))])


def _integers(columns: Columns, name: str) -> Arrow:
    kind = TIME if name.endswith("_ns") else _INTEGERS[SIZES[name]]
    return pa.Array.from_buffers(kind, columns.rows, [None, pa.py_buffer(columns.values[name])])


def _known(values: Arrow, known: Arrow) -> Arrow:
    """The values where `known` is not 0 or false, else null."""
    return pc.if_else(known.cast(pa.bool_()), values, pa.scalar(None, values.type))


def _named(numbers: Arrow, names: Mapping[int, str]) -> Arrow:
    """Numbers as text; null for one without a name."""
    order = list(names)
    found = pc.index_in(numbers, pa.array(order, numbers.type))
    return pa.DictionaryArray.from_arrays(found, [names[number] for number in order])


def _numbered(texts: Arrow, numbers: Mapping[str, int], kind: Arrow, absent: int = 0) -> Arrow:
    """Text of a dictionary as numbers, `absent` for null."""
    known = [absent if text is None else numbers[text] for text in texts.dictionary.to_pylist()]
    return pa.array(known, kind).take(texts.indices).fill_null(absent)


def _addresses(columns: Columns, name: str) -> Arrow:
    plain = pa.Array.from_buffers(
        _ADDRESS, columns.rows, [None, pa.py_buffer(columns.values[name])]
    ).dictionary_encode()
    texts = [format_address(address) for address in plain.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(plain.indices, pa.array(texts, pa.utf8()))


def _packed_addresses(texts: Arrow) -> Arrow:
    plain = pa.array(map(parse_address, texts.dictionary.to_pylist()), _ADDRESS)
    return plain.take(texts.indices)


def _has(found: Mapping[str, Arrow], side: str) -> Arrow:
    has: Arrow = pa.scalar(0, pa.uint8())
    for bit, name in (*_BIT_OF.items(), (HAS_TIMES, "first_ns")):
        present = found[f"{side}_{name}"].is_valid().cast(pa.uint8())
        has = pc.bit_wise_or(has, pc.multiply(present, pa.scalar(bit, pa.uint8())))
    return has


def _whole(column: Arrow) -> Arrow:
    """A column in one piece."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.array([], column.type) if column.num_chunks == 0 else column.combine_chunks()


def _bytes(values: Arrow, size: int) -> memoryview:
    """The values of a column, packed; a null one is 0."""
    if values.null_count:
        zero = bytes(size) if values.type == _ADDRESS else 0
        values = values.fill_null(pa.scalar(zero, values.type))
    data = values.buffers()[1]
    if data is None or len(values) == 0:
        return memoryview(b"")
    begin = values.offset * size
    return memoryview(data).cast("B")[begin : begin + len(values) * size]
