"""`list --wide`: one line for each port of each call, in columns."""

from otterize_pcap.api_groups import written_kind
from otterize_pcap.graph.call_rows import CallRow, call_rows
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import ServiceGraph

HEADINGS = (
    "CLIENT",
    "NAMESPACE",
    "KIND",
    "SERVER",
    "NAMESPACE",
    "KIND",
    "PORT",
    "CONNECTIONS",
    "FIRST SEEN",
    "LAST SEEN",
    "OUTCOME",
)
ABSENT = "-"
GAP = "   "


def render_wide(graph: ServiceGraph) -> str:
    """A table with headings; empty for a graph without calls."""
    lines = [_cells(row) for row in call_rows(graph)]
    if not lines:
        return ""
    table = [HEADINGS, *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in table
    )


def _cells(row: CallRow) -> tuple[str, ...]:
    label = f" [{row.client_label}]" if row.client_label else ""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in row.outcomes.items())
    cells = (
        row.client + label,
        row.client_namespace,
        written_kind(row.client_kind, row.client_group),
        row.server,
        row.server_namespace or ("internet" if row.internet else ""),
        written_kind(row.server_kind, row.server_group),
        "" if row.port is None else f"{row.port}/{row.protocol or '?'}",
        "" if row.connections is None else str(row.connections),
        _to_the_second(row.first_seen),
        _to_the_second(row.last_seen),
        outcomes or row.status,
    )
    return tuple(printable(cell) or ABSENT for cell in cells)


def _to_the_second(time: str | None) -> str:
    return "" if time is None else f"{time[:19]}Z"
