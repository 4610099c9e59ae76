"""What lies in a capture directory: captures, told by content, and what else there is.

A file is a capture whose first bytes are one's, whatever its name. One that is only named like a
capture is reported as damaged, and what is neither is named. Texts and hidden files are counted:
captures are kept beside notes, and systems leave files of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
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

    Beside `pcap/` there may be anything; captures that lie there are misplaced.
    """
    folder = pcap_dir(directory)
    found = _Found()
    for entry in _entries(folder if folder.is_dir() else directory):
        found.take(entry)
    beside: list[Path] = []
    if folder.is_dir():
        beside = [
            entry
            for entry in _entries(directory)
            if entry != folder and (_has_captures(entry) if entry.is_dir() else is_capture(entry))
        ]
    notes = [
        *_note(found.others, "no capture"),
        *_note(found.folders, "a directory of its own; give it by itself"),
        *_note(found.hidden, "hidden"),
        *_note(beside, "not in pcap/"),
        *found.passed_over(directory),
    ]
    return FoundFiles(tuple(found.captures), tuple(notes))


@dataclass(slots=True)
class _Found:
    """What lies in the folder of captures: read, left out and named, or counted.

    `hidden` are captures, such as what rsync had begun to copy.
    """

    captures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    texts: int = 0
    of_systems: int = 0

    def take(self, entry: Path) -> None:
        """Look at one entry."""
        if entry.name.startswith("."):
            # Names with a dot in front are of systems and archivers.
            if entry.is_file() and is_capture(entry):
                self.hidden.append(entry)
            else:
                self.of_systems += 1
        elif entry.is_dir():
            if is_capture_name(entry.name) or _has_captures(entry):
                self.folders.append(entry)
        elif not entry.is_file():
            # A pipe or a device would be waited for.
            self.others.append(entry)
        elif is_capture(entry) or is_capture_name(entry.name):
            self.captures.append(entry)
        elif entry.name.startswith(KNOWN):
            return
        elif _is_text(entry):
            self.texts += 1
        else:
            self.others.append(entry)

    def passed_over(self, directory: Path) -> Iterator[str]:
        """How many there are that nobody takes for captures."""
        counts = ((self.texts, "texts"), (self.of_systems, "hidden files"))
        told = ", ".join(f"{what} ({count})" for count, what in counts if count)
        if told:
            yield f"passed over in {path_text(directory)}: {told}"


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


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def _has_captures(directory: Path) -> bool:
    """Whether some file in a directory, or below it, is a capture, or named like one."""
    try:
        files = [entry for entry in directory.rglob("[!.]*") if entry.is_file()]
    except OSError:
        return False
    return any(is_capture_name(entry.name) for entry in files) or any(
        is_capture(entry) for entry in files[:MAX_LOOKED_AT]
    )


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
