"""Which workloads had pods where a capture did not record every packet."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage, Workload
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.snapshot.snapshot import Snapshot


def with_workloads(
    nodes: Sequence[NodeCoverage],
    files: Iterable[FileCoverage],
    snapshot: Snapshot,
    identities: Identities,
) -> tuple[NodeCoverage, ...]:
    """The nodes, each that was not recorded whole with the workloads that had pods on it.

    A pod of which the snapshot does not say where it ran could have been on any. One on a node that
    nobody meant to record (a virtual one) shows on its peers' nodes alone, so that each has it.
    Without a watch nobody knows which pods there were, so that nothing is filled in.
    """
    damaged = {file.node for file in files if file.truncated or file.dropped}
    partly = {
        node.name
        for node in nodes
        if node.status is not NodeStatus.CAPTURED or node.reason or node.name in damaged
    }
    if not partly or snapshot.watch_start_ns is None:
        return tuple(nodes)
    listed = {node.name for node in nodes}
    found: dict[str, set[Workload]] = defaultdict(set)
    hosted = [*snapshot.tenures.values(), *snapshot.host_pods.values()]
    for tenure in (tenure for tenures in hosted for tenure in tenures):
        for name in (tenure.pod.node,) if tenure.pod.node in listed else partly:
            if name in partly:
                found[name].add(identities.of(tenure.pod).workload)
    return tuple(
        replace(node, workloads=tuple(sorted(found[node.name]))) if node.name in partly else node
        for node in nodes
    )
