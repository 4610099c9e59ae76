"""`otterize connections`: the connection table itself, without a snapshot."""

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.inputs import read_recordings
from otterize_pcap.cli.options import MaxConnections, Threads, VxlanPorts, reading_options
from otterize_pcap.cli.terminal import notice
from otterize_pcap.connections.clocks import measure_offsets
from otterize_pcap.connections.connect import connect
from otterize_pcap.connections.groups import Grouping, compiled_tables
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.render.connections import (
    RENDERERS,
    ShownConnection,
    shown_connection,
    shown_leg,
)
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.table.rows import Endpoint

LINES_AT_ONCE = 1000


class TableFormat(StrEnum):
    """How connections are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class NoServices:
    """Without a snapshot nobody knows of Services or declared ports."""

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """No address is a Service's."""
        del endpoint, protocol, first_ns, last_ns
        return frozenset()

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """No port is declared."""
        del endpoint, protocol, first_ns, last_ns
        return False

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """No address is known to be a pod's."""
        del address, first_ns, last_ns
        return False


def register(root: typer.Typer) -> None:
    """Add `connections` to the command line."""
    root.command("connections")(show_connections)


def show_connections(
    captures: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CAPTURE",
            help="Pcap files or capture directories; `-` is stdin. "
            "Default: the newest directory under ./otterize-captures/.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        TableFormat, typer.Option("--format", help="The form: lines, a JSON array, or CSV.")
    ] = TableFormat.TEXT,
    legs: Annotated[
        bool, typer.Option("--legs", help="Show every recording of a connection, not yet joined.")
    ] = False,
    vxlan_port: VxlanPorts = None,
    threads: Threads = None,
    max_connections: MaxConnections = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")
    ] = False,
) -> None:
    """Print the connections of captures, without a snapshot: who talked to whom, and how it ended.

    Example: otterize connections node1.pcap --format csv
    """
    options = reading_options(vxlan_port, threads, max_connections)
    tables = read_recordings(captures, options)
    shown = _legs(tables) if legs else table_connections(tables)
    _write(RENDERERS[format_](shown))
    if not quiet:
        for line in _summary(table for _, table in tables):
            notice(line)


def table_connections(tables: Iterable[tuple[str, CaptureTable]]) -> Iterator[ShownConnection]:
    """All connections by time; those that are one row each are made only when they are written."""
    recordings = [
        Recording(table.files, node, TableRows(table.table), table.counts.first_ns, table.table)
        for node, table in tables
    ]
    compiled = compiled_tables(recordings, lambda _: False)
    if compiled is None:
        connections = connect(recordings, NoServices(), (), measure_offsets(recordings))
        return map(shown_connection, connections)
    grouping = Grouping(recordings, compiled)
    connections = connect(grouping.crowded(), NoServices(), (), grouping.offsets, grouping.survey)
    alone = [
        _alone(grouping, place, recording, grouping.offsets.get(recording.node, 0))
        for place, recording in enumerate(recordings)
    ]
    return merge(*alone, map(shown_connection, connections), key=_order)


def _alone(
    grouping: Grouping, place: int, recording: Recording, offset_ns: int
) -> Iterator[ShownConnection]:
    for row in grouping.alone(place):
        yield shown_leg(row, recording, offset_ns)


def _order(shown: ShownConnection) -> tuple[int, str, int]:
    return shown.first_ns, shown.file, shown.packet


def _legs(tables: Iterable[tuple[str, CaptureTable]]) -> Iterator[ShownConnection]:
    for node, table in tables:
        recording = Recording(table.files, node, (), table.counts.first_ns)
        for row in table.rows():
            yield shown_leg(row, recording)


def _write(lines: Iterator[str]) -> None:
    """Write as lines come, some at a time."""
    while some := "".join(islice(lines, LINES_AT_ONCE)):
        sys.stdout.write(some)
    sys.stdout.flush()


def _summary(tables: Iterable[CaptureTable]) -> Iterator[str]:
    for table in tables:
        counts = table.counts
        yield f"{', '.join(table.files)}: {counts.packets} packets, {len(table)} legs"
        if counts.declined > counts.packets / 100:
            share = counts.declined / counts.packets
            yield f"  {counts.declined} packets ({share:.0%}) were decoded by the slow path"
        for reason, packets in counts.skipped.items():
            yield f"  {packets} packets skipped: {reason}"
        if counts.truncated:
            yield f"  cut off: {counts.truncated} bytes of a last packet"
        if counts.dropped:
            yield f"  {counts.dropped} packets were dropped while capturing"
        for damage in counts.damage:
            yield f"  {damage}"
