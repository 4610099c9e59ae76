"""What a reader must know of the names in a graph: merged ones (S2), inferred ones (S3)."""

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from otterize_pcap.counted import counted
from otterize_pcap.graph.service_graph import Call, Workload
from otterize_pcap.resolve.identity import Identities


def workloads_of(calls: Iterable[Call]) -> set[Workload]:
    """Every workload of some calls, without what tells clients apart by label."""
    return without_labels(
        party
        for call in calls
        for party in (call.client, call.server)
        if isinstance(party, Workload)
    )


def without_labels(workloads: Iterable[Workload]) -> set[Workload]:
    """Each of some workloads once, without what tells clients apart by label."""
    return {replace(each, label="") if each.label else each for each in workloads}


def merged_notes(identities: Identities, shown: Iterable[Workload]) -> Iterator[str]:
    """A note for each name shown that stands for several sets of pods, with these (S2)."""
    for workload, sets in identities.merged(shown).items():
        parts = ", ".join(part.name for part in sets)
        yield (
            f"{workload.written_kind} {workload.name}.{workload.namespace} is one name for "
            f"{counted(len(sets), 'set')} of pods: {parts}; --owner nearest tells them apart"
        )


def inferred_names(
    identities: Identities, shown: Collection[Workload]
) -> tuple[tuple[Workload, str], ...]:
    """Of the workloads shown those that are named by what their pods say, and by what (S3).

    Of several reasons, such as one for each tick of a CronJob, the last is told.
    """
    found = (
        (identity.workload, identity.inferred)
        for identity in identities.named()
        if identity.made_stable and identity.inferred and identity.workload in shown
    )
    return tuple(dict(sorted(found)).items())
