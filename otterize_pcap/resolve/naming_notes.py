"""What a reader must know of the names in a graph: merged ones (S2), inferred ones (S3)."""

from collections.abc import Iterable, Iterator

from otterize_pcap.counted import counted
from otterize_pcap.graph.service_graph import Call, Workload
from otterize_pcap.resolve.identity import Identities


def workloads_of(calls: Iterable[Call]) -> set[Workload]:
    """Every workload of some calls, without what tells clients apart by label."""
    return {
        Workload(party.name, party.namespace, party.kind, group=party.group)
        for call in calls
        for party in (call.client, call.server)
        if isinstance(party, Workload)
    }


def merged_notes(identities: Identities, calls: Iterable[Call]) -> Iterator[str]:
    """A note for each name that stands for several sets of pods, with these (S2)."""
    for workload, sets in identities.merged(workloads_of(calls)).items():
        parts = ", ".join(part.name for part in sets)
        yield (
            f"{workload.written_kind} {workload.name}.{workload.namespace} is one name for "
            f"{counted(len(sets), 'set')} of pods: {parts}; --owner nearest tells them apart"
        )


def inferred_names(
    identities: Identities, calls: Iterable[Call]
) -> tuple[tuple[Workload, str], ...]:
    """The workloads of some calls that are named by what their pods say, and by what (S3).

    Of several reasons, such as one for each tick of a CronJob, the last is told.
    """
    shown = workloads_of(calls)
    found = (
        (identity.workload, identity.inferred)
        for identity in identities.named()
        if identity.made_stable and identity.inferred and identity.workload in shown
    )
    return tuple(dict(sorted(found)).items())
