"""Service graph → ClientIntents documents, in each version as far as it can hold the graph.

A document is a plain mapping, ready to be written as YAML or JSON. What a version has no field
for (kinds, servers on the internet) is left out, and `left_out` says so. Two things that no
version has a field for go into annotations, where readers of ours find them again: calls that
were only attempted or looked up, and, on request, ports.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct

from otterize_pcap.graph.naming import server_name
from otterize_pcap.graph.service_graph import ESTABLISHED, Call, External, ServiceGraph, Workload
from otterize_pcap.intents.versions import TUTORIAL, IntentsVersion

KIND = "ClientIntents"
STATUS_ANNOTATION = "otterize-pcap/status"
PORTS_ANNOTATION = "otterize-pcap/ports"
SERVICE_PREFIX = "svc:"
MAX_OBJECT_NAME = 253

Document = dict[str, Any]


class ClientDocument(Struct, frozen=True):
    """The calls of one client: `name` is its metadata.name, `calls` share the client."""

    client: Workload
    name: str
    calls: tuple[Call, ...]


def intents_documents(
    graph: ServiceGraph, version: IntentsVersion = TUTORIAL, *, ports: bool = False
) -> list[Document]:
    """One document a client, in the graph's order.

    Args:
        graph: What to declare.
        version: The form.
        ports: Add an annotation with the ports of each server.
    """
    documents = []
    for client in client_documents(graph, version):
        metadata: Document = {"name": client.name}
        if client.client.namespace:
            metadata["namespace"] = client.client.namespace
        annotations = _annotations(client.calls, version, ports=ports)
        if annotations:
            metadata["annotations"] = annotations
        documents.append(
            {
                "apiVersion": version.api_version,
                "kind": KIND,
                "metadata": metadata,
                "spec": _spec(client, version),
            }
        )
    return documents


def client_documents(graph: ServiceGraph, version: IntentsVersion) -> list[ClientDocument]:
    """The graph's calls by the document that will hold them.

    An operator accepts one document a client; in a version without kinds, clients of one name in
    a namespace therefore share theirs.
    """
    held = [call for call in graph.calls if version.internet or not _outside(call)]
    if version.served and not version.kinds:
        held = sorted(held, key=lambda call: (call.client.name, call.client.namespace))
        groups = groupby(held, key=lambda call: Workload(call.client.name, call.client.namespace))
    else:
        groups = groupby(held, key=lambda call: call.client)
    clients = [(client, tuple(calls)) for client, calls in groups]
    names = object_names([client for client, _ in clients])
    return [ClientDocument(client, names[client], calls) for client, calls in clients]


def left_out(graph: ServiceGraph, version: IntentsVersion) -> list[str]:
    """What of a graph a version cannot hold, a sentence each."""
    lines = []
    outside = sum(1 for call in graph.calls if _outside(call))
    if outside and not version.internet:
        lines.append(f"{version.name} cannot declare servers on the internet: {outside} left out")
    return lines


def object_names(clients: Sequence[Workload]) -> dict[Workload, str]:
    """A valid metadata.name for each client, no two alike in a namespace (S64)."""
    names = {client: object_name(client.name) for client in clients}
    for suffix in (_kind_suffix, _digest_suffix):
        shared = Counter((client.namespace, name) for client, name in names.items())
        names = {
            client: _with_suffix(name, suffix(client))
            if shared[client.namespace, name] > 1
            else name
            for client, name in names.items()
        }
    return names


def _kind_suffix(client: Workload) -> str:
    parts = (client.written_kind, client.label.partition("=")[2])
    return "".join(f"-{part}" for part in parts if part)


def _digest_suffix(client: Workload) -> str:
    identity = f"{client.name}\n{client.namespace}\n{client.kind}\n{client.label}"
    identity += f"\n{client.group}" if client.group else ""
    return "-" + hashlib.sha256(identity.encode()).hexdigest()[:8]


def _with_suffix(name: str, suffix: str) -> str:
    return object_name(name[: MAX_OBJECT_NAME - len(suffix)] + suffix)


def object_name(name: str) -> str:
    """A DNS subdomain name (RFC 1123), as Kubernetes wants object names."""
    plain = re.sub(r"[^a-z0-9.-]", "-", name.lower())
    plain = re.sub(r"[-.]*\.[-.]*", ".", plain)
    return plain[:MAX_OBJECT_NAME].strip("-.") or "client"


def _outside(call: Call) -> bool:
    return isinstance(call.server, External)


def _annotations(calls: Iterable[Call], version: IntentsVersion, *, ports: bool) -> dict[str, str]:
    """Statuses and ports by the server's written name; one name for all of its kinds."""
    statuses: dict[str, set[str]] = defaultdict(set)
    used: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        name = written_name(call, version)
        statuses[name].add(call.status)
        used[name].update(f"{use.protocol}/{use.port}" for use in call.uses)
    marked = {
        name: min(seen - {ESTABLISHED})
        for name, seen in sorted(statuses.items())
        if ESTABLISHED not in seen
    }
    annotations = {}
    if marked:
        annotations[STATUS_ANNOTATION] = _compact(marked)
    known = {name: sorted(entries) for name, entries in sorted(used.items()) if entries}
    if ports and known:
        annotations[PORTS_ANNOTATION] = _compact(known)
    return annotations


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def written_name(call: Call, version: IntentsVersion) -> str:
    """How a call's server is named in a document of its client."""
    name = server_name(call.server, call.client)
    if version.kinds and not version.targets and _is_service(call):
        return SERVICE_PREFIX + name
    return name


def _is_service(call: Call) -> bool:
    return isinstance(call.server, Workload) and call.server.is_service


def _spec(client: ClientDocument, version: IntentsVersion) -> Document:
    identity: Document = {"name": client.client.name}
    if version.kinds and client.client.kind:
        identity["kind"] = client.client.written_kind
    write = _target if version.targets else _call
    entries: list[Document] = []
    for call in client.calls:
        entry = write(call, version)
        if entry not in entries:
            entries.append(entry)
    if version.targets:
        return {"workload": identity, "targets": entries}
    return {"service": identity, "calls": entries}


def _call(call: Call, version: IntentsVersion) -> Document:
    if isinstance(call.server, External):
        return {"type": "internet", "internet": _internet(call, call.server)}
    entry: Document = {"name": written_name(call, version)}
    if version.kinds and call.server.kind and not _is_service(call):
        entry["kind"] = call.server.written_kind
    return entry


def _target(call: Call, version: IntentsVersion) -> Document:
    if isinstance(call.server, External):
        return {"internet": _internet(call, call.server)}
    entry: Document = {"name": written_name(call, version)}
    if _is_service(call):
        return {"service": entry}
    if call.server.kind:
        entry["kind"] = call.server.written_kind
    return {"kubernetes": entry}


def _internet(call: Call, server: External) -> Document:
    value: Document = {"ips" if server.is_address else "domains": [server.name]}
    ports = sorted({use.port for use in call.uses})
    if ports:
        value["ports"] = ports
    return value
