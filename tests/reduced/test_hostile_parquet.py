"""Parquet files that are small, and would be huge once read: they cost what their rows do."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.reduced.arrow_rows import SCHEMA, TEXT
from otterize_pcap.reduced.packed_parts import (
    PAYLOAD_TIMES,
    SAVED_TIMES,
    packed,
    require_few,
    unpacked,
)
from otterize_pcap.table.chunk import ReadOptions
from tests.hostile.memory import within_memory
from tests.hostile.page_mutations import zeros
from tests.hostile.parquet_pages import GROUP_ROWS, PAGE_VALUES, VALUES, Page, ParquetPages
from tests.reduced.kept_parts import kept_parts, with_parts
from tests.reduced.test_reduce import TUTORIAL

TEXT_BYTES = 1 << 20
BOUND = 96 << 20


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reduced capture as it should be."""
    path = tmp_path_factory.mktemp("reduced") / "tutorial.parquet"
    with path.open("wb") as stream:
        reduce_captures(stream, [TUTORIAL])
    return path


def changed(tutorial: Path, target: Path, columns: dict[str, Any], **how: Any) -> Path:  # noqa: ANN401
    """The same file with some columns replaced, or more of them."""
    file = pq.ParquetFile(tutorial)
    table = file.read()
    for name, values in columns.items():
        place = table.column_names.index(name) if name in table.column_names else -1
        table = (
            table.append_column(name, values)
            if place < 0
            else table.set_column(place, name, values)
        )
    groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    target.write_bytes(with_parts(table, groups, kept_parts(tutorial.read_bytes()), **how))
    return target


def read(path: Path, options: ReadOptions = ReadOptions()) -> None:
    """As every command reads it."""
    open_captures([path], (), options)


def rows_of(path: Path) -> int:
    """How many rows it has."""
    return int(pq.ParquetFile(path).metadata.num_rows)


@pytest.mark.parametrize("name", [field.name for field in SCHEMA if field.type == TEXT])
def test_long_text_of_every_row_is_held_once(name: str, tutorial: Path, tmp_path: Path) -> None:
    """A dictionary's text is not written out for each row that has it, whatever the file says."""
    texts = pa.DictionaryArray.from_arrays(
        pa.array([0] * rows_of(tutorial), pa.int32()), ["a" * (16 * TEXT_BYTES)]
    )
    how = {"store_schema": False, "compression": "zstd", "write_statistics": False}
    path = changed(tutorial, tmp_path / "x.parquet", {name: texts}, **how)
    assert path.stat().st_size < TEXT_BYTES
    with within_memory(BOUND), suppress(CaptureError):
        read(path)


def test_columns_of_others_are_not_read(tutorial: Path, tmp_path: Path) -> None:
    """A column that no reduced capture has costs nothing."""
    rows = rows_of(tutorial)
    more = pa.array(["a" * (16 * TEXT_BYTES)] * rows)
    path = changed(tutorial, tmp_path / "x.parquet", {"more": more}, compression="zstd")
    assert rows * 16 * TEXT_BYTES > 2 * BOUND
    with within_memory(BOUND):
        read(path)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.int64()), pa.struct([("a", pa.int64())]), pa.map_(pa.utf8(), pa.int64())],
    ids=["list", "struct", "map"],
)
@pytest.mark.parametrize("name", ["node", "packet", "first_ns", "low_address", "high_syns"])
def test_nested_columns_are_damage(kind: Any, name: str, tutorial: Path, tmp_path: Path) -> None:  # noqa: ANN401
    """A list can hold more than there are rows: none is read in a column's place."""
    empty = {pa.types.is_list: [], pa.types.is_struct: {"a": 1}, pa.types.is_map: []}
    (value,) = (value for is_kind, value in empty.items() if is_kind(kind))
    values = pa.array([value] * rows_of(tutorial), kind)
    path = changed(tutorial, tmp_path / "x.parquet", {name: values})
    with pytest.raises(CaptureError, match="damaged reduced capture"):
        read(path)


def test_rows_beyond_the_bound_are_not_read(tutorial: Path) -> None:
    """What `max_connections` forbids is refused before any row is read."""
    with pytest.raises(CaptureError, match="more than 3 connections"):
        read(tutorial, ReadOptions(max_connections=3))


def test_group_that_says_it_is_huge_is_damage(
    tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group of rows has so many bytes a row, and so many beside; this has more."""
    monkeypatch.setattr("otterize_pcap.reduced.parquet.MAX_TEXTS", 1 << 16)
    nodes = pa.array(["a" * TEXT_BYTES] * rows_of(tutorial)).dictionary_encode()
    path = changed(tutorial, tmp_path / "x.parquet", {"node": nodes})
    with pytest.raises(CaptureError, match="damaged reduced capture"):
        read(path)


def test_parquet_of_others_is_named_for_what_it_is(tmp_path: Path) -> None:
    """A file without our columns is none of ours, and none that is damaged."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(CaptureError, match="a Parquet file, but no reduced capture"):
        read(path)


def bomb(page: Page) -> None:
    """A page that holds half a GiB of zeros."""
    page.pack(zeros(1 << 29), 1 << 29)


def many_texts(page: Page) -> None:
    """A dictionary of a million empty texts, and a few."""
    page.pack(zeros(4 << 20), 4 << 20)
    page.inner[PAGE_VALUES].value = (1 << 20) + 1


def many_values(page: Page) -> None:
    """A page that counts two thousand million values."""
    page.inner[PAGE_VALUES].value = (1 << 31) - 1


@pytest.mark.parametrize("honest", [False, True], ids=["footer lies", "footer agrees"])
@pytest.mark.parametrize("change", [bomb, many_values])
@pytest.mark.parametrize(("name", "place"), [("packet", -1), ("node", 0), ("node", -1)])
def test_page_that_becomes_huge_is_damage(
    name: str,
    place: int,
    change: Callable[[Page], None],
    honest: bool,
    tutorial: Path,
    tmp_path: Path,
) -> None:
    """Of numbers, of a dictionary, of its numbers: what a header says is believed of no page."""
    file = ParquetPages(tutorial.read_bytes())
    change(file.named(name).pages[place])
    damaged_file(file.written(honest=honest), tmp_path)


def test_dictionary_of_more_texts_than_files_is_damage(tutorial: Path, tmp_path: Path) -> None:
    """Each would be an object, of a few bytes in the file; a recording has a million files."""
    file = ParquetPages(tutorial.read_bytes())
    many_texts(file.named("node").pages[0])
    damaged_file(file.written(honest=True), tmp_path)


def test_more_rows_than_a_group_has_are_damage(tutorial: Path, tmp_path: Path) -> None:
    """A run of two thousand million values takes five bytes: a group has 131,072 rows."""
    file = ParquetPages(tutorial.read_bytes())
    for chunk in file.chunks[0]:
        chunk.meta[VALUES].value = (1 << 31) - 1
        many_values(chunk.pages[-1])
    file.groups[0][GROUP_ROWS].value = (1 << 31) - 1
    damaged_file(file.written(honest=True), tmp_path)


def test_column_that_lies_where_another_does_is_damage(tutorial: Path, tmp_path: Path) -> None:
    """Else a file of many groups is as large once read as its size times their number."""
    file = ParquetPages(tutorial.read_bytes())
    whole = file.written()
    chunk = file.named("node")
    chunk.lies = {9: 4, 7: len(whole)}
    damaged_file(file.written(), tmp_path)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_that_repeat_one_another_are_damage(
    encoding: str, tutorial: Path, tmp_path: Path
) -> None:
    """DELTA_BYTE_ARRAY has a text of any length for three bytes; we write neither."""
    how = {"use_dictionary": False, "column_encoding": {"node": encoding}}
    nodes = pa.array(["a" * TEXT_BYTES] * rows_of(tutorial))
    path = changed(tutorial, tmp_path / "x.parquet", {"node": nodes}, **how)
    damaged_file(path.read_bytes(), tmp_path)


@pytest.mark.parametrize("name", [field.name for field in SCHEMA if field.type != TEXT])
def test_texts_in_place_of_numbers_are_damage(name: str, tutorial: Path, tmp_path: Path) -> None:
    """One text of a dictionary would be written out for each row that has it."""
    texts = pa.array(["9" * TEXT_BYTES] * rows_of(tutorial)).dictionary_encode()
    how = {"store_schema": False, "compression": "zstd", "write_statistics": False}
    path = changed(tutorial, tmp_path / "x.parquet", {name: texts}, **how)
    damaged_file(path.read_bytes(), tmp_path)


def damaged_file(content: bytes, folder: Path) -> None:
    """See that a file is refused, and costs little until then."""
    path = folder / "damaged.parquet"
    path.write_bytes(content)
    assert len(content) < BOUND // 16
    with within_memory(BOUND // 2), pytest.raises(CaptureError, match="damaged reduced capture"):
        read(path)


@pytest.mark.parametrize("name", ["otterize.capture", "otterize.payloads.0"])
@pytest.mark.parametrize("values", [1 << 28, 24 << 20])
@pytest.mark.parametrize(
    "value", [b"\0", b"\xc0", b"\x90", b"\xa0"], ids=["0", "nil", "[]", "text"]
)
def test_part_that_becomes_huge_is_damage(
    value: bytes, values: int, name: str, tutorial: Path, tmp_path: Path
) -> None:
    """What is kept beside the rows is held against its size in the file, and its values counted."""
    plain = b"\xdd" + values.to_bytes(4, "big") + value * values
    part = len(plain).to_bytes(8, "little") + pa.compress(plain, codec="zstd", asbytes=True)
    kept = {**kept_parts(tutorial.read_bytes()), name: part}
    path = tmp_path / "x.parquet"
    path.write_bytes(with_parts(pq.read_table(tutorial), [], kept))
    with within_memory(BOUND), pytest.raises(CaptureError, match="damaged reduced capture"):
        read(path, ReadOptions(collect_names=True))


@pytest.mark.parametrize("times", [SAVED_TIMES, PAYLOAD_TIMES])
@pytest.mark.parametrize(
    "value",
    [b"a" * (40 << 20), ["a" * 300] * 70_000, {"a": [None, 1.5, -70000]}],
    ids=["alike", "many alike", "small"],
)
def test_part_that_was_written_is_read(value: object, times: int) -> None:
    """Documents as alike as can be too: what they are packed to is not too small for them."""
    plain = msgspec.msgpack.encode(value)
    assert unpacked(packed(plain, times), times) == plain


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 64) - 1)
        | st.floats()
        | st.text(max_size=300)
        | st.binary(max_size=300),
        lambda inner: (
            st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20)
        ),
        max_leaves=40,
    )
)
def test_values_are_counted(value: object) -> None:
    """As many as there are is enough, one fewer is not."""
    plain = msgspec.msgpack.encode(value)
    count = values_in(value)
    require_few(plain, count)
    with pytest.raises(ValueError, match=r"."):
        require_few(plain, count - 1)


def values_in(value: object) -> int:
    """How many values a document has, its containers and keys counted too."""
    if isinstance(value, dict):
        return 1 + sum(1 + values_in(each) for each in value.values())
    return 1 + sum(map(values_in, value)) if isinstance(value, list) else 1
