"""When each node was recorded, and so when the pods of each workload could be seen."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.compare.coverage_gaps import file_lack
from otterize_pcap.counted import counted
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.intervals import Interval
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.capture import CaptureContents
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

Span = tuple[int, int]


class NodeRecord(Struct, frozen=True):
    """One node in one capture: when it was recorded (None: not at all), and what was missed."""

    recorded: Interval | None
    lacks: tuple[str, ...] = ()


class RecordedNodes:
    """The nodes of one capture.

    A pcap file that nobody said the node of can be any node's: then no node is known to be
    recorded, unless there is one only.
    """

    def __init__(self, contents: CaptureContents) -> None:
        snapshot = contents.snapshot
        self._known = {*snapshot.nodes.values(), *(pod.node for pod in snapshot.pods)} - {""}
        files = [_of_only_node(file, self._known) for file in contents.files]
        self._records = _records(files, contents.coverage_nodes)
        named = {file.node for file in files if file.packets}
        self._nameless = sorted(str(name) for name in named - self._known)
        times = [time for file in files for time in (file.first_ns, file.last_ns) if time]
        self.lasted = Interval(min(times), max(times)) if times else None

    def of(self, node: str) -> NodeRecord:
        """What was recorded of a node."""
        found = self._records.get(node)
        if found is not None:
            return found
        if not node:
            return NodeRecord(None, ("the snapshot does not say on which node it ran",))
        if self._nameless:
            files = ", ".join(self._nameless)
            return NodeRecord(
                None, (f"node {node} was not recorded, unless as {files}: --node FILE={node}",)
            )
        return NodeRecord(None, (f"node {node} was not recorded",))


def _of_only_node(file: FileCoverage, known: set[str]) -> FileCoverage:
    """A file, of the cluster's only node where its name is none."""
    if len(known) != 1 or file.node in known:
        return file
    (only,) = known
    return replace(file, node=only)


def _records(files: Iterable[FileCoverage], nodes: Iterable[NodeCoverage]) -> dict[str, NodeRecord]:
    by_node: dict[str, list[FileCoverage]] = {}
    for file in files:
        if file.node is not None:
            by_node.setdefault(file.node, []).append(file)
    found = {name: _record(held, None) for name, held in by_node.items()}
    for node in nodes:
        found[node.name] = _record(by_node.get(node.name, []), node)
    return found


def _record(files: Iterable[FileCoverage], node: NodeCoverage | None) -> NodeRecord:
    files = list(files)
    times = [time for file in files for time in (file.first_ns, file.last_ns) if time]
    lacks = [file_lack(file) for file in files if file.truncated]
    lacks += [
        f"node {file.node} dropped {counted(file.dropped, 'packet')}"
        for file in files
        if file.dropped
    ]
    if node is not None:
        if node.status is NodeStatus.CAPTURED:
            times += [time for time in (node.start_ns, node.end_ns) if time]
        if node.status is not NodeStatus.CAPTURED:
            lacks.append(f"node {node.name} was not captured ({node.reason or node.status})")
        elif node.reason:
            lacks.append(f"node {node.name}: {node.reason}")
    recorded = Interval(min(times), max(times)) if times else None
    return NodeRecord(recorded, tuple(lacks))


def lifetimes(snapshot: Snapshot) -> dict[Pod, Interval]:
    """From when to when each pod of a snapshot had an address (S10)."""
    found: dict[Pod, Interval] = {}
    hosted = (tenures for tenures in snapshot.host_pods.values())
    for tenures in (*snapshot.tenures.values(), *hosted):
        for tenure in tenures:
            known = found.get(tenure.pod, tenure.interval)
            found[tenure.pod] = Interval(
                min(known.start_ns, tenure.interval.start_ns),
                max(known.end_ns, tenure.interval.end_ns),
            )
    return found


def overlap(one: Interval, other: Interval | None) -> Span | None:
    """The time that lies in both."""
    if other is None:
        return None
    start, end = max(one.start_ns, other.start_ns), min(one.end_ns, other.end_ns)
    return (start, end) if start <= end else None


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def total_ns(spans: Iterable[Span]) -> int:
    """How long spans are together."""
    return sum(end - start for start, end in joined(spans))
