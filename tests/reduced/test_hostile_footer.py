"""Footers that are small, and would be huge once pyarrow has made objects of them."""

from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.reduced import footers
from otterize_pcap.reduced.footers import MOST_TEXT, _Walk
from tests.hostile.memory import within_memory
from tests.hostile.thrift_compact import (
    BINARY,
    BYTE,
    I32,
    I64,
    LIST,
    MAP,
    STRUCT,
    Elements,
    Field,
    Struct,
    decode_struct,
    encode_struct,
)
from tests.reduced.test_reduce import TUTORIAL
from tests.strategies import laws

BOUND = 64 << 20
MANY = 900_000
"""Just below the elements that pyarrow takes of one list."""
SCHEMA, GROUPS, KEPT, ORDERS = 2, 4, 5, 7
"""Fields of FileMetaData."""
COLUMNS, SORTED = 1, 4
"""Fields of RowGroup."""
META, ENCODINGS, PATH, COLUMN_KEPT, ENCODING_STATS = 3, 2, 3, 8, 13
"""Fields of ColumnChunk, and of ColumnMetaData."""
NAME = 4
"""Field of SchemaElement."""
TEXT, NOTHING = Field(BINARY, b""), Struct()
COLUMN = Struct({2: Field(I64, 0)})


def many(element: object, kind: int = STRUCT) -> Field:
    """A list of so many."""
    return Field(LIST, Elements(kind, [element] * MANY))


def changed(footer: Struct, where: str) -> None:
    """Put a long list where the footer has a short one."""
    (group, *_) = footer[GROUPS].value.values
    (column, *_) = group[COLUMNS].value.values
    meta = column[META].value
    lists = {
        "schema": (footer, SCHEMA, many({NAME: TEXT})),
        "groups": (footer, GROUPS, many(NOTHING)),
        "kept": (footer, KEPT, many({1: TEXT})),
        "orders": (footer, ORDERS, many(NOTHING)),
        "columns": (group, COLUMNS, many(COLUMN)),
        "sorted": (group, SORTED, many(NOTHING)),
        "path": (meta, PATH, many(b"", BINARY)),
        "encodings": (meta, ENCODINGS, many(0, I32)),
        "column's": (meta, COLUMN_KEPT, many({1: TEXT})),
        "statistics": (meta, ENCODING_STATS, many(NOTHING)),
        "no field": (footer, 100, many({1: Field(STRUCT, {1: many(NOTHING)})})),
    }
    place, number, value = lists[where]
    place[number] = value
    if where == "columns":
        footer[GROUPS] = Field(LIST, Elements(STRUCT, [group, group, group]))


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A reduced capture as it should be."""
    path = tmp_path_factory.mktemp("reduced") / "tutorial.parquet"
    with path.open("wb") as stream:
        reduce_captures(stream, [TUTORIAL])
    return path.read_bytes()


def parts(content: bytes) -> tuple[bytes, Struct]:
    """What lies before the footer, and the footer."""
    size = int.from_bytes(content[-8:-4], "little")
    footer, end = decode_struct(content[-8 - size : -8])
    assert end == size
    return content[: -8 - size], footer


def with_footer(before: bytes, footer: bytes) -> bytes:
    """A file with another footer."""
    return before + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    "where",
    [
        *("schema", "groups", "kept", "orders", "columns", "sorted", "path"),
        *("column's", "statistics"),
    ],
)
def test_long_list_is_refused_before_it_is_made(
    where: str, tutorial: bytes, tmp_path: Path
) -> None:
    """900,000 columns in 3 MB took 216 MB, and each group of rows may have as many."""
    before, footer = parts(tutorial)
    changed(footer, where)
    path = tmp_path / "hostile.parquet"
    path.write_bytes(with_footer(before, encode_struct(footer)))
    del footer
    with within_memory(BOUND), pytest.raises(CaptureError, match="a damaged reduced capture"):
        open_captures([path], ())


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"\x15",
        b"\x18\xff",
        b"\x19\xfc",
        b"\x1b\x00",
        b"\x1c" * 5000,
        b"\x19\xfc" + b"\xff" * 5000 + b"\x01",
        b"\x19\x1b\x00",
        b"\x05" + b"\xff" * 5000 + b"\x01\x00",
    ],
    ids=["nothing", "cut", "text", "list", "map", "deep", "count", "list of maps", "number"],
)
def test_what_is_no_footer(footer: bytes, tutorial: bytes, tmp_path: Path) -> None:
    """It is damaged, whatever is wrong."""
    before, _ = parts(tutorial)
    path = tmp_path / "hostile.parquet"
    path.write_bytes(with_footer(before, footer))
    with pytest.raises(CaptureError, match="a damaged reduced capture"):
        open_captures([path], ())


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"\xff" * 7 + b"PAR1", b"PAR1\0\0\0\0PARE"])
def test_file_without_a_footer(content: bytes, tmp_path: Path) -> None:
    """One that was cut off, and one that says that it is longer than the file."""
    path = tmp_path / "hostile.parquet"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match="a damaged reduced capture"):
        open_captures([path], ())


@pytest.mark.parametrize("name", [b"ARROW:schema", b"otterize.capture"])
def test_long_texts_are_damage(name: bytes, tutorial: bytes, tmp_path: Path) -> None:
    """Pyarrow's own schema is read into objects, eight for a byte; ours are two numbers."""
    before, footer = parts(tutorial)
    (kept,) = (each for each in footer[KEPT].value.values if each[1].value == name)
    assert len(kept[2].value) < MOST_TEXT
    kept[2].value += b"=" * MOST_TEXT
    path = tmp_path / "hostile.parquet"
    path.write_bytes(with_footer(before, encode_struct(footer)))
    with pytest.raises(CaptureError, match="a damaged reduced capture"):
        open_captures([path], ())


def test_every_text_is_utf_8(tutorial: bytes) -> None:
    """Thrift's strings are: Polars reads no file that has another one in its footer."""
    _, footer = parts(tutorial)
    texts = [each[number].value for each in footer[KEPT].value.values for number in (1, 2)]
    assert b"otterize.payloads.0" in texts
    assert max(map(len, texts)) < MOST_TEXT
    for text in texts:
        text.decode("utf-8")


@pytest.mark.parametrize(
    "text",
    [b"", b"5", b"1 2 3", b"-1 9", b"4 -1", b"4 999999999", b"999999999 0", b"4 \xff", b"0 %d"],
)
def test_part_that_lies_nowhere_is_damage(text: bytes, tutorial: bytes, tmp_path: Path) -> None:
    """What is said of a part's place is no number, outside the file, or where other parts lie."""
    before, footer = parts(tutorial)
    (kept,) = (each for each in footer[KEPT].value.values if each[1].value == b"otterize.capture")
    kept[2].value = text.replace(b"%d", b"%d" % len(tutorial))
    path = tmp_path / "hostile.parquet"
    path.write_bytes(with_footer(before, encode_struct(footer)))
    with pytest.raises(CaptureError, match="a damaged reduced capture"):
        open_captures([path], ())


def test_many_small_groups_are_read(tutorial: bytes, tmp_path: Path) -> None:
    """A capture of thousands of nodes has as many groups, of a row each: it becomes the most."""
    path, target = tmp_path / "tutorial.parquet", tmp_path / "many.parquet"
    path.write_bytes(tutorial)
    table = pq.ParquetFile(path).read()
    with pq.ParquetWriter(target, table.schema) as writer:
        for number in range(3000):
            writer.write_table(table.slice(number % len(table), 1))
    content = target.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    walk = _Walk(footer)
    allowed = walk.left
    assert walk.struct(0, 1) == len(footer)
    # There is room for who writes other statistics.
    assert walk.left > allowed // 3


KINDS: st.SearchStrategy[Field] = st.deferred(lambda: st.one_of(NUMBERS, TEXTS, LISTS, STRUCTS))
NUMBERS: st.SearchStrategy[Field] = st.builds(
    Field, st.just(I64), st.integers(-(1 << 62), 1 << 62)
) | st.builds(Field, st.just(BYTE), st.integers(0, 255))
TEXTS: st.SearchStrategy[Field] = st.builds(Field, st.just(BINARY), st.binary(max_size=300))
FIELDS: st.SearchStrategy[Struct] = st.dictionaries(st.integers(1, 40), KINDS, max_size=4)
STRUCTS: st.SearchStrategy[Field] = st.builds(Field, st.just(STRUCT), FIELDS)
LISTS: st.SearchStrategy[Field] = st.one_of(
    st.builds(Elements, st.just(STRUCT), st.lists(FIELDS, max_size=20)),
    st.builds(Elements, st.just(BINARY), st.lists(st.binary(max_size=20), max_size=20)),
    st.builds(Elements, st.just(I64), st.lists(st.integers(0, 1 << 40), max_size=20)),
).map(lambda elements: Field(LIST, elements))


@laws
@given(FIELDS)
def test_any_struct_is_followed_to_its_end(struct: Struct) -> None:
    """Whatever fields it has, in this order or another."""
    content = encode_struct(struct)
    with patch.object(footers, "_MOST_DEPTH", 1000):
        assert _Walk(content).struct(0, 1) == len(content)


def test_maps_are_in_no_footer() -> None:
    """Nor lists of lists: what is read past cannot be told."""
    for content in (bytes([0x10 | MAP, 0, 0]), bytes([0x10 | LIST, 0x10 | LIST, 0, 0])):
        with pytest.raises(LookupError):
            _Walk(content).struct(0, 1)
