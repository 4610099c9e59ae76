"""otterize-pcap: which Kubernetes workload calls which, from packet captures.

The names below are the library; docs/library.md shows how to use it, and no other module of the
package is meant for other programs:

    captures = open_captures([Path("my-capture")])
    graph = merge_graphs([graph_capture(capture) for capture in captures])
    for call in graph.calls:
        print(call.client.name, call.server.name)
"""

from importlib import import_module

from otterize_pcap.version import __version__

# Type checkers know the name; importing `typing` for it would double the time of `--version`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from otterize_pcap.compare.diff import Change, GraphDiff, NotSeen, diff_graphs
    from otterize_pcap.errors import (
        CaptureError,
        GraphFormatError,
        InputError,
        MismatchError,
        OtterizeError,
        SnapshotError,
        StoreError,
        TooManyConnections,
        UnknownCaptureFormat,
        UnsupportedLinkType,
        UsageError,
    )
    from otterize_pcap.files.captures import open_captures
    from otterize_pcap.graph.fate import Fate, FateKind
    from otterize_pcap.graph.graph_format import decode_graph, encode_graph
    from otterize_pcap.graph.service_graph import (
        Call,
        Coverage,
        Evidence,
        External,
        FileCoverage,
        HiddenCall,
        NodeCoverage,
        ServiceGraph,
        SharedAddresses,
        UndecidedCall,
        Use,
        Workload,
    )
    from otterize_pcap.intents.read_intents import parse_intents
    from otterize_pcap.intents.versions import IntentsVersion, find_version
    from otterize_pcap.intervals import Interval
    from otterize_pcap.node_status import NodeStatus
    from otterize_pcap.render.client_intents import IntentsForm, render_intents
    from otterize_pcap.render.diff_text import render_diff
    from otterize_pcap.render.list_text import render_list
    from otterize_pcap.resolve.build_graph import Inclusion
    from otterize_pcap.resolve.capture import Capture
    from otterize_pcap.resolve.capture_lookup import Rules
    from otterize_pcap.resolve.identity import NamedBy
    from otterize_pcap.resolve.map_capture import graph_capture
    from otterize_pcap.resolve.merge_graphs import merge_graphs
    from otterize_pcap.resolve.time_asked import TimeAsked
    from otterize_pcap.table.chunk import ReadOptions

# Loaded when asked for: `otterize --version` needs none of it, and it takes 0.1 s.
_HOMES = {
    "Call": "graph.service_graph",
    "Capture": "resolve.capture",
    "CaptureError": "errors",
    "Change": "compare.diff",
    "Coverage": "graph.service_graph",
    "Evidence": "graph.service_graph",
    "External": "graph.service_graph",
    "Fate": "graph.fate",
    "FateKind": "graph.fate",
    "FileCoverage": "graph.service_graph",
    "GraphDiff": "compare.diff",
    "GraphFormatError": "errors",
    "HiddenCall": "graph.service_graph",
    "Inclusion": "resolve.build_graph",
    "Interval": "intervals",
    "InputError": "errors",
    "IntentsForm": "render.client_intents",
    "IntentsVersion": "intents.versions",
    "MismatchError": "errors",
    "NamedBy": "resolve.identity",
    "NodeCoverage": "graph.service_graph",
    "NodeStatus": "node_status",
    "NotSeen": "compare.diff",
    "OtterizeError": "errors",
    "ReadOptions": "table.chunk",
    "Rules": "resolve.capture_lookup",
    "ServiceGraph": "graph.service_graph",
    "SharedAddresses": "graph.service_graph",
    "TimeAsked": "resolve.time_asked",
    "UndecidedCall": "graph.service_graph",
    "SnapshotError": "errors",
    "StoreError": "errors",
    "UnknownCaptureFormat": "errors",
    "TooManyConnections": "errors",
    "UnsupportedLinkType": "errors",
    "UsageError": "errors",
    "Use": "graph.service_graph",
    "Workload": "graph.service_graph",
    "decode_graph": "graph.graph_format",
    "diff_graphs": "compare.diff",
    "encode_graph": "graph.graph_format",
    "find_version": "intents.versions",
    "graph_capture": "resolve.map_capture",
    "merge_graphs": "resolve.merge_graphs",
    "open_captures": "files.captures",
    "parse_intents": "intents.read_intents",
    "render_diff": "render.diff_text",
    "render_intents": "render.client_intents",
    "render_list": "render.list_text",
}

__all__ = [
    "Call",
    "Capture",
    "CaptureError",
    "Change",
    "Coverage",
    "Evidence",
    "External",
    "Fate",
    "FateKind",
    "FileCoverage",
    "GraphDiff",
    "GraphFormatError",
    "HiddenCall",
    "Inclusion",
    "InputError",
    "IntentsForm",
    "IntentsVersion",
    "Interval",
    "MismatchError",
    "NamedBy",
    "NodeCoverage",
    "NodeStatus",
    "NotSeen",
    "OtterizeError",
    "ReadOptions",
    "Rules",
    "ServiceGraph",
    "SharedAddresses",
    "SnapshotError",
    "StoreError",
    "TimeAsked",
    "TooManyConnections",
    "UndecidedCall",
    "UnknownCaptureFormat",
    "UnsupportedLinkType",
    "UsageError",
    "Use",
    "Workload",
    "__version__",
    "decode_graph",
    "diff_graphs",
    "encode_graph",
    "find_version",
    "graph_capture",
    "merge_graphs",
    "open_captures",
    "parse_intents",
    "render_diff",
    "render_intents",
    "render_list",
]


def __getattr__(name: str) -> object:
    """A public name, from the module that it is at home in."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
