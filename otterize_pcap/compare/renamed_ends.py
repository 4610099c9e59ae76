"""Which ends of calls may be one end under another name.

An owner that a snapshot lacks leaves the name of who is below it (S2), and a namespace or a name
that is left out may be any.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from otterize_pcap.api_groups import is_built_in
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import (
    Server,
    ServiceGraph,
    Workload,
    could_be,
    ends_of,
    is_one_kind,
)
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE

Places = defaultdict[str, defaultdict[str, list[Workload]]]
"""Workloads by a name and their namespace."""


class RenamedEnds:
    """Ends of added calls by their names, so that no absent one is compared with all."""

    def __init__(self, ends: Iterable[Server]) -> None:
        self._found: dict[Server, frozenset[Server]] = {}
        self._outside: set[Server] = set()
        self._nameless: list[Workload] = []
        self._named: Places = defaultdict(lambda: defaultdict(list))
        self._below: Places = defaultdict(lambda: defaultdict(list))
        for end in ends:
            if not isinstance(end, Workload):
                self._outside.add(end)
                continue
            if not end.name:
                self._nameless.append(end)
            self._named[end.name][end.namespace].append(end)
            if _may_have_owner(end):
                for name in _names_above(end.name):
                    self._below[name][end.namespace].append(end)

    def may_be(self, end: Server) -> frozenset[Server]:
        """The ends that may be this one under another name."""
        if end not in self._found:
            alike = self._alike(end) if isinstance(end, Workload) else {end} & self._outside
            self._found[end] = frozenset(alike)
        return self._found[end]

    def _alike(self, end: Workload) -> Iterator[Workload]:
        yield from self._nameless
        above = _names_above(end.name) if _may_have_owner(end) else ()
        near = dict.fromkeys((end.namespace, "", DEFAULT_NAMESPACE))
        for places in (*map(self._named.get, (end.name, *above)), self._below.get(end.name)):
            for namespace in (places or ()) if not end.namespace else near:
                found = places.get(namespace, ()) if places else ()
                yield from (one for one in found if may_be_renamed(end, one))


def may_be_renamed(absent: Workload, added: Workload) -> bool:
    """Whether an end is another's, or that of an owner of it which the snapshot lacks."""
    if could_be(absent, added) or not added.name:
        return True
    if added.namespace not in (absent.namespace, DEFAULT_NAMESPACE):
        return False
    if absent.name == added.name:
        # One resource owns another of its name: a Configuration a Knative Service's.
        elsewhere = added.namespace != absent.namespace
        return elsewhere or (bool(absent.group) and not is_one_kind(absent, added))
    return _is_below(added, absent) or _is_below(absent, added)


def possible_owners(other: ServiceGraph, graph: ServiceGraph) -> dict[Workload, list[Workload]]:
    """Custom resources that the other side names and that may own some of a graph's workloads.

    Only where nothing says what owns these: the graph's snapshot does not hold it.
    """
    told = {one for one, _ in graph.roots}
    named, seen = ends_of(other.calls), ends_of(graph.calls)
    owners = [one for one in sorted(named - seen) if _is_custom(one)]
    parts = [one for one in sorted(seen - named - told) if _is_custom(one)]
    found = {
        owner: [one for one in parts if one.namespace == owner.namespace and _is_below(one, owner)]
        for owner in owners
    }
    return {owner: below for owner, below in found.items() if below}


def _is_below(one: Workload, other: Workload) -> bool:
    """Whether a workload has the name of what another made.

    It made it to be replaced, or an operator made one of its resources for another one.
    """
    if not one.name.startswith(f"{other.name}-"):
        return False
    return _is_replaced(one) or (_is_custom(one) and _is_custom(other) and one.kind != other.kind)


def _may_have_owner(one: Workload) -> bool:
    return _is_replaced(one) or _is_custom(one)


def _is_custom(one: Workload) -> bool:
    return bool(one.kind) and not is_built_in(one.kind, one.group and f"{one.group}/")


def _is_replaced(one: Workload) -> bool:
    """Whether something makes workloads like this one, each with a name of its own."""
    return one.kind == "Pod" or has_generated_name(one)


def _names_above(name: str) -> Iterator[str]:
    """The names that whatever made this may have."""
    return (name[:place] for place, letter in enumerate(name) if letter == "-")
