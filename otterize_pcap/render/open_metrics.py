"""Service graph → OpenMetrics text, named as Grafana Tempo names those of its service graphs.

`traces_service_graph_request_total` counts requests there; a capture shows connections, so that is
what is counted here, `connection_type` being `tcp`, `udp` or `sctp`. Connections that were not
established are also in `traces_service_graph_request_failed_total`. Labels beyond Tempo's name the
namespaces and kinds. Format: OpenMetrics 1.0, with `# EOF`.
"""

from collections.abc import Callable, Iterator

from otterize_pcap.graph.service_graph import (
    ESTABLISHED,
    Call,
    External,
    ServiceGraph,
    Use,
    Workload,
)

Value = Callable[[Use], int]

METRICS: tuple[tuple[str, str, Value], ...] = (
    (
        "traces_service_graph_request",
        "Connections from a client to a server.",
        lambda use: use.connections,
    ),
    (
        "traces_service_graph_request_failed",
        "Connections that were refused, unanswered or only probed.",
        lambda use: sum(count for outcome, count in use.outcomes if outcome != ESTABLISHED),
    ),
    (
        "otterize_service_graph_server_bytes",
        "Bytes of packets from a client to a server.",
        lambda use: use.bytes[0],
    ),
    (
        "otterize_service_graph_client_bytes",
        "Bytes of packets from a server to a client.",
        lambda use: use.bytes[1],
    ),
)


def render_open_metrics(graph: ServiceGraph) -> str:
    """One counter for each port of each call, in four metric families."""
    lines = []
    for name, text, value in METRICS:
        lines += [f"# TYPE {name} counter", f"# HELP {name} {text}"]
        lines += [
            f"{name}_total{{{_labels(call, use)}}} {value(use)}"
            for call in graph.calls
            for use in call.uses
        ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _labels(call: Call, use: Use) -> str:
    pairs = [
        *_party("client", call.client),
        *_party("server", call.server),
        ("connection_type", use.protocol.lower()),
        ("server_port", str(use.port)),
    ]
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _party(side: str, party: Workload | External) -> Iterator[tuple[str, str]]:
    yield side, party.name
    if isinstance(party, Workload):
        yield f"{side}_namespace", party.namespace
        yield f"{side}_kind", party.written_kind
        if party.label:
            yield f"{side}_label", party.label


def _escaped(text: str) -> str:
    """A label value: backslash, quote and line feed are escaped, and nothing else may be."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
