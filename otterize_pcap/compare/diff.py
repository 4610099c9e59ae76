"""Two service graphs → what was added, removed and changed (S65)."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from otterize_pcap.compare.added_instead import NOTHING, Instead
from otterize_pcap.compare.align_workloads import align_graphs, shared_by
from otterize_pcap.compare.coverage_gaps import coverage_gaps, gaps_that_hide, new_gaps
from otterize_pcap.compare.ignore_rules import IgnoreRule, is_ignored
from otterize_pcap.compare.seen_otherwise import SeenOtherwise
from otterize_pcap.compare.shared_ends import NONE_SHARED, SHARED, SharedEnds
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call, Coverage, ServiceGraph
from otterize_pcap.timestamps import SECOND_NS

# A call is expected to show again where the new capture lasted at least this share of the old
# one, or long enough for this many of its connections at the rate that the old one saw.
LONG_ENOUGH = 0.5
ENOUGH_CONNECTIONS = 3


class Change(Struct, frozen=True):
    """One call in both graphs that differs: `reasons` say how, from old to new."""

    old: Call
    new: Call
    reasons: tuple[str, ...]


class NotSeen(Struct, frozen=True):
    """A call that a capture does not show and, for these reasons, need not have shown."""

    call: Call
    reasons: tuple[str, ...]


class GraphDiff(Struct, frozen=True):
    """What separates two graphs; every tuple is sorted as a graph's calls are.

    `not_seen` are calls of the old graph that the new capture could not have shown; they are no
    difference.
    """

    added: tuple[Call, ...] = ()
    removed: tuple[Call, ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: tuple[Call, ...] = ()
    not_seen: tuple[NotSeen, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added, removed or changed."""
        return not (self.added or self.removed or self.changed)


def diff_graphs(old: ServiceGraph, new: ServiceGraph) -> GraphDiff:
    """Compare two graphs, from captures or documents.

    Raises:
        GraphFormatError: A workload without namespace or kind could be several of the other side.
    """
    before, after = align_graphs(old, new)
    both = before.keys() & after.keys()
    changes = {key: reasons for key in both if (reasons := _differences(before[key], after[key]))}
    gone = _sorted(call for key, call in before.items() if key not in both)
    come = _sorted(call for key, call in after.items() if key not in both)
    shared = SharedEnds(shared_by(old, new), shared_by(new, old), after)
    missed = missed_calls(gone, old.coverage, new, Instead(come, before.keys()), shared)
    unknown = {(entry.call.client, entry.call.server) for entry in missed}
    return GraphDiff(
        added=come,
        removed=tuple(call for call in gone if (call.client, call.server) not in unknown),
        changed=tuple(
            Change(before[(call.client, call.server)], call, changes[call.client, call.server])
            for call in _sorted(after[key] for key in changes)
        ),
        unchanged=_sorted(after[key] for key in both if key not in changes),
        not_seen=missed,
    )


def without_ignored(diff: GraphDiff, rules: Sequence[IgnoreRule]) -> GraphDiff:
    """The diff without the calls that the rules leave alone."""
    if not rules:
        return diff
    return GraphDiff(
        added=tuple(call for call in diff.added if not is_ignored(call, rules)),
        removed=tuple(call for call in diff.removed if not is_ignored(call, rules)),
        changed=tuple(change for change in diff.changed if not is_ignored(change.new, rules)),
        unchanged=diff.unchanged,
        not_seen=tuple(entry for entry in diff.not_seen if not is_ignored(entry.call, rules)),
    )


def missed_calls(
    absent: Iterable[Call],
    old: Coverage | None,
    new: ServiceGraph,
    instead: Instead = NOTHING,
    shared: SharedEnds = NONE_SHARED,
    *,
    in_vain: bool = False,
) -> tuple[NotSeen, ...]:
    """Those of the absent calls that the new capture need not have shown, with the reasons.

    Without coverage, as in a document, absence is all there is to know. `instead` are calls that
    the new capture shows instead, `shared` tells who may be counted for whom; `in_vain` counts as
    seen what was never established.
    """
    if new.coverage is None:
        return ()
    gaps = coverage_gaps(new.coverage) + (() if old is None else new_gaps(old, new.coverage))
    otherwise = SeenOtherwise(new, old, in_vain=in_vain)
    reasons = {
        call: (
            *gaps_that_hide(call, gaps),
            *_too_short(call, old, new.coverage),
            *otherwise.reasons(call),
            *instead.reasons(call),
            *_under_other_names(call, shared, otherwise),
        )
        for call in absent
    }
    return tuple(NotSeen(call, why) for call, why in reasons.items() if why)


def _under_other_names(call: Call, shared: SharedEnds, otherwise: SeenOtherwise) -> tuple[str, ...]:
    """Whether a call may have been seen between others that had its ends' addresses."""
    found = any(shared.is_seen(one) or otherwise.reasons(one) for one in shared.instead(call))
    return (SHARED,) if found else ()


def _too_short(call: Call, old: Coverage | None, new: Coverage) -> tuple[str, ...]:
    """Whether the new capture was too short to show a call again."""
    if old is None:
        return ()
    before, after = _lasted_ns(old), _lasted_ns(new)
    connections = sum(use.connections for use in call.uses)
    if after >= before * LONG_ENOUGH or connections * after >= before * ENOUGH_CONNECTIONS:
        return ()
    lasted = f"the capture lasted {after / SECOND_NS:.1f} s"
    return (f"{lasted}, the one that showed it {before / SECOND_NS:.1f} s",)


def _lasted_ns(coverage: Coverage) -> int:
    """How long a capture lasted: of the node captured for the shortest, else of its packets."""
    nodes = [
        node.end_ns - node.start_ns
        for node in coverage.nodes
        if node.start_ns is not None and node.end_ns is not None
    ]
    times = [
        time
        for file in coverage.files
        for time in (file.first_ns, file.last_ns)
        if time is not None
    ]
    return min(nodes) if nodes else max(times, default=0) - min(times, default=0)


def _sorted(calls: Iterable[Call]) -> tuple[Call, ...]:
    return tuple(sorted(calls, key=call_order))


def _differences(old: Call, new: Call) -> tuple[str, ...]:
    """How one call differs; ports and details are compared only where both sides know them."""
    reasons = []
    if old.status != new.status:
        reasons.append(f"{old.status} → {new.status}")
    protocols = all(use.protocol for call in (old, new) for use in call.uses)
    before, after = (_ports(call, protocols=protocols) for call in (old, new))
    if before and after and before != after:
        reasons.append(f"ports {', '.join(before)} → {', '.join(after)}")
    if _is_declared(old) and _is_declared(new) and old.details != new.details:
        gone = [f"-{detail}" for detail in old.details if detail not in new.details]
        come = [f"+{detail}" for detail in new.details if detail not in old.details]
        reasons.append("; ".join(gone + come))
    return tuple(reasons)


def _is_declared(call: Call) -> bool:
    """Whether a document says it; traffic itself has no details to compare."""
    return not any(use.connections for use in call.uses)


def _ports(call: Call, *, protocols: bool) -> list[str]:
    """The ports in order; their numbers alone where one side does not know protocols."""
    ports = sorted({(use.protocol if protocols else "", use.port) for use in call.uses})
    return [f"{protocol} {port}".lstrip() for protocol, port in ports]
