"""Files and standard input, opened: what cannot be read is an error that says what to do."""

import io
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import BufferedReader
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from otterize_pcap.errors import CaptureError, InputError
from otterize_pcap.files.object_path import ObjectPath
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.files.tar_members import COPY_BYTES, open_member
from otterize_pcap.snapshot.plain_text import DocumentText
from otterize_pcap.system_errors import system_reason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = Path("-")
MAX_DOCUMENT = 1 << 30
"""Bytes of a document that is held as it is: ten times a snapshot of 10,000 pods."""
LARGE = 16 << 20
"""Bytes from which on a snapshot is mapped."""
ENOUGH = 4
"""Bytes that tell most files."""
PATIENCE_S = 10.0
"""How long a pipe is waited for that nobody has opened to write."""


def path_text(path: Path | str) -> str:
    """A path as text that any output can hold: bytes that are not UTF-8 become escapes."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_bytes(path: Path) -> bytes:
    """The whole of a document.

    Raises:
        InputError: It is missing, unreadable, a device, or larger than any document.
    """
    if path == STDIN or path in _BEGUN:
        with ExitStack() as stack:
            return _bounded(open_stream(stack, path), path_text(path))
    try:
        with open_file(path) as file:
            return _bounded(file, path_text(path))
    except OSError as error:
        raise InputError(_os_message(path, error)) from error


def require(path: Path) -> None:
    """See that something is there; what it is, whoever reads it says.

    Raises:
        InputError: There is nothing, or the way there is closed.
    """
    try:
        path.stat()
    except OSError as error:
        raise InputError(_os_message(path, error)) from error


def _bounded(file: BinaryIO, where: str) -> bytes:
    content = file.read(MAX_DOCUMENT + 1)
    _require_bounded(len(content), where)
    return content


def _require_bounded(size: int, where: str) -> None:
    if size > MAX_DOCUMENT:
        message = f"{where}: more than {MAX_DOCUMENT >> 20} MiB, which no document needs"
        raise InputError(message)


def open_file(path: Path) -> BufferedReader:
    """A file opened, one in a tar archive, or a pipe that somebody writes to.

    A pipe that nobody has opened for writing is waited for, but not for ever.

    Raises:
        OSError: It is missing or unreadable.
        InputError: It is a device or a socket, or nobody writes to it.
    """
    try:
        kind = path.stat().st_mode
    except NotADirectoryError:
        if (member := open_member(path)) is None:
            raise
        return member
    if stat.S_ISBLK(kind) or (stat.S_ISCHR(kind) and not _is_harmless(path)):
        message = f"{path_text(path)}: a device, no file; name a file"
        raise InputError(message)
    if stat.S_ISSOCK(kind):
        message = f"{path_text(path)}: a socket, no file; name a file"
        raise InputError(message)
    if not stat.S_ISFIFO(kind):
        return open_plain(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    begun = time.monotonic()
    while True:
        try:
            first = os.read(descriptor, 1)
        except BlockingIOError:
            first = b""
            break
        if first:
            break
        if time.monotonic() - begun > PATIENCE_S:
            os.close(descriptor)
            message = f"{path_text(path)}: a pipe that nobody writes to; name a file"
            raise InputError(message)
        time.sleep(0.01)
    os.set_blocking(descriptor, True)
    return BufferedReader(_Begun(first, descriptor))


class _Begun(io.RawIOBase):
    """A pipe of which some bytes were read already."""

    def __init__(self, first: bytes, descriptor: int) -> None:
        super().__init__()
        self._first = first
        self._descriptor = descriptor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        content = self._first or os.read(self._descriptor, len(view))
        self._first = b""
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _is_harmless(path: Path) -> bool:
    """Whether a character device ends by itself: nothing at all, or a terminal's user."""
    with path.open("rb", buffering=0) as device:
        return device.isatty() or path.samefile(os.devnull)


def map_file(path: Path) -> DocumentText:
    """A file's content, mapped where it is large, so that big snapshots need not be held.

    Mapped is a copy that has no name: of a file that somebody cuts short meanwhile, the pages that
    are gone would end the process (SIGBUS).

    Raises:
        InputError: It is missing, unreadable, or a device.
    """
    if path == STDIN or path in _BEGUN:
        return read_bytes(path)
    try:
        with open_file(path) as file:
            size = 0 if isinstance(path, ObjectPath) else path.stat().st_size
            if not path.is_file() or size < LARGE:
                return _bounded(file, path_text(path))
            _require_bounded(size, path_text(path))
            return _mapped_copy(file, size)
    except OSError as error:
        raise InputError(_os_message(path, error)) from error


def _mapped_copy(file: BinaryIO, size: int) -> mmap:
    """A copy of what there was when its size was asked for."""
    import tempfile  # noqa: PLC0415 - 5 ms of a start, for what few snapshots need

    with tempfile.TemporaryFile() as copy:
        while size and (content := file.read(min(size, COPY_BYTES))):
            copy.write(content)
            size -= len(content)
        copy.flush()
        return mmap(copy.fileno(), 0, access=ACCESS_READ)


_BEGUN: dict[Path, tuple[bytes, BufferedReader]] = {}
"""Streams that can be opened once (stdin, pipes), and which begin with what was looked at."""


def peek_stream(path: Path, count: int, is_enough: Callable[[bytes], bool]) -> bytes:
    """A file's first bytes, at most so many, or as many as are enough.

    Raises:
        CaptureError: It is missing or unreadable.
    """
    if path != STDIN and path.is_file():
        with ExitStack() as stack:
            stream = open_stream(stack, path)
            head = stream.read(ENOUGH)
            return head if is_enough(head) else head + stream.read(count - len(head))
    if path == STDIN and (whole := _file_at_stdin(count)) is not None:
        return whole
    if path not in _BEGUN:
        stream, head = _opened(path), b""
        while len(head) < count and not is_enough(head):
            more = stream.read1(count - len(head))
            if not more:
                break
            head += more
        # It stays open until whoever reads it closes it.
        _BEGUN[path] = head, BufferedReader(_Replayed(head, stream))
    return _BEGUN[path][0]


def _file_at_stdin(count: int) -> bytes | None:
    """The first bytes of a file that is standard input, which stays where it is; None for others.

    It is read as a file then, by several threads.
    """
    number = _stdin().fileno()
    if not stat.S_ISREG(os.fstat(number).st_mode) or not hasattr(os, "pread"):
        return None
    return os.pread(number, count, os.lseek(number, 0, os.SEEK_CUR))


class _Replayed(io.RawIOBase):
    """A stream from its first byte on, some of which were read already."""

    def __init__(self, first: bytes, rest: BufferedReader) -> None:
        super().__init__()
        self._first = memoryview(first)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        if not self._first:
            return self._rest.readinto1(view)
        count = min(len(view), len(self._first))
        view[:count] = self._first[:count]
        self._first = self._first[count:]
        return count

    def close(self) -> None:
        self._rest.close()
        super().close()


def open_stream(stack: ExitStack, path: Path) -> BufferedReader:
    """A capture file's bytes, as long as the stack lives.

    Raises:
        CaptureError: It is missing or unreadable.
    """
    _, begun = _BEGUN.pop(path, (b"", None))
    return stack.enter_context(begun or _opened(path))


def _opened(path: Path) -> BufferedReader:
    if path == STDIN:
        return open(_stdin().fileno(), "rb", closefd=False)
    try:
        return open_file(path)
    except OSError as error:
        raise CaptureError(_os_message(path, error)) from error


def _stdin() -> TextIO:
    if sys.stdin is None or sys.stdin.closed:
        message = "-: standard input is closed; give a file, or pipe something in"
        raise InputError(message)
    return sys.stdin


def _os_message(path: Path, error: OSError) -> str:
    return f"{path_text(path)}: {system_reason(error)}; check the path and its permissions"
