"""Captures → one reduced capture: their parts, read with all that any command asks for later."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.captures import Ways, no_service, own_snapshot, read_directory, read_named
from otterize_pcap.files.flow_log_files import flow_logs_named
from otterize_pcap.files.found_files import refuse_bare
from otterize_pcap.files.merged_parts import merge_parts
from otterize_pcap.files.opening import STDIN, path_text
from otterize_pcap.files.read_recording import unwatched
from otterize_pcap.files.recordings import Watch
from otterize_pcap.files.reduced_files import (
    is_reduced,
    open_reduced,
    reading_of,
    require_pyarrow,
    snapshot_of,
)
from otterize_pcap.files.snapshot_files import snapshot_documents
from otterize_pcap.files.write_reduced import write_reduced
from otterize_pcap.reduced.saved_capture import SavedDocument
from otterize_pcap.table.chunk import ReadOptions


class ReducedTo(Struct, frozen=True):
    """What captures were reduced to: nodes, files, packets and rows."""

    nodes: int
    files: int
    packets: int
    rows: int
    packet_bytes: int


def reduce_captures(
    stream: BinaryIO,
    paths: Sequence[Path],
    snapshots: Sequence[Path] = (),
    options: ReadOptions = ReadOptions(),
    watch: Watch = unwatched,
) -> ReducedTo:
    """Write captures that are parts of one as a reduced capture.

    Args:
        stream: Where to, a file that can be sought in.
        paths: Capture directories, pcap files, and reduced captures.
        snapshots: Snapshot files, or directories of them, in place of the captures' own.
        options: How to read.
        watch: Told of each recording before it is read.

    Raises:
        InputError: A file is missing, unreadable or not what it should be.
        UsageError: Pcap files without a snapshot, or captures of their own.
    """
    if logs := flow_logs_named(paths):
        where = path_text(next(iter(logs)))
        message = (
            f"{where}: a flow log, which every command reads as it is, and which has no packets to "
            "reduce; give packets"
        )
        raise UsageError(message)
    require_pyarrow("otterize reduce")
    ways = Ways(replace(options, collect_names=True), watch, no_service, apart=True)
    given = documents_of(snapshots) if snapshots else None
    found = list(_read(paths, given, ways))
    parts = merge_parts([each for each, _ in found])
    if given is None and len({tuple(each.content for each in own) for _, own in found}) > 1:
        message = (
            "the parts have different snapshots; give the one that is of all of them with "
            "--snapshot, or reduce each to a file of its own"
        )
        raise UsageError(message)
    documents = given or tuple(dict.fromkeys(each for _, own in found for each in own))
    write_reduced(stream, parts, documents, options)
    tables = [table for _, table in parts.read.recordings]
    return ReducedTo(
        len(tables),
        sum(len(table.files) for table in tables),
        sum(table.counts.packets for table in tables),
        sum(map(len, tables)),
        sum(table.counts.bytes for table in tables),
    )


def _read(
    paths: Sequence[Path], given: tuple[SavedDocument, ...] | None, ways: Ways
) -> Iterable[tuple[CaptureParts, tuple[SavedDocument, ...]]]:
    """Each capture's parts, with its snapshot's documents."""
    reduced = [path for path in paths if is_reduced(path)]
    files = [path for path in paths if path not in reduced and not _is_directory(path)]
    for path in reduced:
        with open_reduced(path) as one:
            options = reading_of(one.saved.reading, ways.options, one.where)
            snapshot = one.snapshot() if given is None else snapshot_of(given)
            reading = replace(ways, options=options).for_snapshot(snapshot, one.local_addresses())
            yield one.parts(reading, apart=True), one.saved.documents
    for path in dict.fromkeys(filter(_is_directory, paths)):
        own = documents_of([own_snapshot(path)]) if given is None else given
        yield read_directory(path, snapshot_of(own), ways), own
    if files:
        if given is None:
            refuse_bare(files[0])
        yield read_named(files, snapshot_of(given), ways), given


def _is_directory(path: Path) -> bool:
    return path != STDIN and path.is_dir()


def documents_of(paths: Iterable[Path]) -> tuple[SavedDocument, ...]:
    """A snapshot's documents as they are, those too that cannot be read.

    Raises:
        SnapshotError: A directory holds none.
    """
    documents, foreign = snapshot_documents(paths)
    return tuple(
        SavedDocument(name, b"", str(document), name in foreign)
        if isinstance(document, InputError)
        else SavedDocument(name, bytes(document), None, name in foreign)
        for name, document in documents
    )
