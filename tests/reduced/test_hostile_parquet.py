"""Parquet files that are small, and would be huge once read: they cost what their rows do."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.reduced.arrow_rows import SCHEMA, TEXT
from otterize_pcap.table.chunk import ReadOptions
from tests.hostile.memory import within_memory
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
    kept = {
        name.decode(): value
        for name, value in file.metadata.metadata.items()
        if name.startswith(b"otterize.")
    }
    with pq.ParquetWriter(target, table.schema, **how) as writer:
        for rows in groups:
            writer.write_table(table.slice(0, rows))
            table = table.slice(rows)
        writer.add_key_value_metadata(kept)
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
