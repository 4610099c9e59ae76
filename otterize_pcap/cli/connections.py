"""`otterize connections`: the connection table itself, without a snapshot."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.inputs import read_recordings
from otterize_pcap.cli.reading_options import (
    FileNodes,
    GenevePorts,
    MaxConnections,
    Threads,
    VxlanPorts,
    reading_options,
)
from otterize_pcap.cli.terminal import notice, write_out
from otterize_pcap.connections.facts import NoSnapshot
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.render.connections import (
    RENDERERS,
    shown_connection,
    shown_leg,
)
from otterize_pcap.table.read import CaptureTable

LINES_AT_ONCE = 1000


class TableFormat(StrEnum):
    """How connections are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def register(root: typer.Typer) -> None:
    """Add `connections` to the command line."""
    root.command("connections")(show_connections)


def show_connections(  # noqa: PLR0913, PLR0917 - one parameter an option
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
    geneve_port: GenevePorts = None,
    node: FileNodes = None,
    threads: Threads = None,
    max_connections: MaxConnections = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")
    ] = False,
) -> None:
    """Print the connections of captures, without a snapshot: who talked to whom, and how it ended.

    Example: otterize connections node1.pcap --format csv
    """
    options = reading_options(vxlan_port, geneve_port, threads, max_connections, node)
    read = read_recordings(captures, options)
    tables = read.recordings
    shown = _legs(tables) if legs else table_connections(tables)
    _write(RENDERERS[format_](shown))
    if not quiet:
        for line in _summary(read):
            notice(line)


def table_connections(tables: Iterable[tuple[str, CaptureTable]]) -> Iterator[ListedConnection]:
    """All connections by time, made as they are written."""
    recordings = [
        Recording(table.files, node, TableRows(table.table), table.counts.first_ns, table.table)
        for node, table in tables
    ]
    found = GroupedConnections(recordings, NoSnapshot(), listed=True)
    odd = sorted(map(shown_connection, found.odd), key=_order)
    return _merged(found.listing(), odd) if odd else found.listing()


def _merged(
    listed: Iterable[ListedConnection], odd: Sequence[ListedConnection]
) -> Iterator[ListedConnection]:
    """Both by time; `odd` are few."""
    left = deque(odd)
    for shown in listed:
        while left and _order(left[0]) <= _order(shown):
            yield left.popleft()
        yield shown
    yield from left


def _order(shown: ListedConnection) -> tuple[int, str, int]:
    return shown.first_ns, shown.file, shown.packet


def _legs(tables: Iterable[tuple[str, CaptureTable]]) -> Iterator[ListedConnection]:
    for node, table in tables:
        recording = Recording(table.files, node, (), table.counts.first_ns)
        for row in table.rows():
            yield shown_leg(row, recording)


def _write(lines: Iterator[str]) -> None:
    """Write as lines come, some at a time."""
    while some := "".join(islice(lines, LINES_AT_ONCE)):
        write_out(some)


def _summary(read: ReadFiles) -> Iterator[str]:
    for _, table in read.recordings:
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
    for unread in read.unread:
        yield f"{path_text(unread.path)}: not read: {unread.reason}"
    yield from (f"note: {note}" for note in read.notes)
