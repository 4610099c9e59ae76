"""The summary on stderr after every run: what was read, what it showed, what stayed unknown."""

from collections.abc import Iterable, Iterator

from otterize_pcap.cli.left_out import connection_lines, packet_lines
from otterize_pcap.counted import counted
from otterize_pcap.flow_logs.flow import EVENT, RECORD
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import Coverage, FileCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.notes import SINGLE_POINT
from otterize_pcap.timestamps import SECOND_NS, format_time

NAMED_ABOVE = frozenset((FateKind.HIDDEN, FateKind.UNRESOLVED))


def summary_lines(coverage: Coverage, *, verbose: bool) -> list[str]:
    """The summary of one run, a few lines; with `verbose` every file and reason on its own."""
    return [
        *packet_summary(coverage, verbose=verbose),
        *_connection_lines(coverage, verbose=verbose),
    ]


def packet_summary(coverage: Coverage, *, verbose: bool) -> Iterator[str]:
    """What was read, and what of it holds no connection; with `verbose` every file on its own."""
    yield from _read_lines(coverage)
    for file in coverage.files:
        if verbose:
            yield f"  {_file_line(file)}"
        elif file.truncated:
            yield f"  {file.file}: {_lack(file)}"
    yield from _lost_lines(coverage.files)
    if verbose:
        yield from (
            f"  {counted(count, _unit(reason))} skipped: {reason}"
            for reason, count in coverage.skipped
            if count
        )
    yield from (f"  {line}" for line in packet_lines(coverage.skipped))
    for node in coverage.nodes:
        if node.status is not NodeStatus.CAPTURED:
            yield f"  node {node.name} was not captured ({node.status}: {node.reason or 'unknown'})"
        elif node.reason:
            yield f"  node {node.name}: {node.reason}"
    yield from (f"  note: {note}" for note in coverage.notes)
    if verbose:
        yield from (f"  {line}" for line in coverage.aside)


def _read_lines(coverage: Coverage) -> Iterator[str]:
    """How much was read, and of what time; what flow logs are not."""
    times = [time for file in coverage.files for time in (file.first_ns, file.last_ns) if time]
    span = ""
    if times:
        seconds = (max(times) - min(times)) / SECOND_NS
        span = f", {_clock(min(times))} to {_clock(max(times))} ({seconds:.1f} s)"
    logs = [file for file in coverage.files if file.sample]
    others = [file for file in coverage.files if not file.sample]
    if others or not logs:
        packets = sum(file.packets for file in others)
        read = sum(1 for file in others if file.packets or not file.truncated)
        yield f"packets: {packets:,} in {counted(read, 'file')}{span}"
    if logs:
        records = sum(file.packets for file in logs)
        yield f"flow logs: {counted(records, 'record')} in {counted(len(logs), 'file')}{span}"
    yield from (f"  {sample}" for sample in dict.fromkeys(file.sample for file in logs))


def _lost_lines(files: Iterable[FileCoverage]) -> Iterator[str]:
    """How much was lost while it was recorded."""
    dropped = dict.fromkeys((False, True), 0)
    for file in files:
        dropped[bool(file.sample)] += file.dropped or 0
    if dropped[False]:
        packets_were = counted(dropped[False], "packet was", "packets were")
        yield f"  {packets_were} dropped while capturing; calls may be missing"
    if dropped[True]:
        events_were = counted(dropped[True], "event was", "events were")
        yield f"  {events_were} lost before they were logged; calls may be missing"


def _unit(reason: str) -> str:
    return "record" if reason.startswith((RECORD, EVENT)) else "packet"


def _lack(file: FileCoverage) -> str:
    """What is amiss with a file, and what came of it."""
    if file.reason is None:
        return "damaged or cut off at its end; what came before was used"
    return file.reason if file.packets else f"not read: {file.reason}"


def _file_line(file: FileCoverage) -> str:
    of_node = f" of node {file.node}" if file.node else ""
    packets = counted(file.packets, "record" if file.sample else "packet")
    parts = [f"{file.file}: {packets}{of_node}"]
    if file.first_ns is not None and file.last_ns is not None:
        parts.append(f"{_clock(file.first_ns)} to {_clock(file.last_ns)}")
    if file.truncated:
        parts.append(file.reason or "damaged or cut off at its end")
    if file.dropped is not None:
        parts.append(f"{file.dropped:,} dropped")
    return ", ".join(parts)


def _connection_lines(coverage: Coverage, *, verbose: bool) -> Iterator[str]:
    found = coverage.connections
    shown = [each for each in found if each[0].kind is FateKind.RESOLVED]
    hidden = [each for each in found if each[0].kind is FateKind.HIDDEN]
    others = [each for each in found if each not in shown and each not in hidden]
    yield (
        f"connections: {_sum(found):,}, {_sum(shown):,} resolved, {_sum(hidden):,} hidden, "
        f"{_sum(others):,} not resolved"
    )
    if verbose:
        for fate, count in (*hidden, *others):
            yield f"  {count:,} {fate}"
    elif hidden:
        yield f"  hidden: {_listed(hidden)}"
    if others and not verbose:
        yield f"  not resolved: {_listed(others)}"
    watched = not any(note.startswith(SINGLE_POINT) for note in coverage.notes)
    yield from (f"  {line}" for line in connection_lines((*hidden, *others), watched=watched))


def _sum(counts: Iterable[tuple[Fate, int]]) -> int:
    return sum(count for _, count in counts)


def _listed(counts: Iterable[tuple[Fate, int]]) -> str:
    """Fates under a heading, which their kind need not repeat."""
    return "; ".join(
        f"{count:,} {fate.reason if fate.kind in NAMED_ABOVE else fate}" for fate, count in counts
    )


def _clock(time_ns: int) -> str:
    """A time to the millisecond, as a person reads it."""
    return format_time(time_ns)[:23] + "Z"
