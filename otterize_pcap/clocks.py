"""Node clocks: how far apart they were, measured by handshakes that two nodes recorded (S12)."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import median_low

from otterize_pcap.legs import Recording

# Below this a difference is the way between the nodes, not their clocks.
NOTABLE_NS = 10_000_000


def measure_offsets(recordings: Iterable[Recording]) -> dict[str, int]:
    """Node → how far its clock is ahead, in ns; nodes without a notable offset are left out.

    The same handshake (both initial sequence numbers) seen on two nodes gives one difference; the
    median counts, so that no single late packet decides. The clock that most nodes share is the
    reference; of equals, that of the node whose name sorts first.
    """
    seen: dict[tuple[int, int, int], dict[str, int]] = defaultdict(dict)
    recordings = list(recordings)
    if len({recording.node for recording in recordings}) < 2:
        return {}
    for recording in recordings:
        node = recording.node
        for row in recording.rows:
            if (
                row.client_isn is None
                or row.server_isn is None
                or not row.sides[row.client or 0].syns
            ):
                continue
            times = seen[row.protocol, row.client_isn, row.server_isn]
            times[node] = min(times.get(node, row.first_ns), row.first_ns)
    differences: dict[tuple[str, str], list[int]] = defaultdict(list)
    for times in seen.values():
        nodes = sorted(times)
        for index, node in enumerate(nodes):
            for other in nodes[index + 1 :]:
                differences[node, other].append(times[other] - times[node])
    return relative_offsets(
        {pair: median_low(found) for pair, found in differences.items()},
        sorted({recording.node for recording in recordings}),
    )


def relative_offsets(differences: dict[tuple[str, str], int], nodes: list[str]) -> dict[str, int]:
    """Offsets from pairwise differences, for each group of nodes that share handshakes."""
    ahead: dict[str, int] = {}
    offsets: dict[str, int] = {}
    for start in nodes:
        if start in ahead:
            continue
        group = {start: 0}
        queue = [start]
        while queue:
            node = queue.pop(0)
            for (one, other), difference in sorted(differences.items()):
                if one == node and other not in group:
                    group[other] = group[node] + difference
                    queue.append(other)
                elif other == node and one not in group:
                    group[one] = group[node] - difference
                    queue.append(one)
        ahead.update(group)
        reference = _shared(group)
        for node, offset in group.items():
            if abs(offset - reference) >= NOTABLE_NS:
                offsets[node] = offset - reference
    return offsets


def _shared(group: dict[str, int]) -> int:
    """The clock that most nodes of a group agree on."""
    return max(
        (group[node] for node in sorted(group)),
        key=lambda clock: sum(abs(other - clock) < NOTABLE_NS for other in group.values()),
    )
