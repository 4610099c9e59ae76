"""What lies in a capture directory: captures, told by content, and what else there is.

A file is a capture whose first bytes are one's, whatever its name. One that is only named like a
capture is reported as damaged, and what is neither is named. Texts and hidden files are counted:
captures are kept beside notes, and systems leave files of their own.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from msgspec import Struct, field

from otterize_pcap.capture_dir import manifest_path, nodes_dir, pcap_dir, snapshot_path
from otterize_pcap.errors import CaptureError, UnknownCaptureFormat, UsageError
from otterize_pcap.files.object_path import look_ahead
from otterize_pcap.files.opening import STDIN, path_text, require
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.files.recording_names import is_capture_name
from otterize_pcap.files.table_files import is_table
from otterize_pcap.records.archives import BLOCK, is_tar
from otterize_pcap.records.compression import compression_of
from otterize_pcap.records.containers import is_container, open_capture

HEAD = 1024
"""Bytes that tell a text: zeros are in every other kind of file."""
MAX_LOOKED_AT = 100
"""Files of a further directory that are looked at for captures."""
MAX_NAMED = 5


class FoundFiles(Struct, frozen=True):
    """The captures of a directory, sorted, and notes on what else lies there.

    `aside` counts what lies beside `pcap/`, and directories: whoever looks into details wants to
    know it.
    """

    captures: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


def find_captures(directory: Path) -> FoundFiles:
    """Look through `pcap/` of a capture directory, or through one that was made by hand.

    Beside `pcap/` there may be anything; captures that lie there are misplaced.
    """
    folder = pcap_dir(directory)
    if not folder.is_dir():
        found = _look_through(directory)
        known = (found.texts, "texts"), (found.of_systems, "hidden files")
        notes = *found.notes("a directory of its own; give it by itself"), *found.counted(*known)
        return FoundFiles(tuple(found.captures), notes, tuple(found.counted(found.plain)))
    within, beside = _look_through(folder), _look_through(directory, folder)
    beside.folders += beside.captures
    inside = (within.texts, "texts"), (within.of_systems, "hidden files")
    return FoundFiles(
        tuple(within.captures),
        (
            *within.notes("a directory of its own; give it by itself"),
            *within.counted(*inside),
            *beside.notes("not in pcap/"),
        ),
        (*within.counted(within.plain), *beside.counted(*beside.everything)),
    )


def _look_through(folder: Path, without: Path | None = None) -> "_Found":
    found = _Found(folder)
    entries = sorted(folder.iterdir())
    look_ahead(entries)
    for entry in entries:
        if entry != without:
            found.take(entry)
    return found


Count = tuple[int, str]
"""How many there are of what."""


class _Found(Struct):
    """What lies in a folder: captures, left out and named, or counted.

    `hidden` are captures, such as what rsync had begun to copy.
    """

    where: Path
    captures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    texts: int = 0
    of_systems: int = 0
    plain_folders: int = 0

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
            elif entry != nodes_dir(self.where):
                self.plain_folders += 1
        elif not entry.is_file():
            # A pipe or a device would be waited for.
            self.others.append(entry)
        elif is_capture(entry) or is_capture_name(entry.name):
            self.captures.append(entry)
        elif entry in (manifest_path(self.where), snapshot_path(self.where)):
            return
        elif _is_text(entry):
            self.texts += 1
        else:
            self.others.append(entry)

    @property
    def plain(self) -> Count:
        """Directories without captures."""
        return self.plain_folders, "directories"

    @property
    def everything(self) -> tuple[Count, ...]:
        """All that nobody takes for captures."""
        return (self.texts, "texts"), (self.of_systems, "hidden files"), self.plain

    def notes(self, misplaced: str) -> Iterator[str]:
        """What is left out, and why: that captures are `misplaced`."""
        yield from _note(self.others, "no capture")
        yield from _note(sorted(self.folders), misplaced)
        yield from _note(self.hidden, "hidden")

    def counted(self, *counts: Count) -> Iterator[str]:
        """How many of each there are, if any."""
        told = ", ".join(f"{what} ({count})" for count, what in counts if count)
        if told:
            yield f"passed over in {path_text(self.where)}: {told}"


def is_capture_directory(path: Path) -> bool:
    """Whether a directory holds a capture: a manifest, a snapshot or pcap files."""
    return (
        manifest_path(path).exists()
        or snapshot_path(path).exists()
        or pcap_dir(path).is_dir()
        or bool(find_captures(path).captures)
    )


def is_capture(path: Path) -> bool:
    """Whether a file begins as a capture does, unpacked where it is compressed or an archive."""
    head = _head(path)
    if is_table(head):
        return True
    if compression_of(head[:4]) is None and not is_tar(head[:BLOCK]):
        return is_container(head)
    try:
        with open_plain(path) as file:
            open_capture(file, path_text(path))
    except UnknownCaptureFormat:
        return False
    except (OSError, CaptureError):
        # What unpacks it is not installed, or it is several: whoever reads it says so.
        return True
    return True


def refuse_foreign(path: Path) -> None:
    """See that a path is a capture, before anything is said of what it lacks.

    Raises:
        InputError: It is missing, or something else; the message says what.
    """
    require(path)
    if path.is_file() and not is_capture(path):
        with open_plain(path) as file:
            open_capture(file, path_text(path))


def refuse_bare(path: Path) -> NoReturn:
    """A file that holds packets alone says of no address whose it is.

    Raises:
        InputError: It is missing, or something else.
        UsageError: It needs a snapshot.
    """
    if path != STDIN:
        refuse_foreign(path)
    message = (
        f"{path}: a pcap file needs --snapshot FILE (what `kubectl get "
        "pods,services,endpointslices,nodes,replicasets,... -A -o json` prints)"
    )
    raise UsageError(message)


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
        with open_plain(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _note(paths: list[Path], why: str) -> Iterator[str]:
    if paths:
        yield from left_out(paths[0].parent, [path.name for path in paths], why)


def left_out(where: Path, names: Sequence[str], why: str) -> Iterator[str]:
    """What lies somewhere and is not read, the first few by name."""
    if not names:
        return
    named = ", ".join(map(path_text, names[:MAX_NAMED]))
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    yield f"left out of {path_text(where)}: {named}{more} ({why})"
