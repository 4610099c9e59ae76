"""Where a page comes from: captures, times, coverage and gaps, so that a saved page proves it."""

from typing import Any

from msgspec import Struct

from otterize_pcap.compare.coverage_gaps import coverage_gaps
from otterize_pcap.graph.naming import full_name, printable
from otterize_pcap.graph.service_graph import Coverage, Server, ServiceGraph, UndecidedCall
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.timestamps import format_time


class Origin(Struct, frozen=True):
    """A graph that a page shows; `role` tells the two of a diff apart (`old`, `new`)."""

    graph: ServiceGraph
    role: str = ""


def origin_entry(origin: Origin) -> dict[str, Any]:
    """What the page's head says of one graph; documents have no coverage."""
    graph, coverage = origin.graph, origin.graph.coverage
    return {
        "role": origin.role,
        "owners": [list(map(full_name_of, pair)) for pair in (*graph.roots, *graph.parts)],
        "inferred": [[full_name_of(one), printable(by)] for one, by in graph.inferred],
        "coverage": None if coverage is None else _coverage(coverage),
    }


def full_name_of(party: Server) -> str:
    """A party as the page finds it again."""
    return printable(full_name(party))


def _coverage(coverage: Coverage) -> dict[str, Any]:
    times = [
        time
        for file in coverage.files
        for time in (file.first_ns, file.last_ns)
        if time is not None
    ]
    captured = [node for node in coverage.nodes if node.status is NodeStatus.CAPTURED]
    return {
        "files": [
            [printable(file.file), printable(file.node or ""), file.packets, file.dropped]
            for file in coverage.files
        ],
        "first": format_time(min(times)) if times else None,
        "last": format_time(max(times)) if times else None,
        "seconds": (max(times) - min(times)) / 1e9 if times else 0,
        "nodes": len(coverage.nodes),
        "captured": len(captured),
        "gaps": [
            [
                printable(gap.reason),
                None if gap.workloads is None else list(map(full_name_of, gap.workloads)),
            ]
            for gap in coverage_gaps(coverage)
        ],
        "connections": {printable(str(fate)): count for fate, count in coverage.connections},
        "notes": list(map(printable, coverage.notes)),
        "undecided": [_undecided(call) for call in coverage.undecided],
        "shared": [
            [list(map(full_name_of, shared.workloads)), shared.addresses]
            for shared in coverage.shared
        ],
    }


def _undecided(call: UndecidedCall) -> list[Any]:
    clients, servers = (
        None if ends is None else list(map(full_name_of, ends))
        for ends in (call.clients, call.servers)
    )
    return [printable(str(call.fate)), clients, servers, call.protocol, call.connections]
