"""`otterize connections`: the connection table itself, and with a snapshot whose the ends are."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.inputs import newest_capture, read_logs, read_recordings
from otterize_pcap.cli.left_out import packet_lines
from otterize_pcap.cli.logged_connections import listed_of_logs, log_lines
from otterize_pcap.cli.named_connections import NamedConnections
from otterize_pcap.cli.options import comma_separated, reporting_of
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.reading_options import (
    FileNodes,
    GenevePorts,
    MaxConnections,
    Scheduler,
    Threads,
    VxlanPorts,
    reading_options,
)
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Namespaces, Output, Quiet, Snapshots, Strict, Verbose
from otterize_pcap.cli.terminal import emit_lines, notice
from otterize_pcap.cli.time_options import FromTime, LastTime, ToTime, parse_times
from otterize_pcap.connections.facts import NoSnapshot
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.counted import counted
from otterize_pcap.errors import CoverageError, UsageError
from otterize_pcap.files.coverage import file_coverage
from otterize_pcap.files.flow_log_files import log_coverage
from otterize_pcap.files.object_path import named_path
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.graph.damage import DAMAGED, is_damaged
from otterize_pcap.graph.service_graph import Coverage
from otterize_pcap.render.connections import (
    RENDERERS,
    render_named,
    shown_connection,
    shown_leg,
)
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.table.read import CaptureTable


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
            parser=named_path,
            metavar="CAPTURE",
            help="Pcap files or capture directories; `-` is stdin. "
            "Default: the newest directory under ./otterize-captures/.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        TableFormat | None,
        typer.Option(
            "--format",
            help="The form: lines, a JSON array, or CSV.",
            show_default=BY_SUFFIX.format("text"),
        ),
    ] = None,
    legs: Annotated[
        bool, typer.Option("--legs", help="Show every recording of a connection, not yet joined.")
    ] = False,
    output: Output = None,
    snapshot: Snapshots = None,
    namespace: Namespaces = None,
    vxlan_port: VxlanPorts = None,
    geneve_port: GenevePorts = None,
    from_: FromTime = None,
    to: ToTime = None,
    last: LastTime = None,
    node: FileNodes = None,
    threads: Threads = None,
    max_connections: MaxConnections = None,
    scheduler: Scheduler = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
    strict: Strict = False,
) -> None:
    """Print the connections of captures: who talked to whom, and how it ended.

    No snapshot is needed; with one (--snapshot, or -n on a capture directory) each line says whose
    the ends are, and what became of the connection.

    Example: otterize connections node1.pcap --format csv
    """
    form = chosen_form(format_, output, TableFormat.TEXT)
    reporting = reporting_of(quiet=quiet, verbose=verbose, strict=strict)
    options = reading_options(vxlan_port, geneve_port, threads, max_connections, node, scheduler)
    namespaces, asked = comma_separated(namespace), parse_times(from_, to, last)
    if snapshot or namespaces:
        if legs:
            message = "--legs are not resolved; drop it, or --snapshot and -n"
            raise UsageError(message)
        selection = Selection(snapshot or (), Rules(time=asked), reading=options)
        found = NamedConnections(captures, selection, namespaces)
        emit_lines(render_named(form, found.connections()), output)
        found.report(reporting)
        return
    logs, rest = read_logs(list(captures or [newest_capture()]), options)
    read = read_recordings(rest, options) if rest else ReadFiles(())
    tables = read.recordings
    shown = _legs(tables) if legs else table_connections(tables, options.threads)
    shown = _merged(shown, listed_of_logs(logs, legs=legs))
    within = asked.within(last_packet(read, logs))
    if within is not None:
        shown = (each for each in shown if within.touches(each.first_ns, each.last_ns, 0))
    emit_lines(RENDERERS[form](shown), output)
    _report(read, logs, reporting)


def last_packet(read: ReadFiles, logs: Sequence[LogRecords]) -> int | None:
    """When the last packet or flow came."""
    ends = [table.counts.last_ns for _, table in read.recordings]
    ends += [each.last_ns for each in listed_of_logs(logs, legs=True)]
    return max((end for end in ends if end is not None), default=None)


def _report(read: ReadFiles, logs: Sequence[LogRecords], reporting: Reporting) -> None:
    """Print what was read on stderr, and fail under `--strict` where it was damaged.

    Raises:
        CoverageError: `--strict`, and a file was damaged or packets were malformed.
    """
    lines = (*_summary(read, verbose=reporting.verbose), *log_lines(logs))
    for line in () if reporting.quiet else lines:
        notice(line)
    skipped = {each: n for _, table in read.recordings for each, n in table.counts.skipped.items()}
    files = (*file_coverage(read, None, ()), *log_coverage(logs))
    coverage = Coverage(files, skipped=tuple(sorted(skipped.items())))
    if reporting.strict and is_damaged(coverage):
        raise CoverageError(DAMAGED)


def table_connections(
    tables: Iterable[tuple[str, CaptureTable]], threads: int = 1
) -> Iterator[ListedConnection]:
    """All connections by time, made as they are written."""
    recordings = [
        Recording(table.files, node, TableRows(table.table), table.counts.first_ns, table.table)
        for node, table in tables
    ]
    found = GroupedConnections(recordings, NoSnapshot(), listed=True, threads=threads)
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


def _summary(read: ReadFiles, *, verbose: bool) -> Iterator[str]:
    for _, table in read.recordings:
        counts = table.counts
        files, legs = ", ".join(table.files), counted(len(table), "leg")
        yield f"{files}: {counted(counts.packets, 'packet')}, {legs}"
        if counts.declined > counts.packets / 100:
            share = counts.declined / counts.packets
            yield f"  {counted(counts.declined, 'packet')} ({share:.0%}) took the slow path"
        skipped = counts.skipped.items()
        if verbose:
            yield from (f"  {counted(n, 'packet')} skipped: {reason}" for reason, n in skipped)
        else:
            yield from (f"  {line}" for line in packet_lines(skipped))
        if counts.truncated:
            yield f"  cut off: {counted(counts.truncated, 'byte')} of a last packet"
        if counts.dropped:
            yield f"  {counted(counts.dropped, 'packet')} dropped while capturing"
        for damage in counts.damage:
            yield f"  {damage}"
    for unread in read.unread:
        yield f"{path_text(unread.path)}: not read: {unread.reason}"
    yield from (f"note: {note}" for note in read.notes)
    yield from read.aside
