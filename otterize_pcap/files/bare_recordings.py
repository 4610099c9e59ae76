"""Recordings alone, without a snapshot: what `otterize connections` shows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.manifest_files import ListedFile, checking, listed_files
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.pcap_files import (
    ReadFiles,
    Wanted,
    read_files,
    read_manifest,
    refuse_empty,
)
from otterize_pcap.files.read_recording import unwatched
from otterize_pcap.files.recordings import Watch
from otterize_pcap.files.reduced_files import is_reduced, open_reduced, reading_of
from otterize_pcap.table.read import CaptureTable, ReadOptions


def read_recordings(
    paths: Sequence[Path], options: ReadOptions, watch: Watch = unwatched
) -> ReadFiles:
    """Read the pcap files that the paths name or hold, without snapshots, by node.

    Raises:
        InputError: A file is missing, a directory holds no captures, or nothing can be read.
    """
    reduced = [path for path in paths if is_reduced(path)]
    recordings = [each for path in reduced for each in _of_reduced(path, options)]
    others = [path for path in paths if path not in reduced]
    read = _read_pcaps(others, options, watch) if others else ReadFiles(())
    return replace(read, recordings=(*recordings, *read.recordings))


def _read_pcaps(paths: Sequence[Path], options: ReadOptions, watch: Watch) -> ReadFiles:
    named = [path for path in paths if path == STDIN or not path.is_dir()]
    files: list[Path] = []
    nodes: dict[Path, str] = {}
    notes: list[str] = []
    aside: list[str] = []
    listed: list[ListedFile] = []
    for path in paths:
        if path in named:
            files.append(path)
            continue
        manifest = read_manifest(path)
        promised = listed_files(path, manifest)
        listed += promised
        nodes |= {each.path: each.node for each in promised if each.path is not None}
        found = find_captures(path)
        refuse_empty(path, found, manifest)
        files += found.captures
        notes += found.notes
        aside += found.aside
    with checking(listed, options.threads) as check:
        wanted = Wanted(files, nodes, named, listed=check.listed)
        read = read_files(wanted, options, watch, check.opened)
        notes += [f"{broken.file}: {broken.reason}" for broken in check.broken(read.compared)]
    return replace(read, notes=(*notes, *read.notes), aside=tuple(aside))


def _of_reduced(path: Path, options: ReadOptions) -> Iterator[tuple[str, CaptureTable]]:
    with open_reduced(path) as reduced:
        reading = reading_of(reduced.saved.reading, options, reduced.where)
        yield from reduced.parts(reading).read.recordings
