"""Capture directories and pcap files → `Capture`: packets, snapshot and what nodes knew."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from otterize_pcap.capture_dir import (
    Manifest,
    decode_manifest,
    manifest_path,
    node_dir,
    nodes_dir,
    pcap_dir,
    snapshot_path,
)
from otterize_pcap.connections.conntrack import Dump, parse_conntrack, parse_timeouts
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.node_files import parse_inside_networks, parse_node_addresses
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.errors import CaptureError, SnapshotError, UsageError
from otterize_pcap.files.opening import STDIN, path_text, read_bytes
from otterize_pcap.files.pcap_files import (
    PCAP_NAME,
    Watch,
    nodes_by_file,
    pcap_files,
    read_nodes,
    unwatched,
)
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.resolve.tunnel_ends import TunnelEnds
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureCounts, CaptureTable
from otterize_pcap.timestamps import SECOND_NS, parse_time

MAX_CONNTRACK_BYTES = 64 << 20
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
    directories = [path for path in paths if path != STDIN and path.is_dir()]
    files = [path for path in paths if path == STDIN or not path.is_dir()]
    if files and given is None:
        message = (
            f"{files[0]}: a pcap file needs --snapshot FILE (what `kubectl get "
            "pods,services,endpointslices,nodes,replicasets,... -A -o json` prints)"
        )
        raise UsageError(message)
    captures = [_open_directory(path, given, options, watch, asked) for path in directories]
    if files and given is not None:
        reading = _reading(options, given, frozenset(), asked)
        tables = read_nodes(files, {}, reading, watch)
        captures.append(_capture(None, None, given, tables, asks_kept=reading.collect_names))
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
        or any(PCAP_NAME.fullmatch(entry.name) for entry in path.iterdir())
    )


def _open_directory(
    path: Path,
    given: Snapshot | None,
    options: ReadOptions,
    watch: Watch,
    asked: ServicesAsked,
) -> Capture:
    manifest = None
    if manifest_path(path).exists():
        manifest = decode_manifest(read_bytes(manifest_path(path)), str(manifest_path(path)))
    snapshot = given
    if snapshot is None:
        if not snapshot_path(path).exists():
            message = f"{path}: no snapshot.json in this directory; name one with --snapshot FILE"
            raise SnapshotError(message)
        snapshot = load_snapshot([snapshot_path(path)])
    files = pcap_files(path)
    if not files and (manifest is None or _any_captured(manifest)):
        message = f"{path}: no .pcap files in this directory; is it a capture directory?"
        raise CaptureError(message)
    reading = _reading(options, snapshot, _local_addresses(path), asked)
    tables = read_nodes(files, nodes_by_file(path, manifest), reading, watch)
    return _capture(path, manifest, snapshot, tables, asks_kept=reading.collect_names)


def _reading(
    options: ReadOptions, snapshot: Snapshot, local: Collection[bytes], asked: ServicesAsked
) -> ReadOptions:
    """The options with the tunnels that this snapshot and these nodes' addresses open, and DNS."""
    ends = TunnelEnds(snapshot, local, options.tunnel_endpoints)
    reading = _asking_dns(options, snapshot, asked)
    return replace(reading, opens=lru_cache(MAX_CACHED_ENDS)(ends.opens))


def _local_addresses(path: Path) -> frozenset[bytes]:
    """What all nodes of a capture directory said of their own addresses."""
    return frozenset(
        address
        for folder in sorted(nodes_dir(path).glob("*"))
        for address in parse_node_addresses(_addresses(folder))
    )


def _capture(
    path: Path | None,
    manifest: Manifest | None,
    snapshot: Snapshot,
    tables: Sequence[tuple[str, CaptureTable]],
    *,
    asks_kept: bool,
) -> Capture:
    skipped: dict[str, int] = {}
    closed = ClosedTunnels()
    for _, table in tables:
        closed.append(table.counts.closed)
        for reason, packets in table.counts.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + packets
    nodes: dict[bytes, frozenset[str]] = {}
    dumps: list[Dump] = []
    routes: list[str] = []
    port_ranges: dict[str, range] = {}
    for node, table in tables if path is not None else ():
        folder = node_dir(path, node) if path is not None else Path()
        saved = _addresses(folder)
        routes.append(saved)
        for address in parse_node_addresses(saved):
            nodes[address] = nodes.get(address, frozenset()) | {node}
        dumps += _dumps(folder, node, manifest, table.counts)
        if (ports := _port_range(folder)) is not None:
            port_ranges[node] = ports
    if closed.claims:
        for _, table in tables:
            table.table.disown(None if closed.is_full else closed.claims)
    known = nodes.keys() | snapshot.nodes.keys()
    inside = {network for saved in routes for network in parse_inside_networks(saved, known)}
    contents = CaptureContents(
        closed=closed.packets,
        recordings=[
            Recording(
                table.files,
                node,
                TableRows(table.table),
                _began_ns(node, manifest, table.counts),
                table.table,
            )
            for node, table in tables
        ],
        snapshot=snapshot,
        dumps=dumps,
        nodes=nodes,
        inside=tuple(sorted(inside)),
        files=tuple(_file_coverage(node, table, manifest) for node, table in tables),
        coverage_nodes=_node_coverage(manifest),
        skipped=skipped,
        asks_kept=asks_kept,
        payloads=[
            (node, table.files[payload.part], payload)
            for node, table in tables
            for payload in table.payloads
        ],
        clocks_ahead={
            node.name: round(node.clock_ahead * SECOND_NS)
            for node in (manifest.nodes if manifest else ())
            if node.clock_ahead is not None
        },
        port_ranges=port_ranges,
    )
    return Capture(contents)


def _addresses(folder: Path) -> str:
    """What `ip addr` and `ip route` said on a node."""
    path = folder / "addresses"
    return read_bytes(path).decode("utf-8", "replace") if path.exists() else ""


def _began_ns(node: str, manifest: Manifest | None, counts: CaptureCounts) -> int | None:
    """When a recording began, by its node's clock: no later than its first packet."""
    starts = (each.start for each in (manifest.nodes if manifest else ()) if each.name == node)
    start = next(starts, None)
    if counts.first_ns is None or start is None:
        return counts.first_ns
    return min(counts.first_ns, parse_time(start))


def _port_range(folder: Path) -> range | None:
    path = folder / "ip_local_port_range"
    if not path.exists():
        return None
    return parse_port_range(read_bytes(path).decode("ascii", "replace"))


def _dumps(
    folder: Path, node: str, manifest: Manifest | None, counts: CaptureCounts
) -> Iterator[Dump]:
    known = {entry.name: entry for entry in manifest.nodes} if manifest else {}
    entry = known.get(node)
    times = {
        "conntrack-start": parse_time(entry.start) if entry and entry.start else counts.first_ns,
        "conntrack-end": parse_time(entry.end) if entry and entry.end else counts.last_ns,
    }
    saved = folder / "conntrack-timeouts"
    timeouts = parse_timeouts(
        read_bytes(saved).decode("ascii", "replace") if saved.exists() else ""
    )
    for name, time_ns in times.items():
        path = folder / name
        if time_ns is None or not path.exists():
            continue
        with path.open("rb") as file:
            text = file.read(MAX_CONNTRACK_BYTES).decode("ascii", "replace")
        yield parse_conntrack(
            text.splitlines(),
            node,
            time_ns,
            timeouts,
            path_text(path),
            at_start=name == "conntrack-start",
        )


def _file_coverage(node: str, table: CaptureTable, manifest: Manifest | None) -> FileCoverage:
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


def _any_captured(manifest: Manifest) -> bool:
    return any(node.status is NodeStatus.CAPTURED for node in manifest.nodes)


def _node_coverage(manifest: Manifest | None) -> tuple[NodeCoverage, ...]:
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
