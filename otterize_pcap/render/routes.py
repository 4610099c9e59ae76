"""Picture → positions of nodes, and ways for its edges that lead behind no node.

An edge to another than the next column passes those between through channels, which have places of
their own among the nodes there. Edges to one server share their channels, so that a server that
everybody calls does not fill every column.
"""

from collections.abc import Sequence

from msgspec import Struct

from otterize_pcap.render.layout import in_columns, in_order, pairs_of
from otterize_pcap.render.picture import Picture

CHANNEL = 0.3
"""The height of a channel, where a node's row is 1."""
STRAIGHTENED = 12
"""How often places are moved towards their neighbours'."""

Channel = tuple[int, int, bool]
"""To which server, in which column, and whether from the left."""


class Spot(Struct, frozen=True):
    """A column from the left, and a height in rows from the top."""

    column: int
    row: float


class Routes(Struct, frozen=True):
    """A spot for each node, and for each edge the channels that it passes, in their order."""

    nodes: tuple[Spot, ...]
    ways: tuple[tuple[Spot, ...], ...]


def find_routes(picture: Picture) -> Routes:
    """Where nodes stand and how edges lead; the same of the same picture."""
    count, edges = len(picture.nodes), pairs_of(picture)
    columns = in_columns(count, edges)
    column_of = {node: number for number, column in enumerate(columns) for node in column}
    channels: dict[Channel, int] = {}
    passed: dict[tuple[int, int], list[int]] = {}
    for client, server in edges:
        begin, end = column_of[client], column_of[server]
        step = 1 if end > begin else -1
        passed[client, server] = [
            channels.setdefault((server, column, step > 0), count + len(channels))
            for column in range(begin + step, end, step)
        ]
    for (_, column, _), number in channels.items():
        columns[column].append(number)
        column_of[number] = column
    steps = [
        pair
        for (client, server), way in passed.items()
        for pair in zip((client, *way), (*way, server), strict=True)
    ]
    order = in_order(columns, sorted(set(steps)))
    rows = _rows(order, steps, count)
    spots = [Spot(column_of[node], rows[node]) for node in range(count + len(channels))]
    return Routes(
        tuple(spots[:count]),
        tuple(tuple(spots[n] for n in passed[each.client, each.server]) for each in picture.edges),
    )


def _rows(
    order: Sequence[Sequence[int]], steps: Sequence[tuple[int, int]], count: int
) -> list[float]:
    """Heights that keep the order of each column, near those of what a node is joined to."""
    near: dict[int, list[int]] = {}
    for one, other in steps:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    total = sum(map(len, order))
    rows = [0.0] * total
    for column in order:
        below = 0.0
        for node in column:
            rows[node] = below + _height(node, count) / 2
            below += _height(node, count)
        for node in column:
            rows[node] -= below / 2
    for turn in range(STRAIGHTENED):
        for column in order if turn % 2 == 0 else reversed(order):
            wanted = [_mean([rows[other] for other in near.get(n, [n])]) for n in column]
            _settle(column, wanted, rows, count)
    top = min((rows[node] - _height(node, count) / 2 for node in range(total)), default=0.0)
    return [row - top for row in rows]


def _settle(column: Sequence[int], wanted: Sequence[float], rows: list[float], count: int) -> None:
    """Move the nodes of a column to where they are wanted, as far as all keep their distance.

    The mean of pushing everything down and pushing everything up keeps both order and distance.
    """
    down, up = list(wanted), list(wanted)
    for place in range(1, len(column)):
        apart = (_height(column[place - 1], count) + _height(column[place], count)) / 2
        down[place] = max(down[place], down[place - 1] + apart)
    for place in range(len(column) - 2, -1, -1):
        apart = (_height(column[place], count) + _height(column[place + 1], count)) / 2
        up[place] = min(up[place], up[place + 1] - apart)
    for place, node in enumerate(column):
        rows[node] = (down[place] + up[place]) / 2


def _height(node: int, count: int) -> float:
    return 1.0 if node < count else CHANNEL


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
