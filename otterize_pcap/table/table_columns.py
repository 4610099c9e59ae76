"""A table of either kind ⟷ its columns."""

from otterize_pcap.table import columns as reference
from otterize_pcap.table.chunk import FAST_PATH, Table
from otterize_pcap.table.columns import Columns

if FAST_PATH:
    from otterize_pcap.table import _columns as compiled
    from otterize_pcap.table._fastpath import FastTable


def columns_of(table: Table) -> Columns:
    """The columns of a table, its rows in the order in which they began."""
    if FAST_PATH and isinstance(table, FastTable):
        return compiled.columns_of(table)
    return reference.columns_of(table)


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
