"""From the shared options to a service graph: read, map, filter, and say what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otterize_pcap.build_graph import SHOWN, Inclusion
from otterize_pcap.cli.inputs import open_captures
from otterize_pcap.cli.summary import is_damaged, summary_lines
from otterize_pcap.cli.terminal import notice
from otterize_pcap.errors import CoverageError
from otterize_pcap.filters import GraphFilter, filter_graph
from otterize_pcap.graph import ServiceGraph
from otterize_pcap.map_capture import Rules, map_capture, merge_graphs
from otterize_pcap.read import ReadOptions


@dataclass(frozen=True, slots=True)
class Selection:
    """What the shared options say: which captures, how to understand them, what to keep."""

    captures: Sequence[Path] | None = None
    snapshots: Sequence[Path] | None = None
    rules: Rules = field(default_factory=Rules)
    wanted: GraphFilter = field(default_factory=GraphFilter)
    reading: ReadOptions = field(default_factory=ReadOptions)


def read_graph(selection: Selection) -> ServiceGraph:
    """The service graph of the captures that a command was given."""
    captures = open_captures(selection.captures, selection.snapshots, selection.reading)
    graphs = [map_capture(capture, selection.rules).graph for capture in captures]
    return filter_graph(merge_graphs(graphs), selection.wanted)


def report(graph: ServiceGraph, *, quiet: bool, verbose: bool, strict: bool) -> None:
    """Print the summary on stderr, and fail under `--strict` where the input was damaged.

    Raises:
        CoverageError: `strict`, and a file was damaged or packets were malformed.
    """
    coverage = graph.coverage
    if coverage is None:
        return
    if not quiet:
        for line in summary_lines(coverage, verbose=verbose):
            notice(line)
    if not graph.calls:
        notice(f"No connections found. ({_why_empty(graph)})")
    if strict and is_damaged(coverage):
        message = "--strict: damaged files or malformed packets; run with -v to see which"
        raise CoverageError(message)


def _why_empty(graph: ServiceGraph) -> str:
    """Why there is nothing to show (S63)."""
    coverage = graph.coverage
    if coverage is None or not sum(file.packets for file in coverage.files):
        return "the capture holds no packets"
    fates = dict(coverage.connections)
    if not fates:
        return "no packet belongs to a TCP, UDP or SCTP connection"
    if fates.get(SHOWN):
        return "all calls were filtered out by the options given"
    largest = max(fates, key=lambda name: (fates[name], name))
    return f"none of {sum(fates.values())} connections is a call to show, most of them {largest}"
