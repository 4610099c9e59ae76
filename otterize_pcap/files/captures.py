"""Capture directories and pcap files → `Capture`: packets, snapshot and what nodes knew."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from otterize_pcap.capture_dir import Manifest, manifest_path, pcap_dir, snapshot_path
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.node_files import parse_inside_networks
from otterize_pcap.errors import SnapshotError, UsageError
from otterize_pcap.files.coverage import file_coverage, node_coverage
from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.manifest_files import captured_nodes, checking, listed_files
from otterize_pcap.files.node_folders import SavedOfNodes, local_addresses
from otterize_pcap.files.opening import STDIN, require
from otterize_pcap.files.pcap_files import (
    ReadFiles,
    Wanted,
    read_files,
    read_manifest,
    refuse_empty,
)
from otterize_pcap.files.read_recording import Watch, unwatched
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.graph.service_graph import FileCoverage
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.resolve.tunnel_ends import TunnelEnds
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureCounts, CaptureTable
from otterize_pcap.timestamps import SECOND_NS, parse_time

MAX_CACHED_ENDS = 1 << 16

ServicesAsked = Callable[[Snapshot], frozenset[str] | None]


def no_service(_: Snapshot) -> frozenset[str]:
    """Nobody asks who looked a Service up."""
    return frozenset()


def open_captures(
    paths: Sequence[Path],
    snapshots: Sequence[Path] | None = None,
    options: ReadOptions = ReadOptions(),
    watch: Watch = unwatched,
) -> list[Capture]:
    """Read every capture that the paths name.

    Pcap files make one capture with the snapshot given; each directory is one with its own
    snapshot, unless one is given for all.

    Args:
        paths: Capture directories and pcap files; `-` is standard input.
        snapshots: Snapshot files, or directories of them, that are one snapshot together.
        options: How to read.
        watch: Told of each recording before it is read.

    Raises:
        InputError: A file is missing, unreadable or not what it should be.
        UsageError: Pcap files without a snapshot.
    """
    return open_asked(paths, snapshots, options, watch, no_service)


def open_asked(
    paths: Sequence[Path],
    snapshots: Sequence[Path] | None,
    options: ReadOptions,
    watch: Watch,
    asked: ServicesAsked,
) -> list[Capture]:
    """As `open_captures`, and keep the DNS answers that tell who looked some Services up.

    `asked` gives the names of these, of a capture's snapshot; None keeps all names.
    """
    given = load_snapshot(snapshots) if snapshots else None
    files = [path for path in paths if path == STDIN or not path.is_dir()]
    if files and given is None:
        if files[0] != STDIN:
            require(files[0])
        message = (
            f"{files[0]}: a pcap file needs --snapshot FILE (what `kubectl get "
            "pods,services,endpointslices,nodes,replicasets,... -A -o json` prints)"
        )
        raise UsageError(message)
    ways = _Ways(options, watch, asked)
    directories = dict.fromkeys(path for path in paths if path not in files)
    captures = [_open_directory(path, given, ways) for path in directories]
    if files and given is not None:
        captures.append(_open_files(files, given, ways))
    return captures


def _asking_dns(options: ReadOptions, snapshot: Snapshot, asked: ServicesAsked) -> ReadOptions:
    """How to read where DNS alone tells which address a load balancer has (S50), or who asked."""
    names = asked(snapshot)
    if names is None:
        return replace(options, collect_names=True)
    hosts = (host.split(".") for service in snapshot.services for host in service.hostnames)
    # The second-level domain: load balancers of a cluster are of one cloud. To keep all of DNS
    # took 30 s instead of 1 s of a capture with 660,000 messages.
    wanted = names.union(parts[-2:][0] for parts in hosts)
    labels = frozenset(
        bytes((len(label),)) + label for name in wanted if (label := name.lower().encode()[:63])
    )
    return replace(options, answers_about=labels) if labels else options


def is_capture_directory(path: Path) -> bool:
    """Whether a directory holds a capture: a manifest, a snapshot or pcap files."""
    return (
        manifest_path(path).exists()
        or snapshot_path(path).exists()
        or pcap_dir(path).is_dir()
        or bool(find_captures(path).captures)
    )


@dataclass(frozen=True, slots=True)
class _Ways:
    """How all captures of one command are read."""

    options: ReadOptions
    watch: Watch
    asked: ServicesAsked

    def for_snapshot(self, snapshot: Snapshot, local: Collection[bytes]) -> ReadOptions:
        """The options with the tunnels that a snapshot and nodes' addresses open, and DNS."""
        ends = TunnelEnds(snapshot, local, self.options.tunnel_endpoints)
        reading = _asking_dns(self.options, snapshot, self.asked)
        return replace(reading, opens=lru_cache(MAX_CACHED_ENDS)(ends.opens))


def _open_directory(path: Path, given: Snapshot | None, ways: _Ways) -> Capture:
    manifest = read_manifest(path)
    snapshot = given
    if snapshot is None:
        if not snapshot_path(path).exists():
            message = f"{path}: no snapshot.json in this directory; name one with --snapshot FILE"
            raise SnapshotError(message)
        snapshot = load_snapshot([snapshot_path(path)])
    found = find_captures(path)
    refuse_empty(path, found, manifest)
    listed = listed_files(path, manifest)
    nodes = {file.path: file.node for file in listed if file.path is not None}
    reading = ways.for_snapshot(snapshot, local_addresses(path))
    with checking(listed) as check:
        wanted = Wanted(found.captures, nodes, (), _node_names(snapshot))
        read = read_files(wanted, reading, ways.watch, check.opened)
        broken = check.broken()
    read = replace(read, notes=(*found.notes, *read.notes), aside=found.aside)
    files = file_coverage(read, manifest, broken)
    contents = _contents(path, manifest, snapshot, read, files)
    return Capture(replace(contents, asks_kept=reading.collect_names))


def _open_files(files: Sequence[Path], snapshot: Snapshot, ways: _Ways) -> Capture:
    reading = ways.for_snapshot(snapshot, frozenset())
    read = read_files(Wanted(files, {}, files, _node_names(snapshot)), reading, ways.watch)
    contents = _contents(None, None, snapshot, read, file_coverage(read, None, ()))
    return Capture(replace(contents, asks_kept=reading.collect_names))


def _node_names(snapshot: Snapshot) -> frozenset[str]:
    return frozenset((*snapshot.nodes.values(), *(pod.node for pod in snapshot.pods)))


def _contents(
    path: Path | None,
    manifest: Manifest | None,
    snapshot: Snapshot,
    read: ReadFiles,
    files: tuple[FileCoverage, ...],
) -> CaptureContents:
    saved = SavedOfNodes()
    if path is not None:
        counts = {node: table.counts for node, table in read.recordings}
        # What a node saved says something of others' packets too, whatever became of its own.
        for node in dict.fromkeys((*counts, *captured_nodes(manifest))):
            saved.add(path, node, manifest, counts.get(node, CaptureCounts()))
    known = saved.addresses.keys() | snapshot.nodes.keys()
    inside = {network for each in saved.routes for network in parse_inside_networks(each, known)}
    tables = [table for _, table in read.recordings]
    return CaptureContents(
        closed=_without_forged(tables).packets,
        recordings=[_recording(node, table, manifest) for node, table in read.recordings],
        snapshot=snapshot,
        dumps=saved.dumps,
        nodes=saved.addresses,
        inside=tuple(sorted(inside)),
        files=files,
        coverage_nodes=node_coverage(manifest),
        skipped=_skipped(tables),
        payloads=[
            (node, table.files[payload.part], payload)
            for node, table in read.recordings
            for payload in table.payloads
        ],
        clocks_ahead=_clocks_ahead(manifest),
        port_ranges=saved.port_ranges,
        notes=read.notes,
        aside=read.aside,
    )


def _recording(node: str, table: CaptureTable, manifest: Manifest | None) -> Recording:
    began_ns = _began_ns(node, manifest, table.counts)
    return Recording(table.files, node, TableRows(table.table), began_ns, table.table)


def _without_forged(tables: Sequence[CaptureTable]) -> ClosedTunnels:
    """The tunnels left closed; rows in others that the same sender wrote are marked (S25)."""
    closed = ClosedTunnels()
    for table in tables:
        closed.append(table.counts.closed)
    if closed.claims:
        for table in tables:
            table.table.disown(None if closed.is_full else closed.claims)
    return closed


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


def _began_ns(node: str, manifest: Manifest | None, counts: CaptureCounts) -> int | None:
    """When a recording began, by its node's clock: no later than its first packet."""
    starts = (each.start for each in (manifest.nodes if manifest else ()) if each.name == node)
    start = next(starts, None)
    if counts.first_ns is None or start is None:
        return counts.first_ns
    return min(counts.first_ns, parse_time(start))
