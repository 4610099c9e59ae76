"""What a graph rests on as graph JSON has it, and back."""

import msgspec

from otterize_pcap.graph.call_format import (
    read_server,
    read_workload,
    server_entry,
    workload_entry,
)
from otterize_pcap.graph.fate import parse_fate
from otterize_pcap.graph.graph_entries import (
    CoverageEntry,
    FileEntry,
    NodeEntry,
    SharedEntry,
    UndecidedEntry,
)
from otterize_pcap.graph.service_graph import (
    Coverage,
    FileCoverage,
    NodeCoverage,
    SharedAddresses,
    UndecidedCall,
)
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.timestamps import format_time, parse_time


def coverage_entry(coverage: Coverage) -> CoverageEntry:
    """A coverage as JSON has it."""
    return CoverageEntry(
        files=tuple(
            FileEntry(
                file.file,
                file.node,
                file.packets,
                _time(file.first_ns),
                _time(file.last_ns),
                file.truncated,
                file.dropped,
                msgspec.UNSET if file.reason is None else file.reason,
                file.sample or msgspec.UNSET,
            )
            for file in coverage.files
        ),
        nodes=tuple(
            NodeEntry(
                node.name,
                node.status,
                node.reason,
                _time(node.start_ns),
                _time(node.end_ns),
                None if node.workloads is None else tuple(map(workload_entry, node.workloads)),
            )
            for node in coverage.nodes
        ),
        connections={str(fate): count for fate, count in coverage.connections},
        skipped=dict(coverage.skipped),
        notes=coverage.notes,
        undecided=tuple(map(_undecided_entry, coverage.undecided)) or msgspec.UNSET,
        shared=tuple(map(_shared_entry, coverage.shared)) or msgspec.UNSET,
        outside=tuple(map(workload_entry, coverage.outside)) or msgspec.UNSET,
        captures=coverage.captures if coverage.captures > 1 else msgspec.UNSET,
    )


def _undecided_entry(call: UndecidedCall) -> UndecidedEntry:
    clients, servers = (
        None if ends is None else tuple(map(server_entry, ends))
        for ends in (call.clients, call.servers)
    )
    return UndecidedEntry(
        str(call.fate),
        clients,
        servers,
        call.protocol,  # type: ignore[arg-type] # of packets/protocols.py
        call.connections,
    )


def read_coverage(entry: CoverageEntry) -> Coverage:
    """A coverage out of JSON."""
    return Coverage(
        files=tuple(
            FileCoverage(
                file.file,
                file.node,
                file.packets,
                _optional_time(file.first_packet),
                _optional_time(file.last_packet),
                file.truncated,
                file.dropped,
                None if file.reason is msgspec.UNSET else file.reason,
                file.sample or "",
            )
            for file in entry.files
        ),
        nodes=tuple(
            NodeCoverage(
                node.name,
                NodeStatus(node.status),
                node.reason,
                _optional_time(node.start),
                _optional_time(node.end),
                None if node.workloads is None else tuple(map(read_workload, node.workloads)),
            )
            for node in entry.nodes
        ),
        connections=tuple(
            sorted((parse_fate(text), count) for text, count in entry.connections.items())
        ),
        skipped=tuple(sorted(entry.skipped.items())),
        notes=entry.notes,
        undecided=tuple(map(_undecided, entry.undecided or ())),
        shared=tuple(map(_shared, entry.shared or ())),
        outside=tuple(map(read_workload, entry.outside or ())),
        captures=1 if entry.captures is msgspec.UNSET else entry.captures,
    )


def _undecided(entry: UndecidedEntry) -> UndecidedCall:
    clients, servers = (
        None if ends is None else tuple(map(read_server, ends))
        for ends in (entry.clients, entry.servers)
    )
    fate = parse_fate(entry.fate)
    return UndecidedCall(fate, clients, servers, entry.protocol, entry.connections)


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_time(time_ns)


def _optional_time(text: str | None) -> int | None:
    return None if text is None else parse_time(text)


def _shared_entry(shared: SharedAddresses) -> SharedEntry:
    return SharedEntry(tuple(map(workload_entry, shared.workloads)), shared.addresses)


def _shared(entry: SharedEntry) -> SharedAddresses:
    return SharedAddresses(tuple(map(read_workload, entry.workloads)), entry.addresses)
