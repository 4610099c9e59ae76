"""ClientIntents as the tutorial writes them: YAML documents, or one JSON array.

The tutorial is the specification of this form: its apiVersion, `calls` under `spec` in YAML and
under `spec.service` in JSON.
"""

import json
import re
from collections import Counter
from itertools import groupby

from otterize_pcap.graph import ServiceGraph, Workload, server_name

API_VERSION = "k8s.k8s.otterize.com/v1"
KIND = "ClientIntents"

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# Words that a YAML 1.1 or 1.2 reader takes for a boolean or null.
RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def render_yaml(graph: ServiceGraph) -> str:
    """One YAML document a client, separated by `---`; a comment for a graph without calls.

    The comment tells an export without calls from one that failed and left an empty file.
    """
    if not graph.calls:
        return "# No connections found.\n"
    names = object_names(graph)
    documents = []
    for client, calls in groupby(graph.calls, key=lambda call: call.client):
        lines = [
            f"apiVersion: {API_VERSION}",
            f"kind: {KIND}",
            "metadata:",
            f"  name: {scalar(names[client])}",
            f"  namespace: {scalar(client.namespace)}",
            "spec:",
            "  service:",
            f"    name: {scalar(client.name)}",
            "  calls:",
        ]
        called = dict.fromkeys(server_name(call.server, client) for call in calls)
        lines += [f"    - name: {scalar(name)}" for name in called]
        documents.append("\n".join(lines) + "\n")
    return "---\n".join(documents)


def render_json(graph: ServiceGraph) -> str:
    """One JSON array of ClientIntents, `[]` for a graph without calls."""
    names = object_names(graph)
    documents = []
    for client, calls in groupby(graph.calls, key=lambda call: call.client):
        called = dict.fromkeys(server_name(call.server, client) for call in calls)
        documents.append(
            {
                "kind": KIND,
                "apiVersion": API_VERSION,
                "metadata": {"name": names[client], "namespace": client.namespace},
                "spec": {
                    "service": {"name": client.name, "calls": [{"name": name} for name in called]}
                },
            }
        )
    return json.dumps(documents, indent=3, ensure_ascii=False) + "\n"


def object_names(graph: ServiceGraph) -> dict[Workload, str]:
    """A valid metadata.name for each client (S64)."""
    clients = list(dict.fromkeys(call.client for call in graph.calls))
    plain = {client: _object_name(client.name) for client in clients}
    shared = Counter((plain[client], client.namespace) for client in clients)
    return {
        client: (
            f"{plain[client]}-{client.kind.lower()}"
            if shared[plain[client], client.namespace] > 1 and client.kind
            else plain[client]
        )
        for client in clients
    }


def _object_name(name: str) -> str:
    """A DNS subdomain name (RFC 1123), as Kubernetes wants object names."""
    return re.sub(r"[^a-z0-9.-]", "-", name.lower()).strip("-.") or "client"


def scalar(text: str) -> str:
    """A string as a YAML scalar that every reader takes for that string."""
    if PLAIN.fullmatch(text) and text.lower() not in RESERVED:
        return text
    return json.dumps(text)
