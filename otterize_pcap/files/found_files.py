"""What lies in a capture directory: captures, told by content, and what else there is.

A file is a capture whose first bytes are one's, whatever its name. One that is only named like a
capture is reported as damaged, and what is neither is named, unless it is a text: captures are kept
beside manifests, snapshots and notes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from otterize_pcap.capture_dir import pcap_dir
from otterize_pcap.errors import CaptureError, UnknownCaptureFormat
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.recording_names import is_capture_name
from otterize_pcap.records.archives import BLOCK, is_tar
from otterize_pcap.records.compression import compression_of
from otterize_pcap.records.containers import is_container, open_capture

HEAD = 1024
"""Bytes that tell a text: zeros are in every other kind of file."""
KNOWN = ("manifest.", "snapshot.")
"""How names begin of what lies beside captures, compressed or not."""
MAX_LOOKED_AT = 100
"""Files of a further directory that are looked at for captures."""
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The captures of a directory, sorted, and a note on what else lies there."""

    captures: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_captures(directory: Path) -> FoundFiles:
    """Look through `pcap/` of a capture directory, or through one that was made by hand.

    Beside `pcap/` there may be any directory; a capture that lies there as a file is misplaced.
    """
    folder = pcap_dir(directory)
    captures: list[Path] = []
    others: list[Path] = []
    beside: list[Path] = []
    for entry in _entries(folder if folder.is_dir() else directory):
        if entry.is_dir():
            if is_capture_name(entry.name) or _has_captures(entry):
                others.append(entry)
        elif not entry.is_file():
            # A pipe or a device would be waited for.
            others.append(entry)
        elif is_capture(entry) or is_capture_name(entry.name):
            captures.append(entry)
        elif not _is_text(entry) and not entry.name.startswith(KNOWN):
            others.append(entry)
    if folder.is_dir():
        beside = [entry for entry in _entries(directory) if is_capture(entry)]
    notes = [*_note(others, "no capture"), *_note(beside, "not in pcap/")]
    return FoundFiles(tuple(captures), tuple(notes))


def is_capture(path: Path) -> bool:
    """Whether a file begins as a capture does, unpacked where it is compressed or an archive."""
    head = _head(path)
    if compression_of(head[:4]) is None and not is_tar(head[:BLOCK]):
        return is_container(head)
    try:
        with path.open("rb") as file:
            open_capture(file, path_text(path))
    except UnknownCaptureFormat:
        return False
    except (OSError, CaptureError):
        # What unpacks it is not installed, or it is several: whoever reads it says so.
        return True
    return True


def _entries(directory: Path) -> Iterator[Path]:
    """What is in a directory, by name; names with a dot in front are of systems and archivers."""
    yield from sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))


def _has_captures(directory: Path) -> bool:
    """Whether some file right inside a directory is a capture."""
    try:
        return any(
            is_container(_head(entry)[:4])
            for entry in islice(_entries(directory), MAX_LOOKED_AT)
            if entry.is_file()
        )
    except OSError:
        return False


def _is_text(path: Path) -> bool:
    head = _head(path)
    return path.is_file() and bool(head) and b"\0" not in head


def _head(path: Path) -> bytes:
    """A file's first bytes; none where it cannot be read, or is no file."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _note(paths: list[Path], why: str) -> Iterator[str]:
    if not paths:
        return
    named = ", ".join(path_text(path.name) for path in paths[:MAX_NAMED])
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    yield f"left out of {path_text(paths[0].parent)}: {named}{more} ({why})"
