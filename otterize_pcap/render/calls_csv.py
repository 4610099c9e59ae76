"""`list --format csv`: one record for each port of each call (RFC 4180, with bare newlines).

The columns are the fields of the JSON list. A spreadsheet would take a cell that starts with
`=`, `+`, `-` or `@` for a formula, and names come from the cluster: such a cell gets an
apostrophe in front, which spreadsheets do not show. What is not printable is escaped.
"""

import msgspec

from otterize_pcap.graph.call_rows import CallRow, call_rows
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import ServiceGraph

FORMULA = ("=", "+", "-", "@", "\t", "\r")
QUOTED = frozenset(',"\r\n')


def render_csv(graph: ServiceGraph) -> str:
    """All rows under a line of headings."""
    headings = [field.encode_name for field in msgspec.structs.fields(CallRow)]
    records = [headings, *(map(_text, msgspec.structs.astuple(row)) for row in call_rows(graph))]
    return "".join(",".join(map(_cell, record)) + "\n" for record in records)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return " ".join(f"{printable(str(key))}={count}" for key, count in value.items())
        case tuple():
            return " ".join(map(printable, map(str, value)))
    return printable(str(value))


def _cell(text: str) -> str:
    """A cell in quotes where it needs them; the csv module leaves a carriage return bare."""
    safe = f"'{text}" if text.startswith(FORMULA) else text
    return safe if QUOTED.isdisjoint(safe) else '"' + safe.replace('"', '""') + '"'
