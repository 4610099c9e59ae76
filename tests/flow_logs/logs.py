"""Flow logs made for tests, and the graph of one: records in memory, no file."""

import io
import json
from collections.abc import Iterable
from typing import Any

from otterize_pcap.addresses import format_endpoint
from otterize_pcap.files.flow_log_files import log_coverage, unanswering_nodes
from otterize_pcap.flow_logs.connect_flows import connect_logs
from otterize_pcap.flow_logs.documents import HEAD, read_flow_log, writer_of
from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.flow_logs.judge_flows import LoggedConnection
from otterize_pcap.flow_logs.logged import log_notes, logged_of, passed_over
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.records.stream import Window
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.log_snapshot import with_logged
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.snapshot.snapshot import Snapshot

Json = dict[str, Any]
MOST = 100_000


def read_log(content: bytes, name: str = "log") -> LogRecords:
    """The records of a log."""
    writer = writer_of(content[:HEAD])
    assert writer is not None
    return read_flow_log(Window(io.BytesIO(content)), name, writer, MOST)


def as_lines(records: Iterable[Json]) -> bytes:
    """Records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def connections(records: Iterable[Json]) -> list[LoggedConnection]:
    """The connections of some records."""
    return connect_logs([read_log(as_lines(records))])


def summary(records: Iterable[Json]) -> list[tuple[str, str, str, str]]:
    """Each connection as (client, server, rule, outcome)."""
    return [
        (
            format_endpoint(one.connection.clients[0]),
            format_endpoint(one.connection.servers[-1]),
            one.connection.rule.value,
            one.connection.outcome,
        )
        for one in connections(records)
    ]


def capture_of(logs: list[LogRecords], snapshot: Snapshot | None = None) -> Capture:
    """The capture that logs are."""
    logged = logged_of(logs)
    return Capture(
        CaptureContents(
            recordings=(),
            snapshot=with_logged(snapshot or Snapshot(where=""), logged.connections),
            files_read=log_coverage(logs),
            coverage_nodes=unanswering_nodes(logs),
            skipped=passed_over(logs),
            notes=tuple(log_notes(logs, logged, snapshot)),
            logged=logged,
        )
    )


def graph_of(
    content: bytes, inclusion: Inclusion | None = None, snapshot: Snapshot | None = None
) -> ServiceGraph:
    """The graph of one log."""
    rules = Rules(inclusion=inclusion or Inclusion())
    return graph_capture(capture_of([read_log(content)], snapshot), rules)


def edges(graph: ServiceGraph) -> list[str]:
    """The calls, `client -> server ports`."""
    return [
        f"{call.client.name} -> {call.server.name} "
        + " ".join(f"{use.port}/{use.protocol}" for use in call.uses)
        for call in graph.calls
    ]
