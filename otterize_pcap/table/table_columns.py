"""A table of either kind ⟷ its columns."""

from collections.abc import Iterator

from otterize_pcap.table import columns as reference
from otterize_pcap.table.chunk import FAST_PATH, Table
from otterize_pcap.table.columns import ALL, Columns

if FAST_PATH:
    from otterize_pcap.table import _columns as compiled
    from otterize_pcap.table._fastpath import FastTable


def columns_of(table: Table, first: int = 0, most: int = ALL) -> Columns:
    """The columns of a table's rows, in the order in which they began: `most` from `first` on."""
    if FAST_PATH and isinstance(table, FastTable):
        return compiled.columns_of(table, first, most)
    return reference.columns_of(table, first, most)


def in_batches(table: Table, rows: int) -> Iterator[Columns]:
    """The columns of a table, some rows at a time, so that it is not in memory twice."""
    for first in range(0, len(table), rows):
        yield columns_of(table, first, rows)


def restore(table: Table, columns: Columns, first_part: int = 0) -> None:
    """Append the rows of columns to a table; their parts move on by `first_part`.

    Raises:
        ValueError: A row is none that any table has.
        TooManyConnections: The table has no room for them.
    """
    if FAST_PATH and isinstance(table, FastTable):
        compiled.restore(table, columns, first_part)
        return
    reference.restore(table, columns, first_part)
