"""`list --format csv`: one record for each port of each call (RFC 4180, with bare newlines).

The columns are the fields of the JSON list. A spreadsheet would take a cell that starts with
`=`, `+`, `-` or `@` for a formula, and names come from the cluster: such a cell gets an
apostrophe in front, which spreadsheets do not show.
"""

import re

import msgspec

from otterize_pcap.call_rows import CallRow, call_rows
from otterize_pcap.graph import ServiceGraph

SPECIAL = re.compile(r'[",\r\n]')
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_csv(graph: ServiceGraph) -> str:
    """All rows under a line of headings."""
    headings = [field.encode_name for field in msgspec.structs.fields(CallRow)]
    rows = ([_cell(value) for value in msgspec.structs.astuple(row)] for row in call_rows(graph))
    return "".join(",".join(map(_quoted, record)) + "\n" for record in (headings, *rows))


def _quoted(cell: str) -> str:
    """A cell in quotes where it needs them: csv.writer forgets carriage returns before 3.13."""
    if not SPECIAL.search(cell):
        return cell
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return " ".join(f"{key}={count}" for key, count in value.items())
        case tuple():
            return " ".join(map(str, value))
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
