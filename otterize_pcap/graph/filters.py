"""Filters on a service graph, captured or declared (S60)."""

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.errors import UsageError
from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload


class GraphFilter(Struct, frozen=True):
    """What to keep: `namespaces` are the clients'; `server` is (name, namespace).

    `exclude_services` are names, or `name.namespace`, of workloads to leave out on either side.
    """

    namespaces: frozenset[str] = frozenset()
    server: tuple[str, str] | None = None
    exclude_services: frozenset[str] = frozenset()


def parse_server(text: str) -> tuple[str, str]:
    """`NAME.NAMESPACE`; a name has no dots (S5), so the first one separates."""
    name, dot, namespace = text.partition(".")
    if not (name and dot and namespace):
        message = f"--server {text}: expected NAME.NAMESPACE, for example --server kafka.shop"
        raise UsageError(message)
    return name, namespace


def refuse_both(wanted: GraphFilter) -> None:
    """Refuse a server together with namespaces: upstream has no meaning for both.

    Raises:
        UsageError: Both are asked for.
    """
    if wanted.server is not None and wanted.namespaces:
        message = "--server cannot be used together with --namespace; drop one of them"
        raise UsageError(message)


def filter_graph(graph: ServiceGraph, wanted: GraphFilter) -> ServiceGraph:
    """The part of a graph that a filter keeps.

    Raises:
        UsageError: Both a server and namespaces are asked for.
    """
    refuse_both(wanted)
    calls = [call for call in graph.calls if not _excluded(call, wanted.exclude_services)]
    if wanted.namespaces:
        calls = [call for call in calls if call.client.namespace in wanted.namespaces]
    if wanted.server is not None:
        callers = {
            call.client
            for call in calls
            if isinstance(call.server, Workload)
            and (call.server.name, call.server.namespace) == wanted.server
        }
        calls = [call for call in calls if call.client in callers]
    return replace(graph, calls=tuple(calls))


def _excluded(call: Call, services: frozenset[str]) -> bool:
    return any(
        workload.name in services or f"{workload.name}.{workload.namespace}" in services
        for workload in (call.client, call.server)
        if isinstance(workload, Workload)
    )
