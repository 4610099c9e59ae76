"""Directories that are no capture, but hold several: a week of nightly ones."""

from collections.abc import Iterable
from pathlib import Path

from otterize_pcap.capture_dir import manifest_path, snapshot_path
from otterize_pcap.files.found_files import is_capture_directory
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.reduced_files import is_reduced


def captures_inside(path: Path) -> list[Path]:
    """The captures that lie in a directory which is none itself, by name; none where there is none.

    These are reduced captures, and directories with a manifest or a snapshot; one that has pcap
    files alone needs to be named with `--snapshot`.
    """
    if path == STDIN or not path.is_dir() or is_capture_directory(path):
        return []
    return [entry for entry in sorted(path.iterdir()) if _is_capture(entry)]


def each_alone(paths: Iterable[Path]) -> list[Path]:
    """Paths with the captures of such directories in the place of these."""
    return [each for path in paths for each in captures_inside(path) or (path,)]


def _is_capture(entry: Path) -> bool:
    if entry.name.startswith("."):
        return False
    if entry.is_dir():
        return manifest_path(entry).exists() or snapshot_path(entry).exists()
    return is_reduced(entry)
