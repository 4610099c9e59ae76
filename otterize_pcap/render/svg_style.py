"""Colours, lines and measures that a picture and its legend have in common."""

from otterize_pcap.render.picture import ADDED, CHANGED, NOT_SEEN, REMOVED, UNMARKED

CHARACTER = 7.2
"""About the width of a letter, in pixels."""
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


def dash(mark: str) -> str:
    """The attribute that dashes a line of a mark, if its lines are dashed."""
    return f' stroke-dasharray="{DASHES[mark]}"' if mark in DASHES else ""
