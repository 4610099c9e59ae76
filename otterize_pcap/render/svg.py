"""Picture → SVG 1.1, laid out here, so that Graphviz is not needed.

Nothing in it is active: no script, no link, no font or image from elsewhere.
"""

from collections.abc import Iterator, Sequence
from html import escape

from otterize_pcap.graph.naming import port_list
from otterize_pcap.graph.service_graph import ATTEMPTED, LOOKUP
from otterize_pcap.render.layout import Place, lay_out
from otterize_pcap.render.picture import (
    ADDED,
    CHANGED,
    NOT_SEEN,
    REMOVED,
    UNMARKED,
    Edge,
    Node,
    Picture,
)

CHARACTER, PADDING, HEIGHT = 7.2, 12, 30
ROW, GAP, MARGIN = 48, 110, 24
LONGEST = 42
# Beyond so many edges, those without a mark are drawn faint.
MANY = 500

COLORS = {
    UNMARKED: "#57606a",
    ADDED: "#1a7f37",
    REMOVED: "#cf222e",
    CHANGED: "#9a6700",
    NOT_SEEN: "#8c959f",
}
DASHES = {REMOVED: "6 4", NOT_SEEN: "2 4"}
# One fill for each namespace, used again from the start when there are more.
FILLS = ("#ddf4ff", "#dafbe1", "#fff8c5", "#ffeff7", "#fbefff", "#ffebe9", "#eaeef2", "#fff1e5")
OUTSIDE = "#ffffff"


def render_svg(picture: Picture) -> str:
    """The whole picture; a call's ports show where the pointer rests on it."""
    boxes = _boxes(picture)
    width = max((box.right for box in boxes), default=0.0) + MARGIN
    height = max((box.middle for box in boxes), default=0.0) + HEIGHT / 2 + MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        *_markers(),
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *(_edge(picture, boxes, edge) for edge in picture.edges),
        *(line for node, box in zip(picture.nodes, boxes, strict=True) for line in box.lines(node)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


class _Box:
    """Where a node is drawn: its left edge, width and vertical middle in pixels, its fill."""

    def __init__(self, left: float, width: float, middle: float, fill: str) -> None:
        self.left, self.width, self.middle, self.fill = left, width, middle, fill
        self.right = left + width

    def lines(self, node: Node) -> Iterator[str]:
        shown = node.label if len(node.label) <= LONGEST else node.label[: LONGEST - 1] + "…"
        kind = "outside the cluster" if node.is_external else node.kind
        yield f"<g><title>{escape(node.label)}{escape(f' ({kind})' if kind else '')}</title>"
        yield (
            f'<rect x="{self.left:.1f}" y="{self.middle - HEIGHT / 2:.1f}" '
            f'width="{self.width:.1f}" height="{HEIGHT}" rx="6" fill="{self.fill}" '
            f'stroke="#57606a"{_dash(NOT_SEEN) if node.is_external else ""}/>'
        )
        yield (
            f'<text x="{self.left + self.width / 2:.1f}" y="{self.middle + 4.5:.1f}" '
            f'text-anchor="middle" fill="#1f2328">{escape(shown)}</text></g>'
        )


def _boxes(picture: Picture) -> list[_Box]:
    """A box for each node; those of a column are as wide as the widest, so that no call hides."""
    places = lay_out(picture)
    widths = _column_widths(picture, places)
    lefts = [MARGIN + sum(widths[:column]) + column * GAP for column in range(len(widths))]
    top = min((place.row for place in places), default=0.0)
    fills = {
        namespace: FILLS[index % len(FILLS)] for index, namespace in enumerate(picture.namespaces)
    }
    return [
        _Box(
            lefts[place.column],
            widths[place.column],
            MARGIN + HEIGHT / 2 + (place.row - top) * ROW,
            OUTSIDE if node.is_external else fills[node.namespace],
        )
        for node, place in zip(picture.nodes, places, strict=True)
    ]


def _column_widths(picture: Picture, places: Sequence[Place]) -> list[float]:
    widths: dict[int, float] = {}
    for node, place in zip(picture.nodes, places, strict=True):
        width = min(len(node.label), LONGEST) * CHARACTER + 2 * PADDING
        widths[place.column] = max(widths.get(place.column, 0.0), width)
    return [widths[column] for column in sorted(widths)]


def _edge(picture: Picture, boxes: Sequence[_Box], edge: Edge) -> str:
    start, end = boxes[edge.client], boxes[edge.server]
    client, server = picture.nodes[edge.client].label, picture.nodes[edge.server].label
    said = " ".join(
        filter(None, (client, "→", server, port_list(edge.call), edge.mark, edge.remark))
    )
    dash = _dash(edge.mark)
    if not edge.mark and edge.call.status in (ATTEMPTED, LOOKUP):
        dash = _dash(NOT_SEEN)
        said += f" ({edge.call.status})"
    faint = ' stroke-opacity="0.4"' if len(picture.edges) > MANY and not edge.mark else ""
    return (
        f'<path d="{_curve(start, end)}" fill="none" stroke="{COLORS[edge.mark]}"{faint} '
        f'stroke-width="{1.2 if edge.mark == UNMARKED else 2}"{dash} '
        f'marker-end="url(#arrow-{edge.mark.replace(" ", "-")})">'
        f"<title>{escape(said)}</title></path>"
    )


def _curve(start: _Box, end: _Box) -> str:
    """From the right side of the client to the server: its left side, or around to its right."""
    if end.left > start.right:
        bend = (end.left - start.right) / 2
        return (
            f"M{start.right:.1f} {start.middle:.1f} C{start.right + bend:.1f} {start.middle:.1f} "
            f"{end.left - bend:.1f} {end.middle:.1f} {end.left - 2:.1f} {end.middle:.1f}"
        )
    bend = GAP / 2
    aside = 8 if start is end else 0
    return (
        f"M{start.right:.1f} {start.middle - aside:.1f} "
        f"C{start.right + bend:.1f} {start.middle - aside:.1f} "
        f"{end.right + bend:.1f} {end.middle + aside:.1f} {end.right + 2:.1f} "
        f"{end.middle + aside:.1f}"
    )


def _dash(mark: str) -> str:
    return f' stroke-dasharray="{DASHES[mark]}"' if mark in DASHES else ""


def _markers() -> Iterator[str]:
    yield "<defs>"
    for mark, color in COLORS.items():
        yield (
            f'<marker id="arrow-{mark.replace(" ", "-")}" viewBox="0 0 8 8" refX="8" refY="4" '
            'markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 0 8 4 0 8z" fill="{color}"/></marker>'
        )
    yield "</defs>"
