"""The graphs of several captures as one (S13)."""

from collections import Counter
from collections.abc import Iterable, Sequence

from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import (
    Coverage,
    ServiceGraph,
)
from otterize_pcap.resolve.build_graph import (
    merge_calls,
)
from otterize_pcap.resolve.told_apart import merge_shared
from otterize_pcap.resolve.undecided import merge_undecided
from otterize_pcap.resolve.workload_labels import merge_labels

FEW = 5
"""Graphs that are merged at once: one at a time takes three times as long."""


def merge_graphs(graphs: Sequence[ServiceGraph]) -> ServiceGraph:
    """The graphs of several captures, each resolved with its own snapshot, as one (S13)."""
    if len(graphs) == 1:
        return graphs[0]
    return ServiceGraph(
        merge_calls(graph.calls for graph in graphs),
        merge_coverages([graph.coverage for graph in graphs if graph.coverage is not None]),
        tuple(dict.fromkeys(call for graph in graphs for call in graph.hidden)),
        tuple(dict.fromkeys(entry for graph in graphs for entry in graph.inferred)),
        tuple(dict.fromkeys(entry for graph in graphs for entry in graph.roots)),
        tuple(dict.fromkeys(entry for graph in graphs for entry in graph.parts)),
        merge_labels(graph.labels for graph in graphs),
    )


class MergedGraphs:
    """The same of any number of graphs, of which a few are held at a time."""

    def __init__(self) -> None:
        self._held: list[ServiceGraph] = []

    def add(self, graph: ServiceGraph) -> None:
        """Take one more in."""
        self._held.append(graph)
        if len(self._held) == FEW:
            self._held = [self.merged()]

    def merged(self) -> ServiceGraph:
        """All that were taken in, as one."""
        return merge_graphs(self._held)


def merge_as_they_come(graphs: Iterable[ServiceGraph]) -> ServiceGraph:
    """The graphs of several captures as one, each taken in when it is made."""
    merged = MergedGraphs()
    for graph in graphs:
        merged.add(graph)
        # Else it would be held until the next one is made.
        del graph
    return merged.merged()


def merge_coverages(coverages: Sequence[Coverage]) -> Coverage:
    """What several captures covered, as one."""
    if len(coverages) == 1:
        return coverages[0]
    connections: Counter[Fate] = Counter()
    skipped: Counter[str] = Counter()
    for coverage in coverages:
        connections.update(dict(coverage.connections))
        skipped.update(dict(coverage.skipped))
    return Coverage(
        files=tuple(file for coverage in coverages for file in coverage.files),
        nodes=tuple(node for coverage in coverages for node in coverage.nodes),
        connections=tuple(sorted(connections.items())),
        skipped=tuple(sorted(skipped.items())),
        notes=tuple(dict.fromkeys(note for coverage in coverages for note in coverage.notes)),
        undecided=merge_undecided(call for coverage in coverages for call in coverage.undecided),
        aside=tuple(line for coverage in coverages for line in coverage.aside),
        shared=merge_shared(each for coverage in coverages for each in coverage.shared),
        outside=tuple(sorted({one for coverage in coverages for one in coverage.outside})),
        captures=sum(coverage.captures for coverage in coverages),
    )
