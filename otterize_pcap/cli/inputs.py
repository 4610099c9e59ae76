"""CAPTURE arguments → captures: finds, opens and reads the files of a capture."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import BufferedReader
from mmap import ACCESS_READ, mmap
from pathlib import Path

from otterize_pcap.capture_dir import (
    Manifest,
    decode_manifest,
    manifest_path,
    node_dir,
    pcap_dir,
    snapshot_path,
)
from otterize_pcap.cli.progress import reading_progress
from otterize_pcap.cli.terminal import notice
from otterize_pcap.connections.read import (
    FAST_PATH,
    CaptureCounts,
    CaptureTable,
    ReadOptions,
    ordered_parts,
    read_parts,
)
from otterize_pcap.errors import CaptureError, InputError, SnapshotError, UsageError
from otterize_pcap.flows.conntrack import Dump, parse_conntrack, parse_timeouts
from otterize_pcap.flows.legs import Recording, TableRows
from otterize_pcap.flows.node_files import parse_node_addresses
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.resolve.map_capture import Capture
from otterize_pcap.snapshot.read_objects import DocumentText
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import SECOND_NS, parse_time

CAPTURES = Path("otterize-captures")
STDIN = Path("-")
# node.pcap, node.1.pcap, node.pcap3 (tcpdump -C), each perhaps compressed.
PCAP_NAME = re.compile(r"(?P<node>.+?)(\.\d+)?\.(pcapng|pcap|cap)\d*(\.(gz|zst|lz4))?")
MAX_CONNTRACK_BYTES = 64 << 20
SLOW_BYTES = 1 << 20
"""What takes long enough without the compiled reader to be worth a word."""


def open_captures(
    arguments: Sequence[Path] | None, snapshots: Sequence[Path] | None, options: ReadOptions
) -> list[Capture]:
    """Read every capture that the arguments name.

    Pcap files make one capture with the snapshot given; each directory is one with its own
    snapshot, unless one is given for all.

    Raises:
        InputError: A file is missing, unreadable or not what it should be.
        UsageError: Pcap files without a snapshot.
    """
    paths = list(arguments or [newest_capture()])
    given = load_snapshot(snapshots) if snapshots else None
    directories = [path for path in paths if path != STDIN and path.is_dir()]
    files = [path for path in paths if path == STDIN or not path.is_dir()]
    if files and given is None:
        message = (
            f"{files[0]}: a pcap file needs --snapshot FILE (what `kubectl get "
            "pods,services,endpointslices,nodes,replicasets,... -A -o json` prints)"
        )
        raise UsageError(message)
    captures = [_open_directory(path, given, options) for path in directories]
    if files and given is not None:
        captures.append(_open_files(files, given, options))
    return captures


def read_recordings(paths: Sequence[Path], options: ReadOptions) -> list[tuple[str, CaptureTable]]:
    """Read the pcap files that the paths name or hold, without snapshots, by node.

    Raises:
        InputError: A file is missing, unreadable or no capture.
    """
    files: list[Path] = []
    nodes: dict[Path, str] = {}
    for path in paths:
        if path == STDIN or not path.is_dir():
            files.append(path)
            continue
        if manifest_path(path).exists():
            manifest = decode_manifest(read_bytes(manifest_path(path)), str(manifest_path(path)))
            nodes |= _nodes_by_file(path, manifest)
        files += _pcap_files(path)
    return _read_nodes(files, nodes, options)


def newest_capture() -> Path:
    """The newest capture under ./otterize-captures/, named on stderr."""
    found = sorted(path for path in CAPTURES.glob("*") if path.is_dir())
    if not found:
        message = (
            f"no CAPTURE given and none under ./{CAPTURES}/; "
            "name a capture directory, or record one with `otterize capture`"
        )
        raise UsageError(message)
    notice(f"reading {found[-1]}")
    return found[-1]


def load_snapshot(paths: Iterable[Path]) -> Snapshot:
    """A snapshot out of files, or directories of them (`kubectl cluster-info dump`)."""

    def documents() -> Iterator[tuple[str, DocumentText]]:
        for path in paths:
            if path.is_dir():
                inside = sorted(
                    entry
                    for entry in path.rglob("*")
                    if entry.suffix in (".json", ".yaml", ".yml") and entry.is_file()
                )
                if not inside:
                    message = f"{path}: no .json or .yaml file in this directory"
                    raise SnapshotError(message)
                yield from ((str(entry), _map(entry)) for entry in inside)
            else:
                yield str(path), _map(path)

    return parse_snapshot(documents())


def _map(path: Path) -> DocumentText:
    """A file's content, mapped where that is possible, so that big snapshots need not be held."""
    try:
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError):
        return read_bytes(path)


def read_bytes(path: Path) -> bytes:
    """The whole of a file; a missing or unreadable one is an InputError."""
    if path == STDIN:
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(_os_message(path, error)) from error


def _os_message(path: Path, error: OSError) -> str:
    return f"{path}: {error.strerror or error}; check the path and its permissions"


def is_capture_directory(path: Path) -> bool:
    """Whether a directory holds a capture: a manifest, a snapshot or pcap files."""
    return (
        manifest_path(path).exists()
        or snapshot_path(path).exists()
        or pcap_dir(path).is_dir()
        or any(PCAP_NAME.fullmatch(entry.name) for entry in path.iterdir())
    )


def _open_directory(path: Path, given: Snapshot | None, options: ReadOptions) -> Capture:
    manifest = None
    if manifest_path(path).exists():
        manifest = decode_manifest(read_bytes(manifest_path(path)), str(manifest_path(path)))
    snapshot = given
    if snapshot is None:
        if not snapshot_path(path).exists():
            message = f"{path}: no snapshot.json in this directory; name one with --snapshot FILE"
            raise SnapshotError(message)
        snapshot = load_snapshot([snapshot_path(path)])
    files = _pcap_files(path)
    if not files and (manifest is None or any(n.status == "captured" for n in manifest.nodes)):
        message = f"{path}: no .pcap files in this directory; is it a capture directory?"
        raise CaptureError(message)
    tables = _read_nodes(files, _nodes_by_file(path, manifest), options)
    return _capture(path, manifest, snapshot, tables)


def _pcap_files(directory: Path) -> list[Path]:
    folder = pcap_dir(directory) if pcap_dir(directory).is_dir() else directory
    return sorted(entry for entry in folder.iterdir() if PCAP_NAME.fullmatch(entry.name))


def _open_files(files: Sequence[Path], snapshot: Snapshot, options: ReadOptions) -> Capture:
    return _capture(None, None, snapshot, _read_nodes(files, {}, options))


def _nodes_by_file(path: Path, manifest: Manifest | None) -> dict[Path, str]:
    if manifest is None:
        return {}
    return {path / file.path: node.name for node in manifest.nodes for file in node.files}


def _node_of(path: Path) -> str:
    match = PCAP_NAME.fullmatch(path.name)
    return match["node"] if match else path.name


def _read_nodes(
    files: Sequence[Path], nodes: dict[Path, str], options: ReadOptions
) -> list[tuple[str, CaptureTable]]:
    if not FAST_PATH and sum(path.stat().st_size for path in files if path.is_file()) > SLOW_BYTES:
        notice(
            "the compiled reader was not built; reading is some 300 times slower "
            "(install a C compiler, then: pip install --force-reinstall otterize-pcap)"
        )
    parts: dict[str, list[Path]] = {}
    for path in sorted(files):
        # Files named alike in two directories are two recordings.
        node = nodes.get(path) or (_node_of(path) if nodes else str(path.parent / _node_of(path)))
        parts.setdefault(node, []).append(path)
    return [(Path(node).name, _read_node(node, paths, options)) for node, paths in parts.items()]


def _read_node(node: str, paths: Sequence[Path], options: ReadOptions) -> CaptureTable:
    with ExitStack() as stack:
        streams = [(str(path), _open(stack, path)) for path in paths]
        progress = stack.enter_context(reading_progress(Path(node).name, paths))
        return read_parts(ordered_parts(streams), node, options, progress)


def _open(stack: ExitStack, path: Path) -> BufferedReader:
    if path == STDIN:
        return stack.enter_context(open(sys.stdin.fileno(), "rb", closefd=False))
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise CaptureError(_os_message(path, error)) from error


def _capture(
    path: Path | None,
    manifest: Manifest | None,
    snapshot: Snapshot,
    tables: Sequence[tuple[str, CaptureTable]],
) -> Capture:
    skipped: dict[str, int] = {}
    for _, table in tables:
        for reason, packets in table.counts.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + packets
    nodes: dict[bytes, str] = {}
    dumps: list[Dump] = []
    for node, table in tables if path is not None else ():
        folder = node_dir(path, node) if path is not None else Path()
        nodes.update(dict.fromkeys(_addresses(folder), node))
        dumps += _dumps(folder, node, manifest, table.counts)
    return Capture(
        recordings=[
            Recording(table.files, node, TableRows(table.table), table.counts.first_ns, table.table)
            for node, table in tables
        ],
        snapshot=snapshot,
        dumps=dumps,
        nodes=nodes,
        files=tuple(_file_coverage(node, table, manifest) for node, table in tables),
        coverage_nodes=_node_coverage(manifest),
        skipped=skipped,
        payloads=[(node, payload) for node, table in tables for payload in table.payloads],
        clocks_ahead={
            node.name: round(node.clock_ahead * SECOND_NS)
            for node in (manifest.nodes if manifest else ())
            if node.clock_ahead is not None
        },
    )


def _addresses(folder: Path) -> frozenset[bytes]:
    path = folder / "addresses"
    if not path.exists():
        return frozenset()
    return parse_node_addresses(read_bytes(path).decode("utf-8", "replace"))


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
        yield parse_conntrack(text.splitlines(), node, time_ns, timeouts, str(path))


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


def _node_coverage(manifest: Manifest | None) -> tuple[NodeCoverage, ...]:
    return tuple(
        NodeCoverage(
            name=node.name,
            status=node.status,
            reason=node.reason,
            start_ns=parse_time(node.start) if node.start else None,
            end_ns=parse_time(node.end) if node.end else None,
        )
        for node in (manifest.nodes if manifest else ())
    )
