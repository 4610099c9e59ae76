"""A capture's parts as they were read → `Capture`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct, field

from otterize_pcap.capture_dir import Manifest, NodeCapture, by_name
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.node_files import parse_inside_networks
from otterize_pcap.files.coverage import file_coverage, node_coverage
from otterize_pcap.files.forged_rows import Strays, closed_of
from otterize_pcap.files.manifest_files import BrokenPromise, captured_nodes
from otterize_pcap.files.node_folders import NodeFolder, SavedOfNodes
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import CaptureCounts
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.timestamps import SECOND_NS, parse_time


class CaptureParts(Struct, frozen=True):
    """All of a capture but its snapshot, read.

    `place` is the capture directory, None for files named by themselves; `folders` is what it has
    of each node. `broken` tells files that are not what the manifest says, and waits until all are
    compared. `asks_kept` says that all of DNS is among the payloads, questions too. `threads`
    says how many may work on it at once.
    """

    read: ReadFiles
    place: Path | None = None
    manifest: Manifest | None = None
    broken: Callable[[], tuple[BrokenPromise, ...]] = tuple
    folders: Mapping[str, NodeFolder] = field(default_factory=dict)
    asks_kept: bool = False
    threads: int = 1

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those that were recorded, or are said to have been.

        What a node saved says something of others' packets too, whatever became of its own.
        """
        recorded = (node for node, _ in self.read.recordings)
        return tuple(dict.fromkeys((*recorded, *captured_nodes(self.manifest))))


def capture_of(parts: CaptureParts, snapshot: Snapshot) -> Capture:
    """The capture that parts make with a snapshot; their tables are used up."""
    read, manifest = parts.read, parts.manifest
    saved, entries = SavedOfNodes(), by_name(manifest)
    counts = {node: table.counts for node, table in read.recordings}
    for node in parts.nodes:
        if (folder := parts.folders.get(node)) is not None:
            saved.add(folder, node, entries.get(node), counts.get(node, CaptureCounts()))
    known = saved.addresses.keys() | snapshot.nodes.keys()
    inside = {network for each in saved.routes for network in parse_inside_networks(each, known)}
    tables = [table for _, table in read.recordings]
    closed = closed_of(read.recordings)
    strays = Strays.of(closed, {node for node, _ in read.recordings}, snapshot)
    _disown(read.recordings, closed, strays)
    contents = CaptureContents(
        closed=closed.packets,
        recordings=[_recording(node, table, entries.get(node)) for node, table in read.recordings],
        snapshot=snapshot,
        dumps=strays.left_out(saved.dumps),
        nodes=saved.addresses,
        inside=tuple(sorted(inside)),
        files_read=file_coverage(read, manifest, ()),
        compared=cache(lambda: file_coverage(read, manifest, parts.broken())),
        coverage_nodes=node_coverage(manifest),
        skipped=_skipped(tables),
        payloads=[
            (node, table.files[payload.part], payload)
            for node, table in read.recordings
            for payload in table.payloads
        ],
        asks_kept=parts.asks_kept,
        clocks_ahead=_clocks_ahead(manifest),
        port_ranges=saved.port_ranges,
        notes=read.notes,
        aside=read.aside,
        threads=parts.threads,
    )
    return Capture(contents)


def _recording(node: str, table: CaptureTable, entry: NodeCapture | None) -> Recording:
    began_ns = _began_ns(entry, table.counts)
    return Recording(table.files, node, TableRows(table.table), began_ns, table.table)


def _disown(
    recordings: Sequence[tuple[str, CaptureTable]], closed: ClosedTunnels, strays: Strays
) -> None:
    """Mark rows that were written by who wrote into closed tunnels (S25)."""
    for node, table in recordings:
        if closed.claims or closed.is_full:
            table.table.disown(None if closed.is_full else closed.claims)
        if strays.ends:
            table.table.disown_strays(strays.ends, strays.elsewhere(node))


def _skipped(tables: Sequence[CaptureTable]) -> dict[str, int]:
    skipped: Counter[str] = Counter()
    for table in tables:
        skipped.update(table.counts.skipped)
    return dict(skipped)


def _clocks_ahead(manifest: Manifest | None) -> dict[str, int]:
    """By how many ns the clocks of nodes were ahead, where that was measured."""
    return {
        node.name: round(node.clock_ahead * SECOND_NS)
        for node in (manifest.nodes if manifest else ())
        if node.clock_ahead is not None
    }


def _began_ns(entry: NodeCapture | None, counts: CaptureCounts) -> int | None:
    """When a recording began, by its node's clock: no later than its first packet."""
    start = entry.start if entry else None
    if counts.first_ns is None or start is None:
        return counts.first_ns
    return min(counts.first_ns, parse_time(start))
