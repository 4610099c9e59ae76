"""Two graphs' workloads → names that mean the same on either side (S65).

Documents may leave out a namespace or a kind; what they name is then the only workload of the
other side that it can be.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.service_graph import (
    ESTABLISHED,
    Call,
    Server,
    ServiceGraph,
    SharedAddresses,
    Workload,
    could_be,
    ends_of,
)
from otterize_pcap.resolve.build_graph import merge_calls

Calls = dict[tuple[Workload, Server], Call]


def align_graphs(old: ServiceGraph, new: ServiceGraph) -> tuple[Calls, Calls]:
    """Both graphs' calls by names that mean the same workload on either side.

    Raises:
        GraphFormatError: A workload without namespace or kind could be several of the other side.
    """
    old_calls, new_calls = _settle(old.calls), _settle(new.calls)
    for_old, for_new = names_for(old, new), names_for(new, old)
    old_calls = list(_renamed(old_calls, lambda one: for_old.get(one, one)).values())
    new_calls = list(_renamed(new_calls, lambda one: for_new.get(one, one)).values())
    old_names = _Directory(ends_of(old_calls))
    new_names = _Directory(ends_of(new_calls))

    def complete_old(workload: Workload) -> Workload:
        return _complete(workload, new_names, "the other side")

    def complete_new(workload: Workload) -> Workload:
        return _complete(workload, old_names, "the other side")

    return _renamed(old_calls, complete_old), _renamed(new_calls, complete_new)


def names_for(graph: ServiceGraph, other: ServiceGraph) -> dict[Workload, Workload]:
    """The workloads of a graph that are compared under the name of what owns them (S2)."""
    return {**merged_names(other, graph), **whole_names(other, graph)}


def shared_by(graph: ServiceGraph, other: ServiceGraph) -> Iterator[SharedAddresses]:
    """Which workloads had the same addresses, by the names under which they are compared."""
    names = names_for(graph, other)
    for each in () if graph.coverage is None else graph.coverage.shared:
        renamed = {names.get(one, one) for one in each.workloads}
        yield SharedAddresses(tuple(sorted(renamed)), each.addresses)


def merged_names(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, Workload]:
    """The workloads of a graph that the other side names by what owns them, and by what (S2).

    Only where that owns nothing else, and where Kubernetes' own kinds say so, which every snapshot
    has: whether a custom resource was read must not decide what is found.
    """
    named = _above(other, graph)
    return {
        one: owner
        for owner, parts in named.items()
        for one in parts
        if len(parts) == 1 and not one.group
    }


def whole_names(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, Workload]:
    """The workloads of a graph of which the other side, graph JSON, names but the owner (S2).

    What the owner stood for is part of that side, so that no snapshot decides what is found. Its
    parts are compared as one: which of them had which call was not kept.
    """
    named, seen = ends_of(other.calls), ends_of(graph.calls)
    return {one: owner for one, owner in other.parts if owner in named and one in seen}


def whole_owners(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, list[Workload]]:
    """The owners that stand for several workloads of a graph which are compared as one (S2)."""
    found: dict[Workload, list[Workload]] = defaultdict(list)
    for one, owner in sorted(whole_names(other, graph).items()):
        found[owner].append(one)
    return {owner: parts for owner, parts in found.items() if len(parts) > 1}


def umbrella_names(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, list[Workload]]:
    """What the other side names, and of which a graph knows the sets of pods instead (S2)."""
    merged = names_for(graph, other)
    seen = ends_of(graph.calls)
    return {
        owner: parts
        for owner, parts in _above(other, graph).items()
        if any(one in seen and one not in merged for one in parts)
    }


def _above(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, list[Workload]]:
    """The owners that the other side names, each with all of a graph's workloads that it owns."""
    if not graph.roots:
        return {}
    names = _Directory(ends_of(other.calls))
    found: dict[Workload, list[Workload]] = defaultdict(list)
    for one, owner in graph.roots:
        found[owner].append(one)
    return {owner: parts for owner, parts in sorted(found.items()) if names.has(owner)}


class _Directory:
    """The workloads of one graph by name, to complete what the other leaves out."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_name: dict[str, set[Workload]] = defaultdict(set)
        for workload in workloads:
            self._by_name[workload.name].add(workload)

    def has(self, workload: Workload) -> bool:
        """Whether any of them could be this one."""
        return any(could_be(workload, other) for other in self._by_name.get(workload.name, ()))

    def matching(self, workload: Workload) -> list[Workload]:
        """All that a workload with parts left out could be; itself where it is there as such."""
        alike = self._by_name.get(workload.name, set())
        if workload in alike:
            return [workload]
        return sorted(
            other for other in alike if could_be(workload, other) and workload.label == other.label
        )


def _complete(workload: Workload, directory: _Directory, side: str) -> Workload:
    if workload.is_complete:
        return workload
    matching = directory.matching(workload)
    if len(matching) > 1:
        names = " or ".join(
            f"{other.written_kind or 'workload'} {other.namespace}/{other.name}"
            for other in matching
        )
        message = (
            f"{workload.name}: could be {names} on {side}; "
            "add metadata.namespace and the kind to the document"
        )
        raise GraphFormatError(message)
    if not matching:
        return workload
    other = matching[0]
    return replace(
        workload,
        namespace=workload.namespace or other.namespace,
        kind=workload.kind or other.kind,
        group=workload.group or other.group,
    )


def _settle(calls: Iterable[Call]) -> list[Call]:
    """Name servers as clients of the same graph are named, where only one can be meant.

    Documents state the kind of a client and often leave out that of a server.
    """
    calls = list(calls)
    directory = _Directory(
        workload for workload in ends_of(calls) if workload.namespace and workload.kind
    )

    def full(workload: Workload) -> Workload:
        matching = directory.matching(workload)
        return matching[0] if len(matching) == 1 else workload

    return list(_renamed(calls, full).values())


def _renamed(calls: Iterable[Call], rename: Callable[[Workload], Workload]) -> Calls:
    renamed: Calls = {}
    for call in calls:
        server = rename(call.server) if isinstance(call.server, Workload) else call.server
        client = rename(call.client)
        named = replace(call, client=client, server=server)
        renamed[client, server] = _together(renamed.get((client, server)), named)
    return renamed


def _together(known: Call | None, call: Call) -> Call:
    """Two calls of which one name on the other side, or in a document, makes one."""
    if known is None:
        return call
    [merged] = merge_calls(((known,), (call,)), at_once=True)
    return replace(
        merged,
        status=known.status if known.status == call.status else ESTABLISHED,
        details=tuple(sorted({*known.details, *call.details})),
    )
