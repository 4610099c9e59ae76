"""Regular files, opened to be read: one that the system makes meanwhile is refused.

Such files (`/proc/kmsg`, `trace_pipe`) are regular by their kind and empty by their size. Some hold
up whoever reads them, some never end, and no capture or document is one.
"""

import errno
import io
import os
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from otterize_pcap.files.object_path import ObjectPath
from otterize_pcap.system_errors import UnsizedFileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NON_BLOCKING = getattr(os, "O_NONBLOCK", 0)


def open_plain(path: Path) -> BufferedReader:
    """A regular file or an object, from its first byte on; a failure while it is read names it.

    Raises:
        OSError: It is missing or unreadable, or the system makes it while it is read.
    """
    if isinstance(path, ObjectPath):
        return path.open("rb")
    if not path.stat().st_size:
        _require_empty(path)
    return BufferedReader(_Named(path, "rb"))


class _Named(io.FileIO):
    """A file whose failures have its name, which the system leaves out of reading."""

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Read up to the buffer's size."""
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise OSError(error.errno, "", self.name) from error

    def readall(self) -> bytes:
        """Read all of the rest."""
        try:
            return super().readall()
        except OSError as error:
            raise OSError(error.errno, "", self.name) from error


def _require_empty(path: Path) -> None:
    """See that a file has what its size says.

    Raises:
        UnsizedFileError: It holds something, or something will come.
    """
    descriptor = os.open(path, os.O_RDONLY | NON_BLOCKING)
    try:
        try:
            first = os.read(descriptor, 1)
        except OSError:
            # It would have to be waited for, or is read in pieces of its own size only.
            first = None
        # Whoever writes it may have begun meanwhile.
        if first != b"" and not os.fstat(descriptor).st_size:
            raise UnsizedFileError(errno.EAGAIN, "", str(path))
    finally:
        os.close(descriptor)
