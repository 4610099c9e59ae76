"""Two graphs' workloads → names that mean the same on either side (S65).

Documents may leave out a namespace or a kind; what they name is then the only workload of the
other side that it can be.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.service_graph import (
    ESTABLISHED,
    Call,
    Server,
    ServiceGraph,
    Workload,
    could_be,
)

Calls = dict[tuple[Workload, Server], Call]


def align_graphs(old: ServiceGraph, new: ServiceGraph) -> tuple[Calls, Calls]:
    """Both graphs' calls by names that mean the same workload on either side.

    Raises:
        GraphFormatError: A workload without namespace or kind could be several of the other side.
    """
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
        named = replace(call, client=client, server=server)
        renamed[client, server] = _together(renamed.get((client, server)), named)
    return renamed


def _together(known: Call | None, call: Call) -> Call:
    """Two calls of a document that turned out to be one."""
    if known is None:
        return call
    uses = {(use.protocol, use.port): use for use in (*known.uses, *call.uses)}
    return replace(
        known,
        status=known.status if known.status == call.status else ESTABLISHED,
        uses=tuple(uses[key] for key in sorted(uses)),
        details=tuple(sorted({*known.details, *call.details})),
    )
