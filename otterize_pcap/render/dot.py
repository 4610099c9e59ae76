"""Picture → Graphviz's DOT: clients left, a cluster for each namespace."""

from otterize_pcap.graph.naming import port_list
from otterize_pcap.graph.service_graph import ATTEMPTED, LOOKUP
from otterize_pcap.render.picture import ADDED, CHANGED, NOT_SEEN, REMOVED, UNMARKED, Edge, Picture

STYLES = {
    UNMARKED: "",
    ADDED: 'color="#1a7f37", penwidth=2',
    REMOVED: 'color="#cf222e", style=dashed',
    CHANGED: 'color="#9a6700", penwidth=2',
    NOT_SEEN: 'color="#6e7781", style=dotted',
}


def render_dot(picture: Picture) -> str:
    """A digraph; node names are numbers, so that labels may be anything."""
    lines = [
        "digraph calls {",
        "  rankdir=LR;",
        # Without, dot gives up on some graphs with clusters ("init_rank").
        "  newrank=true;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for number, namespace in enumerate(picture.namespaces):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(namespace)};"]
        lines += [
            f"    n{index} [label={_quoted(node.label)}];"
            for index, node in enumerate(picture.nodes)
            if node.namespace == namespace and not node.is_external
        ]
        lines.append("  }")
    lines += [
        f"  n{index} [label={_quoted(node.label)}, shape=ellipse];"
        for index, node in enumerate(picture.nodes)
        if node.is_external
    ]
    lines += [_edge(edge) for edge in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _edge(edge: Edge) -> str:
    style = STYLES[edge.mark]
    if not edge.mark and edge.call.status in (ATTEMPTED, LOOKUP):
        style = "style=dotted"
    ports = port_list(edge.call)
    attributes = ", ".join(filter(None, (f"label={_quoted(ports)}" if ports else "", style)))
    return f"  n{edge.client} -> n{edge.server}" + (f" [{attributes}];" if attributes else ";")


def _quoted(text: str) -> str:
    """A quoted string of DOT, in which a backslash would start an escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
