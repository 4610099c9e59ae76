"""What the pods of a graph's workloads are labelled, by which readers put workloads together."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from otterize_pcap.graph.generated_names import is_generated_label
from otterize_pcap.graph.service_graph import Labels, Workload
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.snapshot.snapshot import Snapshot

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace has, whose value is its name."""
MOST_VALUES = 5
"""A label of which one workload's pods have more values puts nothing together."""

LabelsOf = tuple[tuple[Workload, Labels], ...]


def labels_of_workloads(
    snapshot: Snapshot, identities: Identities, shown: Collection[Workload]
) -> LabelsOf:
    """The labels of all pods of each of some workloads; what these lack, of its namespace.

    Left out are those that controllers set for each pod or version.
    """
    namespaces = {workload.namespace for workload in shown}
    found: dict[Workload, dict[str, set[str]]] = {one: defaultdict(set) for one in shown}
    for pod in snapshot.pods:
        if pod.namespace in namespaces and (workload := identities.of(pod).workload) in found:
            for key, value in _lasting(pod.labels):
                found[workload][key].add(value)
    for workload, labels in found.items():
        for key, value in _lasting(snapshot.namespaces.get(workload.namespace, {})):
            if key not in labels:
                labels[key] = {value}
    return _sorted(found)


def _lasting(labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return (
        (key, value)
        for key, value in labels.items()
        if key != NAME_LABEL and not is_generated_label(key)
    )


def merge_labels(parts: Iterable[LabelsOf]) -> LabelsOf:
    """The labels that several captures show."""
    found: dict[Workload, dict[str, set[str]]] = {}
    for part in parts:
        for workload, labels in part:
            known = found.setdefault(workload, defaultdict(set))
            for key, values in labels:
                known[key].update(values)
    return _sorted(found)


def _sorted(found: dict[Workload, dict[str, set[str]]]) -> LabelsOf:
    each = ((workload, _few(labels)) for workload, labels in sorted(found.items()))
    return tuple((workload, labels) for workload, labels in each if labels)


def _few(labels: dict[str, set[str]]) -> Labels:
    return tuple(
        (key, tuple(sorted(values)))
        for key, values in sorted(labels.items())
        if len(values) <= MOST_VALUES
    )
