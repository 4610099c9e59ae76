"""What files and manifest say of how much was seen: read, cut off, missing, not as promised."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from otterize_pcap.capture_dir import Manifest
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
    found = [_of_recording(node, table, manifest) for node, table in read.recordings]
    found += [
        FileCoverage(path_text(each.path), each.node, 0, None, None, True, None, each.reason)
        for each in read.unread
    ]
    for promise in broken:
        found = _with(found, promise)
    for node in manifest.nodes if manifest else ():
        if node.status is not NodeStatus.CAPTURED:
            continue
        of_node = [file for file in found if file.node == node.name]
        if not of_node:
            found.append(
                FileCoverage(node.name, node.name, 0, None, None, True, None, "no file of it")
            )
        elif not any(file.truncated for file in of_node):
            reason = missing_packets(node, sum(file.packets for file in of_node))
            if reason is not None:
                found = _with(found, BrokenPromise(node.name, of_node[0].file, reason))
    return tuple(found)


def _with(found: Iterable[FileCoverage], promise: BrokenPromise) -> list[FileCoverage]:
    """The files, one of them with what it lacks; it is one more where it was not read at all."""
    files = list(found)
    for number, file in enumerate(files):
        if file.file == promise.file or promise.file in file.file.split(", "):
            if file.reason is None:
                files[number] = replace(file, truncated=True, reason=promise.reason)
            return files
    missing = FileCoverage(promise.file, promise.node, 0, None, None, True, None, promise.reason)
    return [*files, missing]


def _of_recording(node: str, table: CaptureTable, manifest: Manifest | None) -> FileCoverage:
    dropped = table.counts.dropped
    for entry in manifest.nodes if manifest else ():
        if entry.name == node and entry.packets.dropped is not None:
            dropped = entry.packets.dropped
    return FileCoverage(
        file=", ".join(table.files),
        node=node,
        packets=table.counts.packets,
        first_ns=table.counts.first_ns,
        last_ns=table.counts.last_ns,
        truncated=bool(table.counts.truncated or table.counts.damage),
        dropped=dropped,
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
