"""Reduced captures a little wrong: rows, what is kept beside them, or bytes of the file."""

import io
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.mutations import changed_bytes, changed_value
from tests.reduced.kept_parts import kept_parts, with_parts

ODD_TEXTS = (
    *("", " ", "\n", "vxlan", "tcp", "low", "::", "256.1.1.1", "vxlan 10.0.0.1 10.0.0.2", "forged"),
    *("; ", "a" * 5000, "\u202e", "::error::x", "9" * 5000),
)
SIZE = 8
"""Bytes of the size that stands before what is compressed."""
MOST = 1 << 24


def mutated_parquet(document: bytes, seed: int) -> bytes:
    """One reduced capture, changed in one to four places of its rows, its parts or its bytes."""
    random = Random(seed)
    file = pq.ParquetFile(io.BytesIO(document))
    kept = kept_parts(document)
    table = file.read()
    groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    for _ in range(random.choice((1, 1, 2, 4))):
        match random.randrange(4):
            case 0:
                kept = _changed_kept(kept, random)
            case 1:
                table = _changed_table(table, random)
            case _:
                table = _changed_cells(table, random)
    if random.random() < 0.1:
        groups = random.choice(([7] * table.num_rows, [], groups[:-1], groups[::-1]))
    compression = random.choice(("zstd", "none", "snappy"))
    table = table.replace_schema_metadata(None)
    content = with_parts(table, groups, kept, compression=compression)
    return changed_bytes(content, random) if random.random() < 0.1 else content


def _changed_kept(kept: dict[str, bytes], random: Random) -> dict[str, bytes]:
    """What is kept beside the rows with one part changed within, cut, or taken away."""
    if not kept:
        return kept
    name = random.choice(sorted(kept))
    packed = kept[name]
    size = int.from_bytes(packed[:SIZE], "little")
    match random.randrange(8):
        case 0:
            return {key: value for key, value in kept.items() if key != name}
        case 1:
            wrong = random.choice((0, 1, size + 1, size * 2, 1 << 31, 1 << 40, (1 << 64) - 1))
            return {**kept, name: wrong.to_bytes(SIZE, "little") + packed[SIZE:]}
        case 2:
            return {**kept, name: changed_bytes(packed, random)}
    try:
        plain = pa.decompress(packed[SIZE:], min(size, MOST), codec="zstd", asbytes=True)
    except (pa.ArrowException, OSError):
        # It was changed before, or its size was.
        return {**kept, name: changed_bytes(packed, random)}
    try:
        plain = msgspec.msgpack.encode(changed_value(msgspec.msgpack.decode(plain), random))
    except (OverflowError, msgspec.MsgspecError):
        # MessagePack has no number of more than 64 bits.
        plain = changed_bytes(plain, random)
    return {
        **kept,
        name: len(plain).to_bytes(SIZE, "little") + pa.compress(plain, codec="zstd", asbytes=True),
    }


def _changed_table(table: Any, random: Random) -> Any:  # noqa: ANN401 - pyarrow is not typed
    """The same rows fewer, twice, in another order, or with a column gone, renamed or of text."""
    place = random.randrange(table.num_columns)
    name = table.column_names[place]
    match random.randrange(7):
        case 0:
            return table.slice(random.randrange(table.num_rows + 1))
        case 1:
            return pa.concat_tables([table] * 2)
        case 2:
            order = random.sample(range(table.num_rows), table.num_rows)
            return table.take(pa.array(order, pa.int64()))
        case 3:
            return table.drop_columns([name])
        case 4:
            names = [*table.column_names]
            names[place] = random.choice((name.upper(), "", "x" * 300, names[place - 1]))
            return table.rename_columns(names)
        case 5:
            texts = pa.array([random.choice(ODD_TEXTS)] * table.num_rows)
            return table.set_column(place, name, texts)
    return table.set_column(place, name, pa.nulls(table.num_rows, table.column(place).type))


def _changed_cells(table: Any, random: Random) -> Any:  # noqa: ANN401
    """The same rows with some values of one column replaced."""
    place = random.randrange(table.num_columns)
    column = table.column(place)
    values = column.cast(_plain(column.type)).to_pylist()
    for _ in range(random.choice((1, 1, 5))):
        if values:
            values[random.randrange(len(values))] = _odd(column.type, random)
    changed = pa.array(values, _plain(column.type)).cast(column.type)
    return table.set_column(place, table.column_names[place], changed)


def _plain(kind: Any) -> Any:  # noqa: ANN401
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return pa.utf8()
    return kind


def _odd(kind: Any, random: Random) -> int | str | None:  # noqa: ANN401
    if random.random() < 0.2 or pa.types.is_null(kind):
        return None
    if pa.types.is_signed_integer(kind):
        return random.choice((0, -1, 1 << 62, -(1 << 63), (1 << 63) - 1, random.getrandbits(62)))
    if pa.types.is_integer(kind):
        most = (1 << kind.bit_width) - 1
        return random.choice((0, 1, most, most >> 1, random.randint(0, most)))
    return random.choice(ODD_TEXTS)
