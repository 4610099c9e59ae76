"""`list`: clients and the servers they call, as people read them.

checkout calls:
  - kafka
"""

from collections import Counter
from itertools import groupby

from otterize_pcap.graph import ATTEMPTED, LOOKUP, ServiceGraph, Workload, server_name

MARKS = {ATTEMPTED: " (attempted)", LOOKUP: " (lookup only)"}


def render_list(graph: ServiceGraph) -> str:
    """The graph as text, one block a client, blocks separated by a blank line.

    A client's heading is bare unless its name occurs in two namespaces (S62); kinds are named
    only where nothing else tells two workloads apart.
    """
    clients = {call.client for call in graph.calls}
    blocks = []
    for client, calls in groupby(graph.calls, key=lambda call: call.client):
        lines = [f"{heading(client, clients)} calls:"]
        names = [(server_name(call.server, client), call) for call in calls]
        repeated = Counter(name for name, _ in names)
        for name, call in names:
            kind = getattr(call.server, "kind", "")
            shown = f"{name} ({kind})" if repeated[name] > 1 and kind else name
            lines.append(f"  - {shown}{MARKS.get(call.status, '')}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def heading(client: Workload, clients: set[Workload]) -> str:
    """How a client is headed among all clients."""
    alike = [other for other in clients if other.name == client.name]
    name = client.name
    if len({other.namespace for other in alike}) > 1:
        name = f"{name}.{client.namespace}"
    if len([other for other in alike if other.namespace == client.namespace]) > 1 and client.kind:
        name = f"{name} ({client.kind})"
    return name
