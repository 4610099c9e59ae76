"""Snapshot files → `Snapshot`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from otterize_pcap.errors import SnapshotError
from otterize_pcap.files.opening import map_file, path_text
from otterize_pcap.snapshot.read_objects import DocumentText
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot


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
                yield from ((path_text(entry), map_file(entry)) for entry in inside)
            else:
                yield path_text(path), map_file(path)

    return parse_snapshot(documents())
