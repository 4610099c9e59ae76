"""Picture → SVG 1.1, laid out here, so that Graphviz is not needed.

Nothing in it is active: no script, no link, no font or image from elsewhere.
"""

from collections.abc import Iterator, Sequence
from html import escape

from otterize_pcap.graph.naming import port_list
from otterize_pcap.graph.service_graph import ATTEMPTED, LOOKUP
from otterize_pcap.render.picture import NOT_SEEN, UNMARKED, Edge, Node, Picture
from otterize_pcap.render.routes import Routes, Spot, find_routes
from otterize_pcap.render.svg_legend import draw_legend, legend
from otterize_pcap.render.svg_style import CHARACTER, COLORS, FILLS, OUTSIDE, dash

PADDING, HEIGHT = 12, 30
ROW, GAP, MARGIN = 48, 110, 24
LONGEST = 42
ASIDE = 7
"""How far from a box's middle lines leave and enter that lead back."""
# Beyond so many edges, those without a mark are drawn faint.
MANY = 500

Point = tuple[float, float]
Curve = list[Point]
"""A beginning, and for each Bézier curve two control points and its end."""


def render_svg(picture: Picture) -> str:
    """The whole picture, its legend below; a call's ports show where the pointer rests on it."""
    routes, fills = find_routes(picture), _fills(picture)
    columns = _columns(picture, routes)
    boxes = [
        _Box(
            *columns[spot.column], _y(spot), OUTSIDE if node.is_external else fills[node.namespace]
        )
        for node, spot in zip(picture.nodes, routes.nodes, strict=True)
    ]
    curves = [
        _curve(boxes[edge.client], boxes[edge.server], _stretches(way, columns))
        for edge, way in zip(picture.edges, routes.ways, strict=True)
    ]
    # A curve lies within the hull of its points.
    right = max((x for curve in curves for x, _ in curve), default=0.0)
    right = max([right, *(box.right for box in boxes)])
    bottom = max((box.middle + HEIGHT / 2 for box in boxes), default=0.0)
    bottom = max([bottom, *(_y(spot) for way in routes.ways for spot in way)])
    key = draw_legend(legend(picture, fills), MARGIN, bottom + MARGIN, right)
    width = max(right, key.right) + MARGIN
    height = max(bottom, key.bottom) + MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        *_markers(),
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *(_edge(picture, *each) for each in zip(picture.edges, curves, strict=True)),
        *(line for node, box in zip(picture.nodes, boxes, strict=True) for line in box.lines(node)),
        *key.lines,
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
            f'stroke="#57606a"{dash(NOT_SEEN) if node.is_external else ""}/>'
        )
        yield (
            f'<text x="{self.left + self.width / 2:.1f}" y="{self.middle + 4.5:.1f}" '
            f'text-anchor="middle" fill="#1f2328">{escape(shown)}</text></g>'
        )


def _fills(picture: Picture) -> dict[str, str]:
    return {
        namespace: FILLS[index % len(FILLS)] for index, namespace in enumerate(picture.namespaces)
    }


def _columns(picture: Picture, routes: Routes) -> list[tuple[float, float]]:
    """The left edge and width of each column: all its boxes are as wide as the widest."""
    widths: dict[int, float] = {}
    for node, spot in zip(picture.nodes, routes.nodes, strict=True):
        width = min(len(node.label), LONGEST) * CHARACTER + 2 * PADDING
        widths[spot.column] = max(widths.get(spot.column, 0.0), width)
    found: list[tuple[float, float]] = []
    left = float(MARGIN)
    for column in sorted(widths):
        found.append((left, widths[column]))
        left += widths[column] + GAP
    return found


def _y(spot: Spot) -> float:
    return MARGIN - (ROW - HEIGHT) / 2 + spot.row * ROW


def _stretches(
    way: Sequence[Spot], columns: Sequence[tuple[float, float]]
) -> list[tuple[float, float, float]]:
    """The channels that an edge passes: from where, to where, at which height."""
    return [(columns[spot.column][0], sum(columns[spot.column]), _y(spot)) for spot in way]


def _curve(start: _Box, end: _Box, way: Sequence[tuple[float, float, float]]) -> Curve:
    """From the client to the server, through the channels between their columns."""
    if end.left > start.right:
        curve = [(start.right, start.middle)]
        for left, right, height in way:
            _bend(curve, (left, height))
            curve += [(left, height), (right, height), (right, height)]
        _bend(curve, (end.left - 2, end.middle))
        return curve
    if end.right < start.left:
        curve = [(start.left, start.middle + ASIDE)]
        for left, right, height in way:
            _bend(curve, (right, height))
            curve += [(right, height), (left, height), (left, height)]
        _bend(curve, (end.right + 2, end.middle + ASIDE))
        return curve
    # In one column: around on the right.
    bend = GAP / 2
    begin, goal = start.middle - ASIDE, end.middle + ASIDE
    return [
        (start.right, begin),
        (start.right + bend, begin),
        (end.right + bend, goal),
        (end.right + 2, goal),
    ]


def _bend(curve: Curve, end: Point) -> None:
    """Lead a curve on to a point, level at both ends."""
    x, y = curve[-1]
    half = (x + end[0]) / 2
    curve += [(half, y), (half, end[1]), end]


def _edge(picture: Picture, edge: Edge, curve: Curve) -> str:
    client, server = picture.nodes[edge.client].label, picture.nodes[edge.server].label
    said = " ".join(
        filter(None, (client, "→", server, port_list(edge.call), edge.mark, edge.remark))
    )
    dashed = dash(edge.mark)
    if not edge.mark and edge.call.status in (ATTEMPTED, LOOKUP):
        dashed = dash(NOT_SEEN)
        said += f" ({edge.call.status})"
    faint = ' stroke-opacity="0.4"' if len(picture.edges) > MANY and not edge.mark else ""
    first, *others = (f"{x:.1f} {y:.1f}" for x, y in curve)
    path = f"M{first} C{' '.join(others)}"
    return (
        f'<path d="{path}" fill="none" stroke="{COLORS[edge.mark]}"{faint} '
        f'stroke-width="{1.2 if edge.mark == UNMARKED else 2}"{dashed} '
        f'marker-end="url(#arrow-{edge.mark.replace(" ", "-")})">'
        f"<title>{escape(said)}</title></path>"
    )


def _markers() -> Iterator[str]:
    yield "<defs>"
    for mark, color in COLORS.items():
        yield (
            f'<marker id="arrow-{mark.replace(" ", "-")}" viewBox="0 0 8 8" refX="8" refY="4" '
            'markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 0 8 4 0 8z" fill="{color}"/></marker>'
        )
    yield "</defs>"
