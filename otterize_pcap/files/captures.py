"""Capture directories and pcap files → `Capture`: packets, snapshot and what nodes knew."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.capture_dir import snapshot_path
from otterize_pcap.errors import SnapshotError
from otterize_pcap.files.capture_parts import CaptureParts, capture_of
from otterize_pcap.files.captures_inside import each_alone
from otterize_pcap.files.flow_log_files import (
    flow_logs_named,
    is_of_logs,
    log_coverage,
    read_flow_logs,
    unanswering_nodes,
)
from otterize_pcap.files.found_files import find_captures, refuse_bare
from otterize_pcap.files.manifest_files import checking, listed_files
from otterize_pcap.files.node_folders import local_addresses, read_folder
from otterize_pcap.files.object_path import forget, named_path
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.pcap_files import (
    Wanted,
    read_files,
    read_manifest,
    refuse_empty,
)
from otterize_pcap.files.read_recording import unwatched
from otterize_pcap.files.recordings import Watch
from otterize_pcap.files.reduced_files import is_reduced, open_reduced, reading_of
from otterize_pcap.files.retina import read_tarballs
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.flow_logs.connect_flows import MOST_FLOWS
from otterize_pcap.flow_logs.flow import Writer
from otterize_pcap.flow_logs.logged import log_notes, logged_of, passed_over
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.resolve.log_snapshot import with_logged
from otterize_pcap.resolve.tunnel_ends import MAX_CACHED_ENDS, TunnelEnds
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.chunk import ReadOptions

ServicesAsked = Callable[[Snapshot], frozenset[str] | None]


def no_service(_: Snapshot) -> frozenset[str]:
    """Nobody asks who looked a Service up."""
    return frozenset()


def open_captures(
    paths: Sequence[Path | str],
    snapshots: Sequence[Path | str] | None = None,
    options: ReadOptions = ReadOptions(),
    watch: Watch = unwatched,
) -> list[Capture]:
    """Read every capture that the paths name.

    Pcap files make one capture with the snapshot given; each directory is one with its own
    snapshot, unless one is given for all, or as many as it has capture directories and reduced
    captures in it.

    Args:
        paths: Capture directories and pcap files; `-` is standard input. URLs are texts.
        snapshots: Snapshot files, or directories of them, that are one snapshot together.
        options: How to read.
        watch: Told of each recording before it is read.

    Raises:
        InputError: A file is missing, unreadable or not what it should be.
        UsageError: Pcap files without a snapshot.
    """
    forget()
    named, given = _named(paths), None if snapshots is None else _named(snapshots)
    return list(each_capture(named, given, options, watch, no_service))


def _named(paths: Sequence[Path | str]) -> list[Path]:
    return [path if isinstance(path, Path) else named_path(path) for path in paths]


def each_capture(
    paths: Sequence[Path],
    snapshots: Sequence[Path] | None,
    options: ReadOptions,
    watch: Watch,
    asked: ServicesAsked,
) -> Iterator[Capture]:
    """As `open_captures`, but one after the other, each read when it is asked for.

    So that who makes a graph of each needs the room of the largest one, and not of all. `asked`
    gives the names of Services whose answers in DNS are kept, of a capture's snapshot; None keeps
    all names.
    """
    ways = Ways(options, watch, asked)
    named = _Named.by(paths)
    given = _given(snapshots, named)
    for path in named.reduced:
        yield _open_reduced(path, given, ways)
    for path in named.directories:
        yield _open_directory(path, given, ways)
    if named.logs:
        yield _open_logs(named.logs, given, options)
    if named.files and given is not None:
        yield capture_of(read_named(named.files, given, ways), given)


def last_snapshot(paths: Sequence[Path], snapshots: Sequence[Path] | None) -> Snapshot:
    """The snapshot of the last one that `each_capture` would yield; no packets are read."""
    named = _Named.by(paths)
    given = _given(snapshots, named)
    if given is not None:
        return given
    if named.logs:
        return Snapshot(where="")
    if named.directories:
        return load_snapshot([own_snapshot(named.directories[-1])])
    with open_reduced(named.reduced[-1]) as reduced:
        return reduced.snapshot()


def _given(snapshots: Sequence[Path] | None, named: "_Named") -> Snapshot | None:
    """The snapshot that was given for all captures.

    Raises:
        UsageError: There is none, and pcap files need one.
    """
    if snapshots:
        return load_snapshot(snapshots)
    if named.files:
        refuse_bare(named.files[0])
    return None


def count_captures(paths: Sequence[Path]) -> int:
    """How many captures the paths name."""
    named = _Named.by(paths)
    return len(named.reduced) + len(named.directories) + bool(named.logs) + bool(named.files)


class _Named(Struct, frozen=True):
    """What paths name, each once: flow logs are one capture together, and so are pcap files."""

    reduced: tuple[Path, ...]
    directories: tuple[Path, ...]
    logs: Mapping[Path, Writer]
    files: tuple[Path, ...]

    @classmethod
    def by(cls, paths: Sequence[Path]) -> "_Named":
        alone = each_alone(paths)
        reduced = tuple(dict.fromkeys(filter(is_reduced, alone)))
        logs = flow_logs_named(path for path in alone if path not in reduced)
        others = [path for path in alone if path not in reduced and not is_of_logs(path, logs)]
        files = tuple(path for path in others if path == STDIN or not path.is_dir())
        directories = tuple(dict.fromkeys(path for path in others if path not in files))
        return cls(reduced, directories, logs, files)


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


class Ways(Struct, frozen=True):
    """How all captures of one command are read; `apart` gives each file a table of its own."""

    options: ReadOptions
    watch: Watch
    asked: ServicesAsked
    apart: bool = False

    def for_snapshot(self, snapshot: Snapshot, local: Collection[bytes]) -> ReadOptions:
        """The options with the tunnels that a snapshot and nodes' addresses open, and DNS."""
        ends = TunnelEnds(snapshot, local, self.options.tunnel_endpoints)
        reading = _asking_dns(self.options, snapshot, self.asked)
        return replace(reading, opens=lru_cache(MAX_CACHED_ENDS)(ends.opens))


def _open_reduced(path: Path, given: Snapshot | None, ways: Ways) -> Capture:
    with open_reduced(path) as reduced:
        snapshot = given or reduced.snapshot()
        options = reading_of(reduced.saved.reading, ways.options, reduced.where)
        reading = replace(ways, options=options).for_snapshot(snapshot, reduced.local_addresses())
        return capture_of(reduced.parts(reading), snapshot)


def _open_directory(path: Path, given: Snapshot | None, ways: Ways) -> Capture:
    snapshot = given or load_snapshot([own_snapshot(path)])
    return capture_of(read_directory(path, snapshot, ways), snapshot)


def own_snapshot(path: Path) -> Path:
    """The snapshot in a capture directory.

    Raises:
        InputError: There is none, or there are no captures either.
    """
    if not snapshot_path(path).exists():
        refuse_empty(path, find_captures(path), read_manifest(path))
        message = f"{path}: no snapshot.json in this directory; name one with --snapshot FILE"
        raise SnapshotError(message)
    return snapshot_path(path)


def read_directory(path: Path, snapshot: Snapshot, ways: Ways) -> CaptureParts:
    """The parts of a capture directory.

    Raises:
        InputError: It holds no captures, or none that can be read.
    """
    manifest = read_manifest(path)
    found = find_captures(path)
    refuse_empty(path, found, manifest)
    listed = listed_files(path, manifest)
    nodes = {file.path: file.node for file in listed if file.path is not None}
    known = _node_names(snapshot)
    tarballs = read_tarballs(found.captures, known)
    reading = ways.for_snapshot(snapshot, local_addresses(path) | tarballs.local_addresses)
    with checking(listed, reading.threads) as check:
        named = {**tarballs.nodes, **nodes}
        wanted = Wanted(found.captures, named, (), known, ways.apart, check.listed)
        read = read_files(wanted, reading, ways.watch, check.opened)
    read = replace(read, notes=(*found.notes, *read.notes), aside=found.aside)
    parts = CaptureParts(
        read,
        path,
        manifest,
        cache(partial(check.broken, read.compared)),
        asks_kept=reading.collect_names,
        threads=reading.threads,
    )
    folders = {node: read_folder(path, node) for node in parts.nodes}
    return replace(parts, folders={**folders, **tarballs.folders})


def read_named(files: Sequence[Path], snapshot: Snapshot, ways: Ways) -> CaptureParts:
    """The parts of pcap files, as one capture.

    Raises:
        InputError: One is missing, or none can be read.
    """
    known = _node_names(snapshot)
    tarballs = read_tarballs(files, known)
    reading = ways.for_snapshot(snapshot, tarballs.local_addresses)
    wanted = Wanted(files, tarballs.nodes, files, known, ways.apart)
    read = read_files(wanted, reading, ways.watch)
    return CaptureParts(
        read,
        folders=tarballs.folders,
        asks_kept=reading.collect_names,
        threads=reading.threads,
    )


def _open_logs(
    logs: Mapping[Path, Writer], given: Snapshot | None, options: ReadOptions
) -> Capture:
    """Flow logs as one capture: they name pods themselves, and a snapshot what they do not."""
    read = read_flow_logs(logs.items(), min(options.max_connections, MOST_FLOWS))
    logged = logged_of(read)
    contents = CaptureContents(
        recordings=(),
        snapshot=with_logged(given or Snapshot(where=""), logged.connections),
        files_read=log_coverage(read),
        coverage_nodes=unanswering_nodes(read),
        skipped=passed_over(read),
        notes=tuple(log_notes(read, logged, given)),
        logged=logged,
    )
    return Capture(contents)


def _node_names(snapshot: Snapshot) -> frozenset[str]:
    return frozenset((*snapshot.nodes.values(), *(pod.node for pod in snapshot.pods)))
