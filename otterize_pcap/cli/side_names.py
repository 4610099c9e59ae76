"""Names on one side of a comparison that mean something else on the other (S2)."""

from collections.abc import Iterator

from otterize_pcap.cli.name_notes import listed, name_of, report_names
from otterize_pcap.cli.selection import Reporting
from otterize_pcap.cli.terminal import notice
from otterize_pcap.compare.align_workloads import umbrella_names, whole_owners
from otterize_pcap.compare.renamed_ends import possible_owners
from otterize_pcap.graph.service_graph import ServiceGraph


def report_sides(old: ServiceGraph, new: ServiceGraph, reporting: Reporting) -> None:
    """Say what to know of the names on both sides of a comparison."""
    report_names((old, new), reporting)
    if not reporting.quiet:
        for line in umbrella_lines(old, new):
            notice(line)


def umbrella_lines(old: ServiceGraph, new: ServiceGraph) -> Iterator[str]:
    """Names on one side that stand for sets of pods which the other side tells apart (S2)."""
    for owner, parts in {**umbrella_names(old, new), **umbrella_names(new, old)}.items():
        yield (
            f"note: {name_of(owner)} is one name for {listed(parts)}, which are compared each by "
            "itself; name these, or compare by owners (--owner root)"
        )
    for owner, parts in {**possible_owners(old, new), **possible_owners(new, old)}.items():
        yield (
            f"note: {name_of(owner)} may be what owns {listed(parts)}, which no snapshot here "
            "says: save its kind with the snapshot, or name these"
        )
    for owner, parts in {**whole_owners(old, new), **whole_owners(new, old)}.items():
        yield (
            f"note: {name_of(owner)} is one name for {listed(parts)}, which are compared as one; "
            "to tell them apart, write the graph JSON with --owner nearest"
        )
