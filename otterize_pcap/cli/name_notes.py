"""Names that a reader must not trust to last: generated ones, and what was inferred (S3)."""

from collections.abc import Iterable, Iterator

from otterize_pcap.cli.selection import Reporting
from otterize_pcap.cli.terminal import notice
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.naming import full_name, printable
from otterize_pcap.graph.order import workload_order
from otterize_pcap.graph.service_graph import ServiceGraph, Workload
from otterize_pcap.resolve.naming_notes import workloads_of

# More names than these are a wall of text; a snapshot of pods alone has nothing but such names.
FEW = 10


def report_names(graphs: Iterable[ServiceGraph], reporting: Reporting) -> None:
    """Say on stderr which names of some graphs are generated, and which were made stable."""
    if reporting.quiet:
        return
    for line in name_lines(graphs, verbose=reporting.verbose):
        notice(line)


def name_lines(graphs: Iterable[ServiceGraph], *, verbose: bool) -> Iterator[str]:
    """The notes; with `verbose`, what each inferred name was inferred from."""
    graphs = list(graphs)
    found = {workload for graph in graphs for workload in workloads_of(graph.calls)}
    generated = sorted(filter(has_generated_name, found), key=workload_order)
    if generated:
        yield (
            f"note: names with a generated part, which look new at every run: {listed(generated)};"
            " --workload-label KEY or a pod annotation makes them stable"
        )
    inferred = {entry for graph in graphs for entry in graph.inferred}
    if inferred and not verbose:
        names = sorted({workload for workload, _ in inferred}, key=workload_order)
        more = f" and {len(names) - FEW} more (-v lists them)" if len(names) > FEW else ""
        yield f"note: names inferred from what pods say: {listed(names[:FEW])}{more}"
    if verbose:
        for workload, reason in sorted(inferred):
            yield printable(f"  note: {name_of(workload)} is inferred: {reason}")


def listed(workloads: Iterable[Workload]) -> str:
    """Workloads with their kinds, separated by commas."""
    return printable(", ".join(map(name_of, workloads)))


def name_of(workload: Workload) -> str:
    """A workload with its kind."""
    kind = f" ({workload.written_kind})" if workload.kind else ""
    return f"{full_name(workload)}{kind}"
