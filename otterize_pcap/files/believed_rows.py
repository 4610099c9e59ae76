"""A block of a node's table → what reading its packets here would have made of them.

Which tunnels are opened, the snapshot decides (S25), and a node has none. What it was not sure of,
it read both ways: here one of both is taken, tunnel by tunnel.
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.reduced.table_blocks import TableBlock
from otterize_pcap.table.capture_counts import CaptureCounts
from otterize_pcap.table.columns import SIDES, SIZES, Columns, rows_of

ADDRESS_BYTES = 16


class BelievedRows(Struct, frozen=True):
    """Of a block what there is with the tunnels that are to be opened."""

    columns: Columns
    counts: CaptureCounts


def believed_rows(block: TableBlock, opens: OuterEnds | None) -> BelievedRows:
    """The rows of a block with the tunnels opened that are to be, None for all.

    Raises:
        ValueError: It has a row that cannot be.
    """
    if opens is None:
        return BelievedRows(block.within, block.counts)
    shut = [not all(opens(each.low, each.high) for each in path) for path in block.within.paths]
    pairs = set() if block.around is None else set(_pairs(block.around))
    closed = {pair for pair in pairs if not opens(*pair)}
    is_lost = block.closed is not None and block.closed.closed.is_full
    if not closed and not any(shut) and not is_lost:
        return BelievedRows(block.within, block.counts)
    paths = memoryview(block.within.values["path"]).cast("I")
    inside = [shut[path] for path in paths]
    kept = [
        not within and pair not in closed
        for within, pair in zip(inside, _pairs(block.within), strict=True)
    ]
    columns = [_chosen(block.within, kept)]
    if block.around is not None:
        columns.append(rows_between(block.around, closed))
    counted = block.closed if block.closed is not None and closed == pairs else block.counts
    said = _closed(block, opens, _chosen(block.within, inside))
    counts = replace(block.counts, skipped=counted.skipped, closed=said)
    return BelievedRows(_in_order(columns), counts)


def _closed(block: TableBlock, opens: OuterEnds, inside: Columns) -> ClosedTunnels:
    """What is said of tunnels that are closed, of the rows inside them."""
    found = ClosedTunnels(is_full=block.closed is not None and block.closed.closed.is_full)
    counted = {} if block.closed is None else block.closed.closed.packets
    for tunnel, packets in counted.items():
        if not opens(tunnel.low, tunnel.high):
            found.packets[tunnel] = packets
    for row in rows_of(inside):
        tunnel = next(each for each in row.tunnels if not opens(each.low, each.high))
        packets = sum(side.packets for side in row.sides)
        found.note_row(
            tunnel, (row.protocol, row.low, row.high), 0 if tunnel in counted else packets
        )
    return found


def rows_between(columns: Columns, pairs: Collection[tuple[bytes, bytes]]) -> Columns:
    """The rows between pairs of addresses, each lower first."""
    return _chosen(columns, [pair in pairs for pair in _pairs(columns)])


def _pairs(columns: Columns) -> Iterator[tuple[bytes, bytes]]:
    """The addresses of each row, the lower one first."""
    low, high = (bytes(columns.values[f"{side}_address"]) for side in SIDES)
    for at in range(0, len(low), ADDRESS_BYTES):
        one, other = low[at : at + ADDRESS_BYTES], high[at : at + ADDRESS_BYTES]
        yield min(one, other), max(one, other)


def _chosen(columns: Columns, chosen: Sequence[bool]) -> Columns:
    """Some rows of columns."""
    values = {}
    for name, size in SIZES.items():
        column = bytes(columns.values[name])
        each = (column[at : at + size] for at in range(0, len(column), size))
        values[name] = b"".join(compress(each, chosen))
    return Columns(sum(chosen), values, columns.paths)


def _in_order(several: Sequence[Columns]) -> Columns:
    """Rows of several columns in the order in which they began."""
    paths: dict[tuple[Tunnel, ...], int] = {}
    for columns in several:
        for path in columns.paths:
            paths.setdefault(path, len(paths))
    values = {}
    rows = sum(columns.rows for columns in several)
    numbers = b"".join(bytes(columns.values["number"]) for columns in several)
    at = memoryview(numbers).cast("Q")
    order = sorted(range(rows), key=at.__getitem__)
    for name, size in SIZES.items():
        column = b"".join(
            _renumbered(columns, paths) if name == "path" else bytes(columns.values[name])
            for columns in several
        )
        values[name] = b"".join(column[each * size : (each + 1) * size] for each in order)
    return Columns(rows, values, list(paths))


def _renumbered(columns: Columns, paths: Mapping[tuple[Tunnel, ...], int]) -> bytes:
    """The paths of rows by other numbers."""
    found = memoryview(columns.values["path"]).cast("I")
    return struct.pack(f"={columns.rows}I", *(paths[columns.paths[number]] for number in found))
