"""Calls and their ends as graph JSON and comparisons have them, and back."""

import msgspec

from otterize_pcap.graph.graph_entries import (
    CallEntry,
    Directions,
    EvidenceEntry,
    ExternalEntry,
    UseEntry,
    WorkloadEntry,
)
from otterize_pcap.graph.service_graph import (
    Call,
    Evidence,
    External,
    Server,
    Use,
    Workload,
)
from otterize_pcap.timestamps import format_time, parse_time


def call_entry(call: Call) -> CallEntry:
    """A call as JSON has it."""
    return CallEntry(
        client=workload_entry(call.client),
        server=server_entry(call.server),
        status=call.status,  # type: ignore[arg-type] # one of service_graph.py's three constants
        uses=tuple(_use_entry(use) for use in call.uses),
        details=call.details,
    )


def workload_entry(workload: Workload) -> WorkloadEntry:
    """A workload as JSON has it."""
    return WorkloadEntry(
        workload.name,
        workload.namespace,
        workload.kind,
        workload.label,
        workload.group or msgspec.UNSET,
    )


def server_entry(server: Server) -> WorkloadEntry | ExternalEntry:
    """A server as JSON has it."""
    if isinstance(server, External):
        return ExternalEntry(server.name, server.is_address)
    return workload_entry(server)


def _use_entry(use: Use) -> UseEntry:
    evidence = use.evidence
    seen = use.connections > 0
    return UseEntry(
        protocol=use.protocol,  # type: ignore[arg-type] # of packets/protocols.py, or empty
        port=use.port,
        connections=use.connections,
        packets=Directions(*use.packets),
        bytes=Directions(*use.bytes),
        outcomes=dict(use.outcomes),
        rules=dict(use.rules),
        first_seen=format_time(use.first_ns) if seen else None,
        last_seen=format_time(use.last_ns) if seen else None,
        services=use.services,
        evidence=None if evidence is None else evidence_entry(evidence),
        captures=use.captures,
        hours=use.hours,
        client_pods=use.client_pods,
        server_pods=use.server_pods,
    )


def read_call(entry: CallEntry) -> Call:
    """A call out of JSON."""
    return Call(
        client=read_workload(entry.client),
        server=read_server(entry.server),
        status=entry.status,
        uses=tuple(_use(use) for use in entry.uses),
        details=entry.details,
    )


def read_server(entry: WorkloadEntry | ExternalEntry) -> Server:
    """A server out of JSON."""
    if isinstance(entry, WorkloadEntry):
        return read_workload(entry)
    return External(entry.name, entry.is_address)


def read_workload(entry: WorkloadEntry) -> Workload:
    """A workload out of JSON."""
    return Workload(entry.name, entry.namespace, entry.kind, entry.label, entry.group or "")


def _use(entry: UseEntry) -> Use:
    evidence = entry.evidence
    return Use(
        protocol=entry.protocol,
        port=entry.port,
        connections=entry.connections,
        packets=(entry.packets.to_server, entry.packets.to_client),
        bytes=(entry.bytes.to_server, entry.bytes.to_client),
        first_ns=parse_time(entry.first_seen) if entry.first_seen else 0,
        last_ns=parse_time(entry.last_seen) if entry.last_seen else 0,
        outcomes=tuple(sorted(entry.outcomes.items())),
        rules=tuple(sorted(entry.rules.items())),
        services=entry.services,
        evidence=None
        if evidence is None
        else Evidence(evidence.file, evidence.packet, parse_time(evidence.time), evidence.rule),
        captures=entry.captures,
        hours=entry.hours,
        client_pods=entry.client_pods,
        server_pods=entry.server_pods,
    )


def evidence_entry(evidence: Evidence) -> EvidenceEntry:
    """Where to look for a connection."""
    return EvidenceEntry(
        evidence.file, evidence.packet, format_time(evidence.time_ns), evidence.rule
    )
