"""Two service graphs → what was added, removed and changed (S65)."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph import (
    Call,
    Coverage,
    Server,
    ServiceGraph,
    Workload,
    call_order,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One call in both graphs that differs: `reasons` say how, from old to new."""

    old: Call
    new: Call
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """What separates two graphs; every tuple is sorted as a graph's calls are.

    `not_seen` are calls of the old graph that the new capture could not have shown, for the
    reasons in `gaps`; they are no difference.
    """

    added: tuple[Call, ...] = ()
    removed: tuple[Call, ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: tuple[Call, ...] = ()
    not_seen: tuple[Call, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added, removed or changed."""
        return not (self.added or self.removed or self.changed)


def diff_graphs(old: ServiceGraph, new: ServiceGraph) -> GraphDiff:
    """Compare two graphs, from captures or documents.

    Raises:
        GraphFormatError: A workload without namespace or kind could be several of the other side.
    """
    before, after = _align(old, new)
    both = before.keys() & after.keys()
    changes = {key: reasons for key in both if (reasons := _differences(before[key], after[key]))}
    gone = _sorted(call for key, call in before.items() if key not in both)
    gaps = coverage_gaps(new.coverage) if new.coverage is not None else ()
    return GraphDiff(
        added=_sorted(call for key, call in after.items() if key not in both),
        removed=() if gaps else gone,
        changed=tuple(
            Change(before[(call.client, call.server)], call, changes[call.client, call.server])
            for call in _sorted(after[key] for key in changes)
        ),
        unchanged=_sorted(after[key] for key in both if key not in changes),
        not_seen=gone if gaps else (),
        gaps=gaps,
    )


def coverage_gaps(coverage: Coverage) -> tuple[str, ...]:
    """Why a capture may have missed a call: nodes, time or drops; empty where it could not."""
    gaps = [
        f"node {node.name} was not captured ({node.reason or node.status})"
        for node in coverage.nodes
        if node.status != "captured"
    ]
    gaps += [
        f"node {node.name}: {node.reason}"
        for node in coverage.nodes
        if node.status == "captured" and node.reason
    ]
    gaps += [f"{file.file} is damaged or cut off" for file in coverage.files if file.truncated]
    dropped = sum(file.dropped or 0 for file in coverage.files)
    if dropped:
        gaps.append(f"{dropped} packets were dropped while capturing")
    if not any(file.packets for file in coverage.files):
        gaps.append("the capture holds no packets")
    return tuple(gaps)


def _sorted(calls: Iterable[Call]) -> tuple[Call, ...]:
    return tuple(sorted(calls, key=call_order))


def _differences(old: Call, new: Call) -> tuple[str, ...]:
    """How one call differs; ports are compared only where both sides know them."""
    reasons = []
    if old.status != new.status:
        reasons.append(f"{old.status} → {new.status}")
    before, after = _ports(old), _ports(new)
    if before and after and before != after:
        reasons.append(f"ports {', '.join(before)} → {', '.join(after)}")
    if not old.uses and not new.uses and old.details != new.details:
        gone = [f"-{detail}" for detail in old.details if detail not in new.details]
        come = [f"+{detail}" for detail in new.details if detail not in old.details]
        reasons.append("; ".join(gone + come))
    return tuple(reasons)


def _ports(call: Call) -> list[str]:
    return [f"{use.protocol} {use.port}" for use in call.uses]


Calls = dict[tuple[Workload, Server], Call]


def _align(old: ServiceGraph, new: ServiceGraph) -> tuple[Calls, Calls]:
    """Both graphs' calls by names that mean the same workload on either side (S65)."""
    old_calls, new_calls = _settle(old.calls), _settle(new.calls)
    old_names = _Directory(_workloads(old_calls))
    new_names = _Directory(_workloads(new_calls))

    def for_old(workload: Workload) -> Workload:
        return _complete(workload, new_names, "the other side")

    def for_new(workload: Workload) -> Workload:
        return _complete(workload, old_names, "the other side")

    return _renamed(old_calls, for_old), _renamed(new_calls, for_new)


class _Directory:
    """The workloads of one graph by name, to complete what the other leaves out."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_name: dict[str, set[Workload]] = defaultdict(set)
        for workload in workloads:
            self._by_name[workload.name].add(workload)

    def matching(self, workload: Workload) -> list[Workload]:
        """All that a workload with parts left out could be."""
        return sorted(
            other
            for other in self._by_name.get(workload.name, ())
            if _compatible(workload.namespace, other.namespace)
            and _compatible(workload.kind, other.kind)
        )


def _compatible(one: str, other: str) -> bool:
    return not one or not other or one == other


def _complete(workload: Workload, directory: _Directory, side: str) -> Workload:
    if workload.namespace and workload.kind:
        return workload
    matching = directory.matching(workload)
    if len(matching) > 1:
        names = " or ".join(
            f"{other.kind or 'workload'} {other.namespace}/{other.name}" for other in matching
        )
        message = (
            f"{workload.name}: could be {names} on {side}; "
            "add metadata.namespace and the kind to the document"
        )
        raise GraphFormatError(message)
    if not matching:
        return workload
    other = matching[0]
    return Workload(
        workload.name, workload.namespace or other.namespace, workload.kind or other.kind
    )


def _settle(calls: Iterable[Call]) -> list[Call]:
    """Name servers as clients of the same graph are named, where only one can be meant.

    Documents state the kind of a client and often leave out that of a server.
    """
    calls = list(calls)
    directory = _Directory(
        workload for workload in _workloads(calls) if workload.namespace and workload.kind
    )

    def full(workload: Workload) -> Workload:
        matching = directory.matching(workload)
        return matching[0] if len(matching) == 1 else workload

    return list(_renamed(calls, full).values())


def _workloads(calls: Iterable[Call]) -> set[Workload]:
    return {
        workload
        for call in calls
        for workload in (call.client, call.server)
        if isinstance(workload, Workload)
    }


def _renamed(calls: Iterable[Call], rename: Callable[[Workload], Workload]) -> Calls:
    renamed: Calls = {}
    for call in calls:
        server = rename(call.server) if isinstance(call.server, Workload) else call.server
        client = rename(call.client)
        renamed[client, server] = replace(call, client=client, server=server)
    return renamed
