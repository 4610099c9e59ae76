"""Node clocks: how far apart they were, measured by handshakes that two nodes recorded (S12)."""

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from otterize_pcap.connections.legs import Recording
from otterize_pcap.timestamps import SECOND_NS

# Below this a difference is the way between the nodes, not their clocks.
NOTABLE_NS = 10_000_000
# Below this a difference from the API server's clock is how coarsely it was measured.
NOTABLE_AHEAD_NS = 2 * SECOND_NS


Readings = tuple[dict[str, int], tuple[int, ...]]
"""How far, in ns, nodes' clocks were ahead, and by how much times are later by other clocks that
may as well be right."""


def _as_measured(offsets: dict[str, int], others: tuple[int, ...]) -> Readings:
    return offsets, others


class ClockFacts(Struct, frozen=True):
    """What is known of clocks besides handshakes that two nodes recorded.

    `ahead` is how far, in ns, nodes' clocks were ahead of the API server's, where measured.
    `settle` is told what was measured and says what holds: more than handshakes may tell (S12).
    """

    ahead: Mapping[str, int] = field(default_factory=dict)
    settle: Callable[[dict[str, int], tuple[int, ...]], Readings] = _as_measured


def measure_offsets(
    recordings: Iterable[Recording], ahead: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Node → how far its clock is ahead, in ns; nodes without a notable offset are left out.

    The same handshake (both initial sequence numbers) seen on two nodes gives one difference; the
    median counts, so that no single late packet decides. The clock that most nodes share is the
    reference; of equals, that of the node whose name sorts first. Where `ahead` tells, in ns, that
    it is off from the API server's clock by seconds, that one is the reference.
    """
    recordings = list(recordings)
    nodes = sorted({recording.node for recording in recordings})
    return relative_offsets(measure_differences(recordings), nodes, ahead)


def measure_differences(recordings: Sequence[Recording]) -> dict[tuple[str, str], int]:
    """How much later, in ns, the second node's clock showed handshakes: the median of a pair."""
    seen: dict[tuple[int, int, int], dict[str, int]] = defaultdict(dict)
    several = len({recording.node for recording in recordings}) > 1
    for recording in recordings if several else ():
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
    return {pair: median_low(found) for pair, found in differences.items()}


def relative_offsets(
    differences: Mapping[tuple[str, str], int],
    nodes: Iterable[str],
    ahead: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Offsets from pairwise differences, for each group of nodes that share handshakes.

    `ahead` is by how much, in ns, nodes were measured to be ahead of the API server. That is too
    coarse to compare two nodes, but tells a group that is off as a whole, or which half of two is.
    """
    offsets: dict[str, int] = {}
    for group in _groups(differences, nodes):
        reference = _reference(group, ahead or {})
        for node, offset in group.items():
            if abs(offset - reference) >= NOTABLE_NS:
                offsets[node] = offset - reference
    return offsets


def other_readings(
    differences: Mapping[tuple[str, str], int],
    nodes: Iterable[str],
    ahead: Mapping[str, int] | None = None,
) -> tuple[int, ...]:
    """By how much, in ns, times would be later by other clocks that may as well be right.

    Of two clocks that disagree one is wrong, and where nothing was measured (`ahead`) and no third
    node takes sides, nothing says which. The arguments are those of `relative_offsets`.
    """
    shifts: set[int] = set()
    for group in _groups(differences, nodes):
        if not any(node in (ahead or {}) for node in group):
            reference, clocks = _shared(group), sorted(group.values())
            most = _agreeing(clocks, reference)
            shifts.update(
                clock - reference
                for clock in clocks
                if abs(clock - reference) >= NOTABLE_NS and _agreeing(clocks, clock) == most
            )
    return tuple(sorted(shifts))


def _groups(
    differences: Mapping[tuple[str, str], int], nodes: Iterable[str]
) -> Iterator[dict[str, int]]:
    """Groups of nodes that share handshakes, each node with its clock by the first one's."""
    near: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (one, other), difference in sorted(differences.items()):
        near[one].append((other, difference))
        near[other].append((one, -difference))
    grouped: set[str] = set()
    for start in nodes:
        if start in grouped:
            continue
        group = {start: 0}
        queue = deque([start])
        while queue:
            node = queue.popleft()
            for other, difference in near[node]:
                if other not in group:
                    group[other] = group[node] + difference
                    queue.append(other)
        grouped.update(group)
        yield group


def median_low(times: Sequence[int]) -> int:
    """The middle time, of two the lower; what `statistics` has takes 5 ms to import."""
    return sorted(times)[(len(times) - 1) // 2]


def _reference(group: Mapping[str, int], ahead: Mapping[str, int]) -> int:
    """The clock, by a group's own, that everything is brought to."""
    shared = _shared(group)
    measured = [group[node] - ahead[node] for node in sorted(group) if node in ahead]
    if not measured or abs(median_low(measured) - shared) < NOTABLE_AHEAD_NS:
        return shared
    right = median_low(measured)
    # A node's own clock is finer than what was measured, if there is one that is right.
    nearest = min(group.values(), key=lambda clock: (abs(clock - right), clock))
    return nearest if abs(nearest - right) < NOTABLE_AHEAD_NS else right


def _shared(group: Mapping[str, int]) -> int:
    """The clock that most nodes of a group agree on."""
    clocks = sorted(group.values())
    return max((group[node] for node in sorted(group)), key=lambda clock: _agreeing(clocks, clock))


def _agreeing(clocks: Sequence[int], clock: int) -> int:
    """How many of sorted clocks are one clock, give or take the way between nodes."""
    begin = bisect_right(clocks, clock - NOTABLE_NS)
    return bisect_left(clocks, clock + NOTABLE_NS) - begin
