"""Files that can be read at any offset: so that several may read one at a time."""

import os
import stat
from pathlib import PurePath
from typing import Protocol, cast

from msgspec import Struct

from otterize_pcap.records.stream import ByteStream

HAS_PREAD = hasattr(os, "preadv")
"""Whether the system reads at an offset without moving the file's own; Windows does not."""


class FileSlice:
    """A regular file from some offset on, with a position of its own.

    Where the system has no `preadv`, no other thread may read the file meanwhile.
    """

    def __init__(self, descriptor: int, offset: int, name: str = "") -> None:
        self.descriptor = descriptor
        self.offset = offset
        self._name = name

    def readinto(self, buffer: memoryview) -> int:
        """Read up to the buffer's size; the GIL is not held."""
        try:
            return self._readinto(buffer)
        except OSError as error:
            # The system names no file that it cannot read.
            raise OSError(error.errno, "", self._name or None) from error

    def _readinto(self, buffer: memoryview) -> int:
        if HAS_PREAD:
            read = os.preadv(self.descriptor, [buffer], self.offset)
        else:
            content = _read_at(self.descriptor, len(buffer), self.offset)
            read = len(content)
            buffer[:read] = content
        self.offset += read
        return read


def _read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Read at an offset and put the file's own position back."""
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, offset, os.SEEK_SET)
    try:
        return os.read(descriptor, length)
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)


class Ranged(Protocol):
    """A file that can be read from any offset on, and by several at once.

    Offsets are from where its stream stood when it was given to us; `length` is from there too.
    """

    @property
    def length(self) -> int:
        """Bytes in it."""

    def from_offset(self, offset: int, /) -> ByteStream:
        """The file from there on, with a position of its own."""

    def read_at(self, count: int, offset: int, /) -> bytes:
        """Some bytes from there, fewer at the end."""


class RegularFile(Struct, frozen=True):
    """An open regular file; `start` is where its stream stood when it was given to us."""

    descriptor: int
    start: int
    size: int
    name: str = ""

    @property
    def length(self) -> int:
        """Bytes from the start on."""
        return self.size - self.start

    def from_offset(self, offset: int) -> FileSlice:
        """The file from there on, with a position of its own."""
        return FileSlice(self.descriptor, self.start + offset, self.name)

    def read_at(self, count: int, offset: int) -> bytes:
        """Some bytes from there, fewer at the end."""
        return os.pread(self.descriptor, count, self.start + offset)


def ranged_file(stream: ByteStream) -> Ranged | None:
    """The file behind a stream that can be read anywhere, None for any other stream."""
    fileno, tell = getattr(stream, "fileno", None), getattr(stream, "tell", None)
    if fileno is None or tell is None:
        return None
    raw = getattr(stream, "raw", None)
    if hasattr(raw, "read_at"):
        # An object of a store, which nobody has begun to read.
        return cast("Ranged", raw)
    try:
        descriptor = fileno()
        status = os.fstat(descriptor)
        start = tell()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    name = getattr(stream, "name", None)
    return RegularFile(
        descriptor, start, status.st_size, str(name) if isinstance(name, str | PurePath) else ""
    )
