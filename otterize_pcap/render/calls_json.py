"""`list --format json`: an array with one object for each port of each call.

docs/schemas/calls.schema.json is made from the type of these objects.
"""

from typing import Any

import msgspec

from otterize_pcap.graph.call_rows import CallRow, call_rows
from otterize_pcap.graph.service_graph import ServiceGraph


def render_rows(graph: ServiceGraph) -> str:
    """The rows as indented JSON with a final newline."""
    rows = list(call_rows(graph))
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the array (draft 2020-12)."""
    return msgspec.json.schema(list[CallRow])
