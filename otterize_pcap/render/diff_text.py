"""`diff` as text: `list` of the new state, added calls marked `+`, removed `-`, changed `~`.

A call that the new capture could not have shown is marked `?`.
"""

from collections import defaultdict

from otterize_pcap.diff import GraphDiff
from otterize_pcap.graph import Call, Workload, call_order, server_name
from otterize_pcap.render.list_text import heading

COLORS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m", "?": "\x1b[36m", " ": ""}
RESET = "\x1b[0m"


def render_diff(diff: GraphDiff, *, color: bool = False) -> str:
    """All clients of both graphs and their calls, each line marked; empty without a difference."""
    if diff.is_empty and not diff.not_seen:
        return ""
    marked: dict[Workload, list[tuple[Call, str, str]]] = defaultdict(list)
    for mark, calls in (("+", diff.added), ("-", diff.removed), ("?", diff.not_seen)):
        for call in calls:
            marked[call.client].append((call, mark, ""))
    for call in diff.unchanged:
        marked[call.client].append((call, " ", ""))
    for change in diff.changed:
        marked[change.new.client].append((change.new, "~", f" ({'; '.join(change.reasons)})"))
    clients = set(marked)
    blocks = []
    for client in sorted(clients):
        entries = sorted(marked[client], key=lambda entry: call_order(entry[0]))
        marks = {mark for _, mark, _ in entries}
        head = marks.pop() if len(marks) == 1 and marks <= {"+", "-"} else " "
        lines = [_line(head, f"{heading(client, clients)} calls:", color=color)]
        lines += [
            _line(mark, f"  - {server_name(call.server, client)}{note}", color=color)
            for call, mark, note in entries
        ]
        blocks.append("".join(lines))
    return "\n".join(blocks)


def _line(mark: str, text: str, *, color: bool) -> str:
    if not color or not COLORS[mark]:
        return f"{mark} {text}\n"
    return f"{COLORS[mark]}{mark} {text}{RESET}\n"
