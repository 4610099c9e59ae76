"""Picture → columns: clients left of their servers, in an order with few crossings.

The layered method (Sugiyama, Tagawa, Toda 1981) in its plainest form: edges that close a cycle are
left out, a node stands one column right of its furthest client, and columns are ordered by the
mean place of a node's neighbours. The same picture always gets the same columns.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil, sqrt

from otterize_pcap.render.picture import Picture

SWEEPS = 6
# Columns stand about this many times as far apart as rows.
ASPECT = 5
FEWEST_COLUMNS, TALLEST_COLUMN = 6, 30


Edges = Sequence[tuple[int, int]]


def pairs_of(picture: Picture) -> Edges:
    """Who calls whom, each pair once, sorted."""
    return sorted({(edge.client, edge.server) for edge in picture.edges})


def in_columns(count: int, edges: Edges) -> list[list[int]]:
    """Nodes by column, clients left of their servers as far as no cycle forbids it."""
    return _columns(count, _without_cycles(count, edges))


def _neighbours(edges: Edges) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for client, server in edges:
        found[client].append(server)
    return found


def _without_cycles(count: int, edges: Edges) -> list[tuple[int, int]]:
    """The edges but those that lead back to a node that leads to them; nobody's servers first."""
    servers = _neighbours(edges)
    called = {server for client, server in edges if client != server}
    done: set[int] = set()
    path: set[int] = set()
    kept: list[tuple[int, int]] = []
    roots = [node for node in range(count) if node not in called]
    for root in [*roots, *range(count)]:
        if root in done:
            continue
        # Depth first without recursion: graphs may be deeper than Python's stack.
        path.add(root)
        stack = [(root, iter(servers[root]))]
        while stack:
            node, rest = stack[-1]
            for server in rest:
                if server in path:
                    continue
                kept.append((node, server))
                if server not in done:
                    path.add(server)
                    stack.append((server, iter(servers[server])))
                    break
            else:
                stack.pop()
                path.discard(node)
                done.add(node)
    return kept


def _columns(count: int, forward: Edges) -> list[list[int]]:
    """Nodes by column: one right of the furthest client, joined or cut where that looks square."""
    depth = _depths(count, forward)
    deepest = max(depth, default=0) + 1
    wanted = min(deepest, max(FEWEST_COLUMNS, ceil(sqrt(count / ASPECT))))
    columns: list[list[int]] = [[] for _ in range(wanted)]
    for node in range(count):
        columns[depth[node] * wanted // deepest].append(node)
    tallest = max(TALLEST_COLUMN, ceil(sqrt(count * ASPECT)))
    return [part for column in columns for part in _cut(column, tallest)]


def _cut(column: list[int], tallest: int) -> list[list[int]]:
    """A column in as few parts of like height as keep under a limit; none of an empty one."""
    parts = ceil(len(column) / tallest)
    return [column[part::parts] for part in range(parts)]


def _depths(count: int, forward: Edges) -> list[int]:
    clients_left = [0] * count
    for _, server in forward:
        clients_left[server] += 1
    servers = _neighbours(forward)
    depth = [0] * count
    ready = [node for node in range(count) if not clients_left[node]]
    while ready:
        node = ready.pop()
        for server in servers[node]:
            depth[server] = max(depth[server], depth[node] + 1)
            clients_left[server] -= 1
            if not clients_left[server]:
                ready.append(server)
    return depth


def in_order(columns: list[list[int]], edges: Edges) -> list[list[int]]:
    """Each column by the mean place of its nodes' neighbours, swept to and fro."""
    near = _neighbours([*edges, *((server, client) for client, server in edges)])
    place = {node: row / len(column) for column in columns for row, node in enumerate(column)}
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            mean = {
                node: sum(place[other] for other in near[node]) / len(near[node])
                if near[node]
                else place[node]
                for node in column
            }
            column.sort(key=lambda node: (mean[node], node))
            for row, node in enumerate(column):
                place[node] = row / len(column)
    return columns
