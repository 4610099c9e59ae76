"""Graph JSON: the lossless form of a service graph, for tools and for later comparison.

One object with `format` and `version`; times are RFC 3339 with nanoseconds, since they do not fit
the numbers of JavaScript. A reader accepts what newer writers of the same version add, and refuses
a newer version. docs/schemas/graph.schema.json is made from these types.
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.call_format import call_entry, read_call, read_workload, workload_entry
from otterize_pcap.graph.coverage_format import coverage_entry, read_coverage
from otterize_pcap.graph.graph_entries import GraphDocument, LabelsEntry, OwnerEntry
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Labels, Server, ServiceGraph, Workload
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.timestamps import TimeError

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
        coverage=None if graph.coverage is None else coverage_entry(graph.coverage),
        roots=_owner_entries(graph.roots, named),
        parts=_owner_entries(graph.parts, named),
        labels=_label_entries(graph.labels, named),
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
        calls = sorted((read_call(entry) for entry in document.calls), key=call_order)
        coverage = None if document.coverage is None else read_coverage(document.coverage)
    except TimeError as error:
        raise _broken(where, str(error)) from error
    except BROKEN as error:
        raise _broken(where, json_reason(content, GraphDocument)) from error
    return ServiceGraph(
        tuple(calls),
        coverage,
        roots=_owners(document.roots),
        parts=_owners(document.parts),
        labels=_labels(document.labels),
    )


def _owner_entries(owners: Pairs, named: set[Server]) -> tuple[OwnerEntry, ...] | msgspec.UnsetType:
    """The owners that the calls name, or of which they name a part, each with all its parts."""
    meant = {owner for one, owner in owners if one in named or owner in named}
    found = (
        OwnerEntry(workload_entry(one), workload_entry(owner))
        for one, owner in owners
        if owner in meant
    )
    return tuple(found) or msgspec.UNSET


def _owners(entries: tuple[OwnerEntry, ...] | msgspec.UnsetType) -> Pairs:
    return tuple(
        (read_workload(entry.workload), read_workload(entry.owner)) for entry in entries or ()
    )


def _label_entries(
    labels: tuple[tuple[Workload, Labels], ...], named: set[Server]
) -> tuple[LabelsEntry, ...] | msgspec.UnsetType:
    """The labels of workloads that the calls name."""
    bare = {replace(one, label="") for one in named if isinstance(one, Workload)}
    found = (LabelsEntry(workload_entry(one), dict(of)) for one, of in labels if one in bare)
    return tuple(found) or msgspec.UNSET


def _labels(
    entries: tuple[LabelsEntry, ...] | msgspec.UnsetType,
) -> tuple[tuple[Workload, Labels], ...]:
    return tuple(
        (
            read_workload(entry.workload),
            tuple(sorted((key, tuple(sorted(values))) for key, values in entry.labels.items())),
        )
        for entry in entries or ()
    )


def _broken(where: str, reason: str) -> GraphFormatError:
    return GraphFormatError(
        f"{where}: broken graph JSON ({reason}); write it again with --format graph"
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of graph JSON (draft 2020-12)."""
    return msgspec.json.schema(GraphDocument)
