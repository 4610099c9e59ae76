"""How good a capture must be before conclusions are drawn from it.

Whatever is asked, a comparison that rests on no connection concludes nothing (S65).
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from otterize_pcap.compare.coverage_gaps import file_lack
from otterize_pcap.compare.seen_otherwise import may_be
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.damage import DAMAGED, is_damaged
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import Call, Coverage, ServiceGraph, Use
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.resolution import NODE_CLIENT

NO_CALL = frozenset((FateKind.NOT_A_CALL, FateKind.EXTERNAL_CLIENT))
KNOWN = frozenset((FateKind.RESOLVED, FateKind.HIDDEN))


class Thresholds(Struct, frozen=True):
    """`max_unresolved` is a share of the connections (0 to 1); `nodes` must be captured.

    `strict` accepts no damage.
    """

    max_unresolved: float | None = None
    nodes: frozenset[str] = frozenset()
    strict: bool = False


def parse_share(text: str) -> float:
    """`5%` or `0.05` as a share.

    Raises:
        UsageError: It is no share between 0 and 1.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%?)", text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        message = f"{text}: expected a share such as 5% or 0.05"
        raise UsageError(message)
    return share


def unmet_thresholds(coverage: Coverage, thresholds: Thresholds) -> Iterator[str]:
    """What of the thresholds a capture does not meet, a sentence each."""
    share = unresolved_share(coverage)
    if thresholds.max_unresolved is not None and share > thresholds.max_unresolved:
        yield (
            f"{share:.1%} of the connections are not resolved, more than "
            f"{thresholds.max_unresolved:.1%}; run with -v to see why"
        )
    captured = {node.name for node in coverage.nodes if node.status is NodeStatus.CAPTURED}
    captured |= {file.node for file in coverage.files if file.node is not None and file.packets}
    for node in sorted(thresholds.nodes - captured):
        yield f"node {node} was not captured"
    if thresholds.strict and is_damaged(coverage):
        yield DAMAGED
    for file in coverage.files:
        if file.truncated and file.node in thresholds.nodes & captured:
            yield f"node {file.node} was not captured whole ({file_lack(file)})"


def ungrounded(sides: Sequence[ServiceGraph]) -> ServiceGraph | None:
    """The first side, later states first, that leaves nothing to conclude from; None without one.

    That is a capture without a connection that became a call, whether nothing was recorded,
    nothing resolved or all filtered out. It says something all the same where each of its
    connections may be a call of another side, by the end of it that is known. Documents have no
    connections: one that declares nothing is a statement, unless no side has a call.
    """
    for side in reversed(sides):
        if side.coverage is None or any(use.connections for use in _uses(side)):
            continue
        others = [call for other in sides if other is not side for call in other.calls]
        if not _may_be_theirs(side.coverage, others):
            return side
    return None if any(side.calls for side in sides) else sides[-1]


def _may_be_theirs(coverage: Coverage, calls: Sequence[Call]) -> bool:
    """Whether a capture saw connections with one known end, all of which may be such calls."""
    seen = [one for one in coverage.undecided if could_be_call(one.fate)]
    return bool(seen) and all(
        (one.clients or one.servers) and any(may_be(call, one) for call in calls) for one in seen
    )


def _uses(graph: ServiceGraph) -> Iterator[Use]:
    return (use for call in graph.calls for use in call.uses)


def could_be_call(fate: Fate) -> bool:
    """Whether a connection of this fate may be a workload's call.

    What comes from a node's own address is a probe of its kubelet, or was seen before masquerading
    as well (S14).
    """
    return fate.kind not in NO_CALL and fate != NODE_CLIENT


def unresolved_share(coverage: Coverage) -> float:
    """The share of connections, of those that could be calls, whose ends are not known."""
    calls = [(fate.kind, count) for fate, count in coverage.connections if could_be_call(fate)]
    known = sum(count for kind, count in calls if kind in KNOWN)
    total = sum(count for _, count in calls)
    return (total - known) / total if total else 0.0
