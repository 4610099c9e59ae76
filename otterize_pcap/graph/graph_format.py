"""Graph JSON: the lossless form of a service graph, for tools and for later comparison.

One object with `format` and `version`; times are RFC 3339 with nanoseconds, since they do not fit
the numbers of JavaScript. A reader accepts what newer writers of the same version add, and refuses
a newer version. docs/schemas/graph.schema.json is made from these types.
"""

from typing import Any, Final

import msgspec

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.fate import parse_fate
from otterize_pcap.graph.graph_entries import (
    CallEntry,
    CoverageEntry,
    Directions,
    EvidenceEntry,
    ExternalEntry,
    FileEntry,
    GraphDocument,
    NodeEntry,
    OwnerEntry,
    UndecidedEntry,
    UseEntry,
    WorkloadEntry,
)
from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    Evidence,
    External,
    FileCoverage,
    NodeCoverage,
    Server,
    ServiceGraph,
    UndecidedCall,
    Use,
    Workload,
    call_order,
)
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.timestamps import TimeError, format_time, parse_time

FORMAT: Final = "otterize-graph"
VERSION: Final = 1

Pairs = tuple[tuple[Workload, Workload], ...]
"""Workloads, each with what owns it."""


class _Header(msgspec.Struct):
    format: str
    version: int


def is_graph_json(content: bytes) -> bool:
    """Whether these bytes claim to be graph JSON."""
    try:
        return msgspec.json.decode(content, type=_Header).format == FORMAT
    except BROKEN:
        return False


def encode_graph(graph: ServiceGraph) -> str:
    """A graph as indented JSON with a final newline."""
    named = {end for call in graph.calls for end in (call.client, call.server)}
    document = GraphDocument(
        format=FORMAT,
        version=VERSION,
        calls=tuple(call_entry(call) for call in graph.calls),
        coverage=None if graph.coverage is None else _coverage_entry(graph.coverage),
        roots=_owner_entries(graph.roots, named),
        parts=_owner_entries(graph.parts, named),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def decode_graph(content: bytes, where: str) -> ServiceGraph:
    """Read graph JSON.

    Args:
        content: The bytes of the document.
        where: Names the file in errors.

    Raises:
        GraphFormatError: It is not graph JSON, or of a newer version.
    """
    try:
        header = msgspec.json.decode(content, type=_Header)
        if header.version > VERSION:
            message = (
                f"{where}: graph version {header.version} is newer than this tool understands "
                f"({VERSION}); upgrade otterize-pcap"
            )
            raise GraphFormatError(message)
        document = msgspec.json.decode(content, type=GraphDocument)
        calls = sorted((_call(entry) for entry in document.calls), key=call_order)
        coverage = None if document.coverage is None else _coverage(document.coverage)
    except TimeError as error:
        raise _broken(where, str(error)) from error
    except BROKEN as error:
        raise _broken(where, json_reason(content, GraphDocument)) from error
    return ServiceGraph(
        tuple(calls), coverage, roots=_owners(document.roots), parts=_owners(document.parts)
    )


def _owner_entries(owners: Pairs, named: set[Server]) -> tuple[OwnerEntry, ...] | msgspec.UnsetType:
    """The owners that the calls name, or of which they name a part, each with all its parts."""
    meant = {owner for one, owner in owners if one in named or owner in named}
    found = (
        OwnerEntry(_workload_entry(one), _workload_entry(owner))
        for one, owner in owners
        if owner in meant
    )
    return tuple(found) or msgspec.UNSET


def _owners(entries: tuple[OwnerEntry, ...] | msgspec.UnsetType) -> Pairs:
    return tuple((_workload(entry.workload), _workload(entry.owner)) for entry in entries or ())


def _broken(where: str, reason: str) -> GraphFormatError:
    return GraphFormatError(
        f"{where}: broken graph JSON ({reason}); write it again with --format graph"
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of graph JSON (draft 2020-12)."""
    return msgspec.json.schema(GraphDocument)


def call_entry(call: Call) -> CallEntry:
    """A call as JSON has it."""
    return CallEntry(
        client=_workload_entry(call.client),
        server=server_entry(call.server),
        status=call.status,  # type: ignore[arg-type] # one of service_graph.py's three constants
        uses=tuple(_use_entry(use) for use in call.uses),
        details=call.details,
    )


def _workload_entry(workload: Workload) -> WorkloadEntry:
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
    return _workload_entry(server)


def _use_entry(use: Use) -> UseEntry:
    evidence = use.evidence
    seen = use.connections > 0
    return UseEntry(
        protocol=use.protocol,
        port=use.port,
        connections=use.connections,
        packets=Directions(*use.packets),
        bytes=Directions(*use.bytes),
        outcomes=dict(use.outcomes),
        rules=dict(use.rules),
        first_seen=format_time(use.first_ns) if seen else None,
        last_seen=format_time(use.last_ns) if seen else None,
        services=use.services,
        evidence=None
        if evidence is None
        else EvidenceEntry(
            evidence.file, evidence.packet, format_time(evidence.time_ns), evidence.rule
        ),
    )


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_time(time_ns)


def _coverage_entry(coverage: Coverage) -> CoverageEntry:
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
                None if node.workloads is None else tuple(map(_workload_entry, node.workloads)),
            )
            for node in coverage.nodes
        ),
        connections={str(fate): count for fate, count in coverage.connections},
        skipped=dict(coverage.skipped),
        notes=coverage.notes,
        undecided=tuple(map(_undecided_entry, coverage.undecided)) or msgspec.UNSET,
    )


def _undecided_entry(call: UndecidedCall) -> UndecidedEntry:
    clients, servers = (
        None if ends is None else tuple(map(server_entry, ends))
        for ends in (call.clients, call.servers)
    )
    return UndecidedEntry(str(call.fate), clients, servers, call.protocol, call.connections)


def _call(entry: CallEntry) -> Call:
    return Call(
        client=_workload(entry.client),
        server=_server(entry.server),
        status=entry.status,
        uses=tuple(_use(use) for use in entry.uses),
        details=entry.details,
    )


def _server(entry: WorkloadEntry | ExternalEntry) -> Server:
    if isinstance(entry, WorkloadEntry):
        return _workload(entry)
    return External(entry.name, entry.is_address)


def _workload(entry: WorkloadEntry) -> Workload:
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
    )


def _optional_time(text: str | None) -> int | None:
    return None if text is None else parse_time(text)


def _coverage(entry: CoverageEntry) -> Coverage:
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
                None if node.workloads is None else tuple(map(_workload, node.workloads)),
            )
            for node in entry.nodes
        ),
        connections=tuple(
            sorted((parse_fate(text), count) for text, count in entry.connections.items())
        ),
        skipped=tuple(sorted(entry.skipped.items())),
        notes=entry.notes,
        undecided=tuple(map(_undecided, entry.undecided or ())),
    )


def _undecided(entry: UndecidedEntry) -> UndecidedCall:
    clients, servers = (
        None if ends is None else tuple(map(_server, ends))
        for ends in (entry.clients, entry.servers)
    )
    fate = parse_fate(entry.fate)
    return UndecidedCall(fate, clients, servers, entry.protocol, entry.connections)
