"""`diff` as text: `list` of the new state, added calls marked `+`, removed `-`, changed `~`.

A call that the new capture could not have shown is marked `?`.
"""

from itertools import groupby

from otterize_pcap.compare.diff import GraphDiff
from otterize_pcap.graph.naming import Names
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call
from otterize_pcap.render.list_text import server_line

COLORS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m", "?": "\x1b[36m", " ": ""}
RESET = "\x1b[0m"

Marked = tuple[Call, str, str]


def render_diff(diff: GraphDiff, *, color: bool = False, changes_only: bool = False) -> str:
    """All clients of both graphs and their calls, each line marked; empty without a difference.

    With `changes_only`, clients without a marked line are left out.
    """
    if diff.is_empty and not diff.not_seen:
        return ""
    marked = sorted(_marked(diff), key=lambda entry: (call_order(entry[0]), entry[1]))
    names = Names(call for call, _, _ in marked)
    blocks = []
    for client, group in groupby(marked, key=lambda entry: entry[0].client):
        entries = list(group)
        marks = {mark for _, mark, _ in entries}
        if changes_only and marks == {" "}:
            continue
        head = marks.pop() if len(marks) == 1 and marks <= {"+", "-"} else " "
        lines = [_line(head, f"{names.client(client)} calls:", color=color)]
        lines += [
            _line(mark, f"  - {server_line(call, names)}{note}", color=color)
            for call, mark, note in entries
        ]
        blocks.append("".join(lines))
    return "\n".join(blocks)


def _marked(diff: GraphDiff) -> list[Marked]:
    return [
        *((call, "+", "") for call in diff.added),
        *((call, "-", "") for call in diff.removed),
        *((change.new, "~", f" ({'; '.join(change.reasons)})") for change in diff.changed),
        *((entry.call, "?", "") for entry in diff.not_seen),
        *((call, " ", "") for call in diff.unchanged),
    ]


def _line(mark: str, text: str, *, color: bool) -> str:
    if not color or not COLORS[mark]:
        return f"{mark} {text}\n"
    return f"{COLORS[mark]}{mark} {text}{RESET}\n"
