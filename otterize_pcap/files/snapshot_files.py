"""Snapshot files → `Snapshot`."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path

from otterize_pcap.capture_dir import snapshot_path
from otterize_pcap.errors import InputError, SnapshotError
from otterize_pcap.files.flow_log_files import flow_logs_among, read_flow_logs
from otterize_pcap.files.opening import STDIN, map_file, path_text
from otterize_pcap.files.reduced_files import document_of, is_reduced, open_reduced
from otterize_pcap.flow_logs.connect_flows import MOST_FLOWS
from otterize_pcap.flow_logs.logged import logged_of
from otterize_pcap.records.compression import Decompressed, compression_of
from otterize_pcap.records.stream import Window
from otterize_pcap.reduced.saved_capture import SavedDocument
from otterize_pcap.resolve.log_snapshot import with_logged
from otterize_pcap.snapshot.plain_text import DocumentText
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot

SUFFIXES = (".json", ".jsonl", ".ndjson", ".yaml", ".yml")
COMPRESSED = (".gz", ".zst", ".lz4", ".xz", ".bz2")
STEP = 1 << 20
MAX_BYTES = 1 << 30
"""The most that one file is decompressed to: snapshots of 40,000 pods have some 100 MB."""


def load_snapshot(paths: Iterable[Path]) -> Snapshot:
    """A snapshot out of files, or directories of them (`kubectl cluster-info dump`).

    Files may be compressed. What lies in a directory and is no snapshot is left out, with a note.
    A flow log is one as far as it names pods, and a reduced capture holds the one that it was made
    with.

    Raises:
        CaptureError: A reduced capture is damaged, or pyarrow is not installed.
        InputError: A file is missing or unreadable.
        SnapshotError: A file is none, or there is no Pod or Service in any.
    """
    paths = list(paths)
    logs = flow_logs_among(path for path in paths if path == STDIN or path.is_file())
    rest = [path for path in paths if path not in logs]
    where = ", ".join(path_text(path) for path in logs)
    snapshot = parse_snapshot(*snapshot_documents(rest)) if rest else Snapshot(where)
    if not logs:
        return snapshot
    logged = logged_of(read_flow_logs(logs.items(), MOST_FLOWS))
    named = with_logged(snapshot, logged.connections)
    if not named.pods:
        message = f"{where}: a flow log that names no pod; give a snapshot of the cluster"
        raise SnapshotError(message)
    return named


def snapshot_of(path: Path) -> Path:
    """The snapshot that lies in a capture directory; any other path is one itself."""
    inside = snapshot_path(path)
    return inside if path != STDIN and inside.is_file() else path


def snapshot_documents(
    paths: Iterable[Path],
) -> tuple[Iterator[tuple[str, DocumentText | InputError]], set[str]]:
    """The documents in files and directories, by name, and which names may hold something else.

    An error stands for a document that cannot be read.

    Raises:
        CaptureError: A reduced capture is damaged, or pyarrow is not installed.
        SnapshotError: A directory holds none.
    """
    files: list[Path] = []
    saved: list[SavedDocument] = []
    inside: set[str] = set()
    for path in map(snapshot_of, paths):
        if path != STDIN and is_reduced(path):
            with open_reduced(path) as reduced:
                saved += reduced.saved.documents
            continue
        if path == STDIN or not path.is_dir():
            files.append(path)
            continue
        found = sorted(entry for entry in path.rglob("*") if _is_named_so(entry))
        if not found:
            message = f"{path_text(path)}: no .json or .yaml file in this directory"
            raise SnapshotError(message)
        files += found
        inside.update(map(path_text, found))
    inside.update(each.name for each in saved if each.is_foreign)
    return chain(_documents(files), map(document_of, saved)), inside


def _is_named_so(path: Path) -> bool:
    """Whether a file in a directory may be part of a snapshot, by its name."""
    named = path.with_suffix("") if path.suffix in COMPRESSED else path
    return named.suffix in SUFFIXES and not path.name.startswith("._") and path.is_file()


def _documents(files: Iterable[Path]) -> Iterator[tuple[str, DocumentText | InputError]]:
    for path in files:
        name = path_text(path)
        try:
            yield name, _plain(map_file(path), name)
        except InputError as error:
            yield name, error


def _plain(document: DocumentText, name: str) -> DocumentText:
    """A document, decompressed where it is compressed.

    Raises:
        InputError: It is damaged, longer than `MAX_BYTES`, or its decompressor is not installed.
    """
    compression = compression_of(document[:4])
    if compression is None:
        return document
    plain = Decompressed(Window(BytesIO(document)), name, compression)
    found = bytearray()
    buffer = memoryview(bytearray(STEP))
    while (count := plain.readinto(buffer)) > 0:
        found += buffer[:count]
        if len(found) > MAX_BYTES:
            message = f"{name}: more than {MAX_BYTES >> 30} GiB when decompressed; unpack it first"
            raise SnapshotError(message)
    if plain.damage is not None:
        raise SnapshotError(f"{plain.damage}; copy the file again")
    return bytes(found)
