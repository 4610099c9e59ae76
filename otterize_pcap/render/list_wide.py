"""`list --wide`: one line for each port of each call, in columns."""

from collections.abc import Container, Iterator, Sequence
from textwrap import wrap

from otterize_pcap.api_groups import written_kind
from otterize_pcap.graph.call_rows import CallRow, call_rows
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import ServiceGraph, Use

ABSENT = "-"
GAP = "   "
COLUMNS = (
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
# Of several captures together.
OVER_TIME = ("CAPTURES", "HOURS (UTC)")
# What is left out where a terminal has no room, the least missed first.
NARROWER = (
    (),
    ("KIND",),
    ("KIND", "LAST SEEN"),
    ("KIND", "LAST SEEN", "FIRST SEEN"),
    ("KIND", "LAST SEEN", "FIRST SEEN", "OUTCOME"),
)


def render_wide(graph: ServiceGraph, width: int | None = None) -> str:
    """A table with headings; empty for a graph without calls.

    Args:
        graph: The calls.
        width: Columns of a terminal: those of the table that fit are shown, and where too few do,
            each port has lines of its own. None where there is no limit.
    """
    captures = graph.coverage.captures if graph.coverage is not None else 1
    columns = COLUMNS if captures == 1 else (*COLUMNS, *OVER_TIME)
    rows = [
        (*_cells(row), *_over_time(use, captures))[: len(columns)]
        for row, use in zip(call_rows(graph), _uses(graph), strict=True)
    ]
    if not rows:
        return ""
    for left_out in NARROWER:
        table = _table(columns, rows, left_out)
        if width is None or max(map(len, table.splitlines())) <= width:
            return table
    return "\n".join(_stacked(row, width or 0) for row in rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], left_out: Container[str]) -> str:
    kept = [place for place, name in enumerate(columns) if name not in left_out]
    lines = [[line[place] for place in kept] for line in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _stacked(row: Sequence[str], width: int) -> str:
    """One port in lines of its own, wrapped."""
    client, client_namespace, client_kind, server, server_namespace, server_kind, *rest = row
    port, connections, first, last, outcome, *over_time = rest
    texts = [
        f"{client}.{client_namespace} ({client_kind})",
        f"  -> {server}.{server_namespace} ({server_kind}) {port}",
        f"  connections: {connections} ({outcome})",
        f"  seen: {first} to {last}",
    ]
    if over_time:
        texts.append(f"  captures: {over_time[0]}, hours (UTC): {over_time[1]}")
    lines = (
        line
        for text in texts
        for line in wrap(text, max(width, 20), subsequent_indent="     ", break_on_hyphens=False)
    )
    return "".join(f"{line}\n" for line in lines)


def _uses(graph: ServiceGraph) -> Iterator[Use | None]:
    """What each row is of, in the order of `call_rows`."""
    for call in graph.calls:
        yield from call.uses or (None,)


def _over_time(use: Use | None, captures: int) -> tuple[str, str]:
    """In how many captures it was seen, and at which hours of the day."""
    if use is None or not use.connections:
        return ABSENT, ABSENT
    return f"{use.captures}/{captures}", ", ".join(f"{hour:02}" for hour in use.hours) or ABSENT


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
