"""otterize-pcap: which Kubernetes workload calls which, from packet captures.

The names below are the library; `otterize` itself is made of them:

    captures = open_captures([Path("my-capture")])
    graph = merge_graphs([graph_capture(capture) for capture in captures])
    for call in graph.calls:
        print(call.client.name, call.server.name)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from otterize_pcap.version import __version__

if TYPE_CHECKING:
    from otterize_pcap.compare.diff import GraphDiff, diff_graphs
    from otterize_pcap.errors import OtterizeError
    from otterize_pcap.files.captures import open_captures
    from otterize_pcap.files.snapshot_files import load_snapshot
    from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload
    from otterize_pcap.resolve.map_capture import (
        Capture,
        Rules,
        graph_capture,
        map_capture,
        merge_graphs,
    )
    from otterize_pcap.snapshot.snapshot import Snapshot
    from otterize_pcap.table.chunk import ReadOptions

# Loaded when asked for: `otterize --version` needs none of it, and it takes 0.1 s.
_HOMES = {
    "Call": "graph.service_graph",
    "Capture": "resolve.map_capture",
    "GraphDiff": "compare.diff",
    "OtterizeError": "errors",
    "ReadOptions": "table.chunk",
    "Rules": "resolve.map_capture",
    "ServiceGraph": "graph.service_graph",
    "Snapshot": "snapshot.snapshot",
    "Workload": "graph.service_graph",
    "diff_graphs": "compare.diff",
    "graph_capture": "resolve.map_capture",
    "load_snapshot": "files.snapshot_files",
    "map_capture": "resolve.map_capture",
    "merge_graphs": "resolve.map_capture",
    "open_captures": "files.captures",
}

__all__ = [
    "Call",
    "Capture",
    "GraphDiff",
    "OtterizeError",
    "ReadOptions",
    "Rules",
    "ServiceGraph",
    "Snapshot",
    "Workload",
    "__version__",
    "diff_graphs",
    "graph_capture",
    "load_snapshot",
    "map_capture",
    "merge_graphs",
    "open_captures",
]


def __getattr__(name: str) -> object:
    """A public name, from the module that it is at home in."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
