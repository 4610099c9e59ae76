"""A service graph seen another way, before it is rendered."""

from msgspec.structs import replace

from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import SERVICE, Call, ServiceGraph, Use, Workload


def through_services(graph: ServiceGraph) -> ServiceGraph:
    """The graph with Services as servers where a call went through one.

    A port that was reached through several Services, or through one and directly too, is shown
    under each; its counts stay whole, since they were not kept apart.
    """
    calls: dict[tuple[Workload, object], Call] = {}
    for call in graph.calls:
        for service in _servers(call):
            server = call.server if service is None else _service(service)
            uses = [use for use in call.uses if _is_through(use, service)]
            known = calls.get((call.client, server))
            merged = {
                (use.protocol, use.port): use for use in (*(known.uses if known else ()), *uses)
            }
            calls[call.client, server] = replace(
                call, server=server, uses=tuple(merged[key] for key in sorted(merged))
            )
    return replace(graph, calls=tuple(sorted(calls.values(), key=call_order)))


def _servers(call: Call) -> list[str | None]:
    """The Services that a call went through, and None where some of it went through none."""
    services: list[str | None] = [*sorted({name for use in call.uses for name in use.services})]
    if not services or not all(use.services for use in call.uses):
        services.append(None)
    return services


def _is_through(use: Use, service: str | None) -> bool:
    return service in use.services if service is not None else not use.services


def _service(full_name: str) -> Workload:
    name, _, namespace = full_name.rpartition(".")
    return Workload(name, namespace, SERVICE)
