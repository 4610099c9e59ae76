"""Several captures in one tar archive, each as a file: `captures.tar/node-a.pcap`.

Such a path names no file of the system; whoever opens it gets what the archive holds under that
name. A compressed archive is unpacked once, for as long as the process lives.
"""

import os
from functools import cache
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast
from weakref import finalize

from msgspec import Struct, field

from otterize_pcap.capture_dir import manifest_path
from otterize_pcap.errors import CaptureError, UnknownCaptureFormat
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.files.recording_names import is_capture_name
from otterize_pcap.records.archives import BLOCK, EndingStream, is_tar
from otterize_pcap.records.compression import Unread, compression_of, plain_window
from otterize_pcap.records.containers import is_container, open_capture
from otterize_pcap.records.stream import ByteStream, Window

if TYPE_CHECKING:
    import tarfile


SEVERAL = 2
COPY_BYTES = 1 << 20


class Members(Struct, frozen=True):
    """What is in an archive: captures, or what is named like one, and other files by name.

    `is_directory` tells a whole capture directory, whose manifest says more of the files.
    """

    captures: tuple[Path, ...]
    others: tuple[str, ...]
    is_directory: bool


def holds_several(path: Path) -> bool:
    """Whether a file is an archive of several captures, or of what is named like one.

    One that cannot be read, or ends before the second, is not known to be.
    """
    if not path.is_file():
        return False
    try:
        with open_plain(path) as file:
            window = plain_window(file, path.name)
            if is_container(window.peek(4)) or not is_tar(window.peek(BLOCK)):
                return False
            return _holds_several(BufferedReader(Unread(window)))
    except (OSError, CaptureError):
        return False


def _holds_several(stream: BufferedReader) -> bool:
    import tarfile  # noqa: PLC0415 - 5 ms of a start, for what few captures are in

    captures = 0
    with tarfile.open(fileobj=EndingStream(stream), mode="r|") as tar:  # type: ignore[call-overload]
        try:
            for member in tar:
                content = tar.extractfile(member) if _is_file(member) else None
                if content is not None:
                    captures += _is_listed(_plain(member), cast("ByteStream", content))
                if captures == SEVERAL:
                    return True
        except (tarfile.ReadError, EOFError):
            return False
    return False


def members_of(archive: Path) -> Members:
    """The files of an archive in their order; of one name the last, which unpacking would leave.

    Raises:
        OSError: It cannot be read.
        CaptureError: What unpacks it is not installed.
    """
    unpacked = _unpacked(archive)
    names = list(unpacked.places)
    captures: list[str] = []
    for name in names:
        with unpacked.open(name) as content:
            if _is_listed(name, content):
                captures.append(name)
    others = tuple(name for name in names if name not in captures)
    is_directory = any(Path(name).name == manifest_path(Path()).name for name in names)
    return Members(tuple(archive / name for name in captures), others, is_directory)


def open_member(path: Path) -> BufferedReader | None:
    """A file of an archive, if a path leads into one.

    Raises:
        OSError: The archive cannot be read, or has no such file.
        CaptureError: What unpacks it is not installed.
    """
    for archive in path.parents:
        if archive.is_file():
            return _unpacked(archive).open(path.relative_to(archive).as_posix())
    return None


class _Place(Struct, frozen=True):
    """Where a file is in an archive: its headers, its content, and the end of that."""

    begins: int
    content: int
    ends: int


class _Unpacked(Struct, frozen=True, weakref=True):
    """An archive without compression; its files are copied out, each into one without a name."""

    file: BinaryIO
    places: dict[str, _Place]
    is_whole: bool
    lock: Lock = field(default_factory=Lock)

    def open(self, name: str) -> BufferedReader:
        if name not in self.places:
            raise FileNotFoundError(2, os.strerror(2))
        place = self.places[name]
        last = max(each.begins for each in self.places.values())
        if self.is_whole or place.begins != last:
            return self._copied(place.content, place.ends)
        # As an archive of one file, which says that it ends early.
        return self._copied(place.begins, place.ends)

    def _copied(self, begins: int, ends: int) -> BufferedReader:
        import tempfile  # noqa: PLC0415 - few captures are in a tar

        copy = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked for it closes it
        with self.lock:
            self.file.seek(begins)
            while content := self.file.read(min(COPY_BYTES, ends - begins)):
                begins += copy.write(content)
        copy.seek(0)
        return cast("BufferedReader", copy)


def _unpacked(archive: Path) -> _Unpacked:
    status = archive.stat()
    return _unpack(archive, status.st_mtime_ns, status.st_size)


@cache
def _unpack(archive: Path, _changed_ns: int, _size: int) -> _Unpacked:
    file = _without_compression(archive)
    unpacked = _Unpacked(file, *_places(file))
    finalize(unpacked, file.close)
    return unpacked


def _without_compression(archive: Path) -> BinaryIO:
    file = open_plain(archive)
    if compression_of(file.read(4)) is None:
        return file
    file.seek(0)
    with file:
        window = plain_window(file, archive.name)
        import tempfile  # noqa: PLC0415 - few captures are in a tar

        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - as long as its members are read
        while window.has(1):
            unpacked.write(window.take(len(window)))
    unpacked.flush()
    return unpacked


def _places(file: BinaryIO) -> tuple[dict[str, _Place], bool]:
    """Where each regular file is, and whether the archive has an end (two blocks of zeros)."""
    import tarfile  # noqa: PLC0415 - 5 ms of a start, for what few captures are in

    places: dict[str, _Place] = {}
    ended = 0
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        try:
            for member in tar:
                if _is_file(member):
                    begins = member.offset_data
                    ends = begins + member.size
                    ended = begins + -(-member.size // BLOCK) * BLOCK
                    places[_plain(member)] = _Place(member.offset, begins, ends)
        except (tarfile.ReadError, OverflowError):
            # It is cut off within a file; what comes before is there.
            return places, False
    file.seek(ended)
    end = file.read(BLOCK)
    return places, len(end) == BLOCK and not any(end)


def _is_file(member: "tarfile.TarInfo") -> bool:
    # macOS puts a file's attributes beside it.
    hidden = member.name.rsplit("/", 1)[-1].startswith("._")
    return member.isreg() and not member.issparse() and not hidden


def _plain(member: "tarfile.TarInfo") -> str:
    """A file's name below the archive, wherever it would have been unpacked."""
    parts = [part for part in member.name.split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "-"


def _is_listed(name: str, content: ByteStream) -> bool:
    """Whether a file is a capture, or named like one."""
    if is_capture_name(Path(name).name):
        return True
    window = Window(content)
    try:
        open_capture(Unread(window), "")
    except UnknownCaptureFormat:
        return False
    except CaptureError:
        # Cut off, or compressed by what is not installed: whoever reads it says so.
        return window.offset > 0
    return True
