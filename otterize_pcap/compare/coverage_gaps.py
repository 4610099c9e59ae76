"""What a capture could not have shown, so that absence can be told from not having looked.

A connection passes the node of its client and the node of its server, and one recording is enough
to show it. So a gap hides a call only where pods of both ends were where it is; a call to what is
no pod passes the client's node alone.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from otterize_pcap.counted import counted
from otterize_pcap.flow_logs.flow import RECORD
from otterize_pcap.graph.service_graph import (
    NEVER_CALLS,
    Call,
    Coverage,
    FileCoverage,
    NodeCoverage,
    Workload,
    could_be,
)
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.resolution import API_SERVER

# A node whose packets end after less than this share of the time they once took lacks some.
WHOLE_ENOUGH = 0.5


class Gap(Struct, frozen=True):
    """What a capture missed; `workloads` had pods there, None where nobody knows whose."""

    reason: str
    workloads: tuple[Workload, ...] | None

    def has(self, end: Workload) -> bool:
        """Whether packets of a workload could be in the gap; the API server is no pod's."""
        if self.workloads is None or end == API_SERVER:
            return True
        return any(could_be(end, one) for one in self.workloads)


def coverage_gaps(coverage: Coverage) -> tuple[Gap, ...]:
    """All that a capture missed: nodes, ends of files, dropped packets."""
    nodes = {node.name: node for node in coverage.nodes}
    gaps = [
        Gap(f"node {node.name} was not captured ({node.reason or node.status})", node.workloads)
        for node in coverage.nodes
        if node.status is not NodeStatus.CAPTURED
    ]
    gaps += [
        Gap(f"node {node.name}: {node.reason}", node.workloads)
        for node in coverage.nodes
        if node.status is NodeStatus.CAPTURED and node.reason
    ]
    gaps += [
        Gap(file_lack(file), _workloads(nodes, (file.node,)))
        for file in coverage.files
        if file.truncated
    ]
    dropped = [file for file in coverage.files if file.dropped and not file.sample]
    if dropped:
        total = sum(file.dropped or 0 for file in dropped)
        where = _workloads(nodes, (file.node for file in dropped))
        gaps.append(
            Gap(f"{counted(total, 'packet was', 'packets were')} dropped while capturing", where)
        )
    gaps += [Gap(f"{file.file}: {_sampled(file)}", None) for file in coverage.files if file.sample]
    if not any(file.packets for file in coverage.files):
        gaps.append(Gap("the capture holds no packets", None))
    return tuple(gaps)


def _unit(reason: str) -> str:
    return "records" if reason.startswith(RECORD) else "packets"


def _sampled(file: FileCoverage) -> str:
    """What a flow log does not show, and how many events it says were lost."""
    return f"{file.sample}; {file.dropped} events were lost" if file.dropped else file.sample


def new_gaps(old: Coverage, new: Coverage) -> tuple[Gap, ...]:
    """What the new capture missed as compared with the old one: packets of a kind, files."""
    before = {reason for reason, packets in old.skipped if packets}
    gaps = [
        Gap(f"{_unit(reason)} were left out that were not before: {reason}", None)
        for reason, packets in new.skipped
        if packets and not reason.startswith(NEVER_CALLS) and reason not in before
    ]
    gone = _recorded(old) - _recorded(new)
    # A manifest says which nodes there are; without one, files may only be called otherwise.
    if not new.nodes and 0 < len(_recorded(new)) < len(_recorded(old)):
        gaps += [Gap(f"no file of node {node}, which was captured before", None) for node in gone]
    if not new.nodes:
        gaps += _ended_early(old, new)
    return tuple(sorted(gaps, key=lambda gap: gap.reason))


def _ended_early(old: Coverage, new: Coverage) -> Iterator[Gap]:
    """Nodes whose recordings end well before the others', as they did not in the old capture.

    A file that was cut between two packets shows it in no other way where no manifest says how
    many there were.
    """
    before, after = _shares(old), _shares(new)
    for node in sorted(before.keys() & after.keys()):
        if after[node] < before[node] * WHOLE_ENOUGH:
            share = f"{after[node]:.0%} of the capture's time"
            yield Gap(f"the packets of node {node} end after {share}", None)


def _shares(coverage: Coverage) -> dict[str, float]:
    """After which share of a capture's time each node's packets end."""
    first = [file.first_ns for file in coverage.files if file.first_ns is not None]
    ends: dict[str, int] = {}
    for file in coverage.files:
        if file.node and file.last_ns is not None:
            ends[file.node] = max(file.last_ns, ends.get(file.node, 0))
    if not ends or max(ends.values()) <= min(first):
        return {}
    start, lasted = min(first), max(ends.values()) - min(first)
    return {node: (end - start) / lasted for node, end in ends.items()}


def _recorded(coverage: Coverage) -> frozenset[str]:
    return frozenset(file.node for file in coverage.files if file.node and file.packets)


def file_lack(file: FileCoverage) -> str:
    """What keeps a file from showing all that was on its node."""
    return f"{file.file}: {file.reason}" if file.reason else f"{file.file} is damaged or cut off"


def gaps_that_hide(call: Call, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Why a capture may have missed a call; empty where it would have shown it."""
    at_client = [gap for gap in gaps if gap.has(call.client)]
    at_server = at_client
    if isinstance(call.server, Workload) and not call.server.is_service:
        at_server = [gap for gap in gaps if gap.has(call.server)]
    if not at_client or not at_server:
        return ()
    return tuple(gap.reason for gap in gaps if gap in at_client or gap in at_server)


def _workloads(
    nodes: dict[str, NodeCoverage], names: Iterable[str | None]
) -> tuple[Workload, ...] | None:
    """Who had pods on some nodes; None where one of them is not known."""
    found: set[Workload] = set()
    for name in names:
        node = nodes.get(name or "")
        if node is None or node.workloads is None:
            return None
        found.update(node.workloads)
    return tuple(sorted(found))
