"""From the shared options to a service graph: read, map, filter, and say what was seen."""

from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.build_graph import SHOWN
from otterize_pcap.cli.inputs import is_capture_directory, open_captures, read_bytes
from otterize_pcap.cli.options import Reporting, Selection
from otterize_pcap.cli.summary import is_damaged, summary_lines
from otterize_pcap.cli.terminal import notice
from otterize_pcap.errors import CoverageError, InputError
from otterize_pcap.filters import filter_graph
from otterize_pcap.graph import ServiceGraph
from otterize_pcap.map_capture import graph_capture, merge_graphs
from otterize_pcap.read_intents import parse_intents

DOCUMENTS = (".yaml", ".yml", ".json")


def read_graph(captures: Sequence[Path] | None, selection: Selection) -> ServiceGraph:
    """The service graph of the captures that a command was given."""
    opened = open_captures(captures, selection.snapshots, selection.reading)
    graphs = [graph_capture(capture, selection.rules) for capture in opened]
    return filter_graph(merge_graphs(graphs), selection.wanted)


def read_either(path: Path, selection: Selection) -> ServiceGraph:
    """The graph of an export (a file, or a directory of them), or of a capture directory.

    A directory is a capture where it holds a snapshot or pcap files.
    """
    if path.is_dir():
        if is_capture_directory(path):
            return read_graph([path], selection)
        inside = sorted(entry for entry in path.rglob("*") if entry.suffix in DOCUMENTS)
        if not inside:
            message = f"{path}: neither a capture directory nor a directory of exports"
            raise InputError(message)
        graph = parse_intents((str(entry), read_bytes(entry)) for entry in inside)
    else:
        graph = parse_intents([(str(path), read_bytes(path))])
    return filter_graph(graph, selection.wanted)


def report(graph: ServiceGraph, reporting: Reporting) -> None:
    """Print the summary on stderr, and fail under `--strict` where the input was damaged.

    Raises:
        CoverageError: `--strict`, and a file was damaged or packets were malformed.
    """
    coverage = graph.coverage
    if coverage is None:
        return
    if not reporting.quiet:
        for line in summary_lines(coverage, verbose=reporting.verbose):
            notice(line)
    if not graph.calls:
        notice(f"No connections found. ({_why_empty(graph)})")
    if reporting.strict and is_damaged(coverage):
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
