"""From the shared options to a service graph: read, map, filter, and say what was seen."""

from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.cli.each_mapped import of_each
from otterize_pcap.cli.left_out import packet_lines
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import CoverageError
from otterize_pcap.graph.damage import DAMAGED, is_damaged
from otterize_pcap.graph.fate import FateKind
from otterize_pcap.graph.filters import filter_graph
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.resolve.merge_graphs import merge_as_they_come


def read_graph(captures: Sequence[Path] | None, selection: Selection) -> ServiceGraph:
    """The service graph of the captures that a command was given."""
    graphs = of_each(captures, selection, lambda mapped: mapped.graph)
    return filter_graph(merge_as_they_come(graphs), selection.wanted)


def report(graph: ServiceGraph, reporting: Reporting) -> None:
    """Print the summary on stderr, and fail under `--strict` where the input was damaged.

    Raises:
        CoverageError: `--strict`, and a file was damaged or packets were malformed.
    """
    summarise(graph, reporting)
    if reporting.strict and graph.coverage is not None and is_damaged(graph.coverage):
        raise CoverageError(DAMAGED)


def summarise(graph: ServiceGraph, reporting: Reporting, label: str = "") -> None:
    """Print the summary on stderr, each line behind the label of a side where there are two."""
    coverage = graph.coverage
    if coverage is None:
        if label and not reporting.quiet:
            notice(f"{label}{counted(len(graph.calls), 'call')} declared, with no coverage")
        return
    if not reporting.quiet:
        for line in summary_lines(coverage, verbose=reporting.verbose):
            notice(f"{label}{line}")
    if not graph.calls:
        notice(f"{label}No connections found. ({why_empty(graph)})")


def why_empty(graph: ServiceGraph) -> str:
    """Why there is nothing to show (S63)."""
    coverage = graph.coverage
    if coverage is None:
        return "nothing is declared, or all of it was filtered out by the options given"
    if not sum(file.packets for file in coverage.files):
        return "the capture holds no packets"
    fates = dict(coverage.connections)
    left_out = list(packet_lines(coverage.skipped))
    if not fates and left_out:
        return "; ".join(left_out)
    if not fates:
        return "no packet belongs to a TCP, UDP or SCTP connection"
    if any(count and fate.kind is FateKind.RESOLVED for fate, count in fates.items()):
        return "all calls were filtered out by the options given"
    largest = max(fates, key=lambda fate: (fates[fate], str(fate)))
    of_all = counted(sum(fates.values()), "connection")
    return f"none of {of_all} is a call to show, most of them {largest}"
