"""What files and manifest say of how much was seen: read, cut off, missing, not as promised."""

from collections.abc import Sequence

from msgspec.structs import replace

from otterize_pcap.capture_dir import Manifest, NodeCapture, by_name
from otterize_pcap.files.manifest_files import BrokenPromise, missing_packets
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.timestamps import parse_time


def file_coverage(
    read: ReadFiles, manifest: Manifest | None, broken: Sequence[BrokenPromise]
) -> tuple[FileCoverage, ...]:
    """The files that were read, then those that were not; each with what is amiss with it."""
    entries = by_name(manifest)
    found = _Found()
    for node, table in read.recordings:
        found.add(_of_recording(node, table, entries.get(node)))
    for each in read.unread:
        found.add(_unread(path_text(each.path), each.node, each.reason))
    for promise in broken:
        found.note(promise)
    for entry in entries.values():
        if entry.status is not NodeStatus.CAPTURED:
            continue
        of_node = found.of_node(entry.name)
        if not of_node:
            found.add(_unread(entry.name, entry.name, "no file of it"))
        elif not any(file.truncated for file in of_node):
            reason = missing_packets(entry, sum(file.packets for file in of_node))
            if reason is not None:
                found.note(BrokenPromise(entry.name, of_node[0].file, reason))
    return tuple(found.files)


def _unread(file: str, node: str, reason: str) -> FileCoverage:
    return FileCoverage(file, node, 0, None, None, True, None, reason)


class _Found:
    """Files in order, found by name and by node: a capture has thousands of each."""

    def __init__(self) -> None:
        self.files: list[FileCoverage] = []
        self._by_name: dict[str, int] = {}
        self._by_node: dict[str | None, list[int]] = {}

    def add(self, file: FileCoverage) -> None:
        """One file more, or several that are one recording."""
        number = len(self.files)
        self.files.append(file)
        self._by_node.setdefault(file.node, []).append(number)
        for name in (file.file, *file.file.split(", ")):
            self._by_name.setdefault(name, number)

    def of_node(self, node: str) -> list[FileCoverage]:
        """All of one node."""
        return [self.files[number] for number in self._by_node.get(node, ())]

    def note(self, promise: BrokenPromise) -> None:
        """Say what a file lacks; it is one more where it was not read at all."""
        number = self._by_name.get(promise.file)
        if number is None:
            self.add(_unread(promise.file, promise.node, promise.reason))
        elif self.files[number].reason is None:
            file = self.files[number]
            self.files[number] = replace(file, truncated=True, reason=promise.reason)


def _of_recording(node: str, table: CaptureTable, entry: NodeCapture | None) -> FileCoverage:
    counted = entry.packets.dropped if entry else None
    return FileCoverage(
        file=", ".join(table.files),
        node=node,
        packets=table.counts.packets,
        first_ns=table.counts.first_ns,
        last_ns=table.counts.last_ns,
        truncated=bool(table.counts.truncated or table.counts.damage),
        dropped=table.counts.dropped if counted is None else counted,
    )


def node_coverage(manifest: Manifest | None) -> tuple[NodeCoverage, ...]:
    """What a manifest says of each node."""
    if manifest is None:
        return ()
    return tuple(
        NodeCoverage(
            name=node.name,
            status=node.status,
            reason=node.reason or _unseen(manifest.interface),
            start_ns=parse_time(node.start) if node.start else None,
            end_ns=parse_time(node.end) if node.end else None,
        )
        for node in manifest.nodes
    )


def _unseen(interface: str | None) -> str | None:
    """What one interface alone does not show; None where all were recorded."""
    if interface in (None, "any"):
        return None
    return f"only {interface} was recorded, which shows no call within the node"
