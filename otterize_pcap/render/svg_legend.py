"""What a picture's colours and lines mean, drawn below it."""

from collections.abc import Iterator, Mapping
from html import escape

from msgspec import Struct

from otterize_pcap.graph.service_graph import ATTEMPTED, LOOKUP
from otterize_pcap.render.picture import NOT_SEEN, UNMARKED, Picture
from otterize_pcap.render.svg_style import CHARACTER, COLORS, OUTSIDE, dash

MOST_NAMESPACES = 24
"""More are not explained: every label ends with its namespace."""
SWATCH, SPACE, LINE = 22, 18, 22


class Key(Struct, frozen=True):
    """One entry: a box of a fill, or a line of a mark, and what it means."""

    text: str
    fill: str = ""
    mark: str | None = None
    dotted: bool = False


class Drawn(Struct, frozen=True):
    """The lines that draw a legend, and how far down and right it goes."""

    lines: list[str]
    bottom: float
    right: float


def legend(picture: Picture, fills: Mapping[str, str]) -> tuple[Key, ...]:
    """What has to be explained; nothing where there are only calls within one namespace."""
    keys = [Key(name, fills[name]) for name in picture.namespaces[:MOST_NAMESPACES]]
    if more := len(picture.namespaces) - len(keys):
        keys.append(Key(f"and {more} more", OUTSIDE))
    if any(node.is_external for node in picture.nodes):
        keys.append(Key("outside the cluster", OUTSIDE, dotted=True))
    marks = {edge.mark for edge in picture.edges}
    keys += [Key(f"call, {mark}", mark=mark) for mark in COLORS if mark in marks - {UNMARKED}]
    statuses = {edge.call.status for edge in picture.edges if edge.mark == UNMARKED}
    for status, text in ((ATTEMPTED, "attempted only"), (LOOKUP, "looked up only")):
        if status in statuses:
            keys.append(Key(text, mark=UNMARKED, dotted=True))
    return tuple(keys) if len(keys) > 1 else ()


def draw_legend(keys: tuple[Key, ...], left: float, top: float, width: float) -> Drawn:
    """A legend in rows that are filled from the left.

    Args:
        keys: Its entries.
        left: Where a row begins.
        top: Where the first row begins.
        width: Where a row ends, unless one entry alone is longer.
    """
    lines: list[str] = []
    x, y, right = left, top, 0.0
    for key in keys:
        long = SWATCH + len(key.text) * CHARACTER + SPACE
        if x > left and x + long > max(width, 320):
            x, y = left, y + LINE
        lines += _entry(key, x, y + LINE / 2)
        x += long
        right = max(right, x - SPACE)
    return Drawn(lines, y + LINE if keys else 0.0, right)


def _entry(key: Key, x: float, middle: float) -> Iterator[str]:
    if key.mark is None:
        dashed = dash(NOT_SEEN) if key.dotted else ""
        yield (
            f'<rect x="{x:.1f}" y="{middle - 6:.1f}" width="16" height="12" rx="3" '
            f'fill="{key.fill}" stroke="#57606a"{dashed}/>'
        )
    else:
        yield (
            f'<path d="M{x:.1f} {middle:.1f} h16" stroke="{COLORS[key.mark]}" stroke-width="2"'
            f"{dash(NOT_SEEN) if key.dotted else dash(key.mark)}/>"
        )
    yield (
        f'<text x="{x + SWATCH:.1f}" y="{middle + 4.5:.1f}" fill="#57606a">'
        f"{escape(key.text)}</text>"
    )
