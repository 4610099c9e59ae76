"""Service graph → one row for each port of each call: what tables, CSV and JSON lists show."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from otterize_pcap.graph.service_graph import Call, External, ServiceGraph, Use, Workload
from otterize_pcap.timestamps import format_time


class CallRow(msgspec.Struct, frozen=True, rename="camel"):
    """One port of one call; a call without known ports is one row without them.

    Namespace and kind are empty for a server outside the cluster, a group for all but custom
    resources. `outcomes` counts connections by
    outcome, `services` are the Services it was reached through. Times are RFC 3339.
    """

    client: str
    client_namespace: str
    client_kind: str
    client_label: str
    server: str
    server_namespace: str
    server_kind: str
    internet: bool
    status: str
    protocol: str | None = None
    port: int | None = None
    connections: int | None = None
    bytes_to_server: int | None = None
    bytes_to_client: int | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    outcomes: dict[str, int] = {}
    services: tuple[str, ...] = ()
    client_group: str = ""
    server_group: str = ""


def call_rows(graph: ServiceGraph) -> Iterator[CallRow]:
    """The rows, in the graph's order."""
    for call in graph.calls:
        ends = _ends(call)
        if not call.uses:
            yield ends
        for use in call.uses:
            yield _row(ends, use)


def _ends(call: Call) -> CallRow:
    """What all rows of a call have in common."""
    client, server = call.client, call.server
    inside = server if isinstance(server, Workload) else Workload(server.name, "")
    return CallRow(
        client=client.name,
        client_namespace=client.namespace,
        client_kind=client.kind,
        client_label=client.label,
        server=inside.name,
        server_namespace=inside.namespace,
        server_kind=inside.kind,
        internet=isinstance(server, External),
        status=call.status,
        client_group=client.group,
        server_group=inside.group,
    )


def _row(ends: CallRow, use: Use) -> CallRow:
    if not use.connections:
        return replace(ends, protocol=use.protocol or None, port=use.port)
    return replace(
        ends,
        protocol=use.protocol,
        port=use.port,
        connections=use.connections,
        bytes_to_server=use.bytes[0],
        bytes_to_client=use.bytes[1],
        first_seen=format_time(use.first_ns),
        last_seen=format_time(use.last_ns),
        outcomes=dict(use.outcomes),
        services=use.services,
    )
