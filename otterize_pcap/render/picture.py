"""Service graph, or the diff of two → what a picture shows: nodes, and edges with a mark.

The model that dot, Mermaid, SVG and HTML have in common. Labels are printable text, still to be
escaped for the format.
"""

from collections.abc import Iterable

from msgspec import Struct

from otterize_pcap.compare.diff import GraphDiff
from otterize_pcap.graph.naming import full_name, printable
from otterize_pcap.graph.order import workload_order
from otterize_pcap.graph.service_graph import Call, External, Server, ServiceGraph

UNMARKED, ADDED, REMOVED, CHANGED, NOT_SEEN = "", "added", "removed", "changed", "not seen"


class Node(Struct, frozen=True):
    """A workload or a server outside the cluster; `label` is unlike that of any other node.

    `pod_label` is the `key=value` by which clients were told apart.
    """

    label: str
    namespace: str
    kind: str
    is_external: bool = False
    name: str = ""
    pod_label: str = ""


class Edge(Struct, frozen=True):
    """A call between nodes, by their positions; `remark` says what a mark alone does not."""

    client: int
    server: int
    call: Call
    mark: str = UNMARKED
    remark: str = ""


class Picture(Struct, frozen=True):
    """Nodes in the order of a graph's servers and clients, and the edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces, sorted."""
        return tuple(sorted({node.namespace for node in self.nodes if not node.is_external}))


def picture_of_graph(graph: ServiceGraph) -> Picture:
    """One unmarked edge for each call."""
    return _picture((call, UNMARKED, "") for call in graph.calls)


def picture_of_diff(diff: GraphDiff) -> Picture:
    """One edge for each call of both sides, marked."""
    marked = [
        *((call, UNMARKED, "") for call in diff.unchanged),
        *((call, ADDED, "") for call in diff.added),
        *((call, REMOVED, "") for call in diff.removed),
        *((change.new, CHANGED, "; ".join(change.reasons)) for change in diff.changed),
        *((entry.call, NOT_SEEN, "; ".join(entry.reasons)) for entry in diff.not_seen),
    ]
    return _picture(marked)


def _picture(marked: Iterable[tuple[Call, str, str]]) -> Picture:
    marked = list(marked)
    parties = {party for call, _, _ in marked for party in (call.client, call.server)}
    order = {party: index for index, party in enumerate(sorted(parties, key=_order))}
    alike: dict[str, int] = {}
    for party in order:
        alike[full_name(party)] = alike.get(full_name(party), 0) + 1
    edges = [
        Edge(order[call.client], order[call.server], call, mark, remark)
        for call, mark, remark in marked
    ]
    return Picture(
        tuple(_node(party, tell_kind=alike[full_name(party)] > 1) for party in order),
        tuple(sorted(edges, key=lambda edge: (edge.client, edge.server))),
    )


def _order(party: Server) -> tuple[str, ...]:
    if isinstance(party, External):
        return ("1", party.name, str(party.is_address))
    return ("0", *workload_order(party))


def _node(party: Server, *, tell_kind: bool) -> Node:
    if isinstance(party, External):
        name = printable(party.name)
        return Node(name, "", "", is_external=True, name=name)
    label = full_name(party)
    if tell_kind and party.kind:
        label += f" ({party.written_kind})"
    if party.label:
        label += f" [{party.label}]"
    return Node(
        label=printable(label),
        namespace=printable(party.namespace),
        kind=printable(party.written_kind),
        name=printable(party.name),
        pod_label=printable(party.label),
    )
