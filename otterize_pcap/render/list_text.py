"""`list`: clients and the servers they call, as people read them.

checkout calls:
  - kafka
"""

from itertools import groupby

from otterize_pcap.graph.naming import Names
from otterize_pcap.graph.service_graph import ATTEMPTED, LOOKUP, Call, ServiceGraph

MARKS = {ATTEMPTED: " (attempted)", LOOKUP: " (lookup only)"}


def render_list(graph: ServiceGraph, *, ports: bool = False) -> str:
    """The graph as text, one block a client, blocks separated by a blank line."""
    names = Names(graph.calls)
    blocks = []
    for client, calls in groupby(graph.calls, key=lambda call: call.client):
        lines = [f"{names.client(client)} calls:"]
        lines += [f"  - {server_line(call, names, ports=ports)}" for call in calls]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def server_line(call: Call, names: Names, *, ports: bool = False) -> str:
    """A server with its mark, and on request its ports."""
    used = [f"{use.protocol} {use.port}".lstrip() for use in call.uses] if ports else []
    listed = f" ({', '.join(used)})" if used else ""
    return f"{names.server(call)}{listed}{MARKS.get(call.status, '')}"
