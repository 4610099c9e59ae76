"""What a capture saw that may be a call which its graph does not hold.

Absent from the graph is not absent from the capture: an option may hide the call, or its
connections are among those of which an end or the direction is not known (S65).
"""

from collections.abc import Iterator
from dataclasses import replace

from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    External,
    HiddenCall,
    ServiceGraph,
    UndecidedCall,
    Workload,
    could_be,
)
from otterize_pcap.resolve.build_graph import HIDDEN_BY_OPTION, HIDDEN_EXTERNAL
from otterize_pcap.resolve.resolution import NODE_CLIENT

HIDDEN_OUTSIDE = "calls out of the cluster were seen that are only shown with --internet"


def seen_otherwise(
    call: Call, graph: ServiceGraph, old: Coverage | None = None, *, in_vain: bool = False
) -> tuple[str, ...]:
    """Why a call may be in a capture though its graph does not hold it; empty where it is not.

    `old` is what an earlier graph, which held the call, rests on. `in_vain` counts what was seen
    and did not become a call, since it was never established.
    """
    if graph.coverage is None:
        return ()
    reasons = {
        f"seen, but {seen.fate}"
        for seen in graph.hidden
        if (in_vain or seen.fate in HIDDEN_BY_OPTION) and _is_hidden(call, seen)
    }
    reasons |= {
        f"connections that may be it are {one.fate}"
        for one in graph.coverage.undecided
        if _may_be(call, one) or _is_new_node_client(call, one, old)
    }
    return (*sorted(reasons), *_outside(call, graph.coverage))


def is_service(declared: Workload, service: str) -> bool:
    """Whether a Service, as `name.namespace`, is meant by a name that may lack its namespace."""
    name, _, namespace = service.rpartition(".")
    return declared.name == name and declared.namespace in ("", namespace)


def may_be_service(declared: Workload) -> bool:
    """Whether a name can be a Service's: a document may leave out the kind."""
    return not declared.kind or declared.is_service


def _is_hidden(call: Call, seen: HiddenCall) -> bool:
    """Whether a call could be one that was seen but is not shown."""
    server = call.server
    if isinstance(server, External) or not could_be(call.client, seen.client):
        return False
    return could_be(server, seen.server) or (
        may_be_service(server) and any(is_service(server, service) for service in seen.services)
    )


def _is_new_node_client(call: Call, seen: UndecidedCall, old: Coverage | None) -> bool:
    """Whether a node calls what it did not before, so that it may be the call of a pod there.

    A hostNetwork pod, or one on a node of its own, has its node's address: without the pod, or
    without the node's addresses, its calls come from the node. Probes were there before.
    """
    if old is None or seen.fate != NODE_CLIENT:
        return False
    before = ((one.fate, one.servers, one.protocol) for one in old.undecided)
    anybody = replace(seen, clients=None)
    return (seen.fate, seen.servers, seen.protocol) not in before and _may_be(call, anybody)


def _may_be(call: Call, seen: UndecidedCall) -> bool:
    """Whether some connections that are not decided may be a call's."""
    protocols = {use.protocol for use in call.uses}
    if seen.protocol and protocols and "" not in protocols and seen.protocol not in protocols:
        return False
    clients, servers = seen.clients, seen.servers
    if clients is not None and not any(_is(call.client, one) for one in clients):
        return False
    if isinstance(call.server, External):
        return servers is not None and any(isinstance(one, External) for one in servers)
    # What is behind a Service may have any name.
    if servers is None or call.server.is_service:
        return True
    return any(_is(call.server, one) for one in servers)


def _is(workload: Workload, one: Workload | External) -> bool:
    return isinstance(one, Workload) and could_be(workload, one)


def _outside(call: Call, coverage: Coverage) -> Iterator[str]:
    if isinstance(call.server, External) and dict(coverage.connections).get(HIDDEN_EXTERNAL):
        yield HIDDEN_OUTSIDE
