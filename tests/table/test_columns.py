"""Rows as columns: the compiled way and the reference say the same, and lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.packets.packet import Packet
from otterize_pcap.table.chunk import FAST_PATH, Table
from otterize_pcap.table.columns import COLUMNS, SIZES, Columns, rows_of
from otterize_pcap.table.rows import Row
from otterize_pcap.table.table_columns import columns_of, in_batches, restore
from tests.table.test_rows import TABLES, empty, packet, recordings

Recording = list[tuple[Packet, int, int]]

NEEDS_COMPILED = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")


def filled(fast: bool, recording: Recording) -> Table:
    """A table of some packets, of three files in turn."""
    table = empty(fast)
    for number, (sent, time_ns, interface) in enumerate(recording, 1):
        table.add(sent, time_ns, number, interface, number % 3)
    return table


def shown(columns: Columns) -> list[Row]:
    """The rows that columns stand for."""
    return list(rows_of(columns))


@pytest.mark.parametrize("fast", TABLES)
@given(recording=recordings)
def test_columns_hold_all_of_a_row(fast: bool, recording: Recording) -> None:
    """Nothing that a row says is lost."""
    table = filled(fast, recording)
    columns = columns_of(table)
    assert columns.rows == len(table)
    assert {name: len(column) for name, column in columns.values.items()} == {
        name: size * len(table) for name, size in SIZES.items()
    }
    assert shown(columns) == list(table.rows())


@pytest.mark.parametrize("fast", TABLES)
@given(recording=recordings, rows=st.integers(1, 5))
def test_columns_in_batches_are_those_of_the_table(
    fast: bool, recording: Recording, rows: int
) -> None:
    """Some rows at a time, none twice and none left out."""
    table = filled(fast, recording)
    batches = list(in_batches(table, rows))
    assert [row for batch in batches for row in shown(batch)] == list(table.rows())
    assert all(batch.rows <= rows for batch in batches)


@NEEDS_COMPILED
@given(recording=recordings)
def test_the_compiled_way_writes_what_the_reference_writes(recording: Recording) -> None:
    """Byte for byte; only tunnel paths are numbered by each in its own way."""
    one, other = columns_of(filled(False, recording)), columns_of(filled(True, recording))
    same = [name for name in COLUMNS if name != "path"]
    assert {name: bytes(one.values[name]) for name in same} == {
        name: bytes(other.values[name]) for name in same
    }
    assert shown(one) == shown(other)


@pytest.mark.parametrize("fast", TABLES)
@given(recording=recordings)
def test_a_table_of_columns_is_the_table(fast: bool, recording: Recording) -> None:
    """Rows come back in their order, none joined to another."""
    table = filled(fast, recording)
    again = empty(fast)
    restore(again, columns_of(table))
    assert list(again.rows()) == list(table.rows())


@pytest.mark.parametrize("fast", TABLES)
@given(one=recordings, other=recordings)
def test_columns_of_two_files_make_the_table_of_both(
    fast: bool, one: Recording, other: Recording
) -> None:
    """Read one after the other, or each for itself and put together: the same."""
    whole, parts = empty(fast), [empty(fast), empty(fast)]
    for part, recording in enumerate((one, other)):
        for number, (sent, time_ns, interface) in enumerate(recording, 1):
            whole.add(sent, time_ns, number, interface, part)
            parts[part].add(sent, time_ns, number, interface)
    again = empty(fast)
    for part, table in enumerate(parts):
        restore(again, columns_of(table), part)
    assert list(again.rows()) == list(whole.rows())


@pytest.mark.parametrize("fast", TABLES)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("path", b"\x09\0\0\0"),
        ("client", b"\x03"),
        ("first_sender", b"\x02"),
        ("first_ns", b"\xff" * 8),
        ("part", b"\0\0\x10\0"),
        ("number", b"\0" * 5 + b"\1\0\0"),
        ("has_server_isn", b"\2"),
        ("low_packets", b"\0" * 5 + b"\1\0\0"),
        ("high_bytes", b"\0" * 7 + b"\1"),
        ("high_syns", b"\0\0\1\0"),
        ("low_syn_acks", b"\0\0\1\0"),
    ],
)
def test_columns_that_no_table_has_are_refused(fast: bool, column: str, value: bytes) -> None:
    """A saved table is hostile input as captures are."""
    columns = columns_of(filled(fast, [(packet(), 1, 0)]))
    odd = Columns(columns.rows, {**columns.values, column: value}, columns.paths)
    with pytest.raises(ValueError, match="row 0 cannot be"):
        restore(empty(fast), odd)
