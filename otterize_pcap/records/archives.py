"""tar archives: the one capture in them, as a stream (`kubectl cp`, Retina).

pax and GNU tar (POSIX.1-2024 pax, GNU tar manual) put a header of 512 bytes before each file and
fill its content up to a multiple of that. Whatever else is in an archive is passed over.
"""

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from otterize_pcap.errors import SeveralCaptures, UnknownCaptureFormat
from otterize_pcap.records.stream import Window

if TYPE_CHECKING:
    import tarfile

BLOCK = 512
CHECKSUM = slice(148, 156)
"""Of a header: octal digits."""
SPARSE = b"S"
"""The type of a file with holes, whose content is not all there (GNU tar)."""

Peek = Callable[[int], bytes]
"""The first bytes of a file, at most so many."""

MOST_ENDS = 100
"""How often tarfile may ask at the end: it does so for each block that pads an archive."""


def is_tar(head: bytes) -> bool:
    """Whether 512 bytes are a tar header, by their checksum."""
    return len(head) == BLOCK and any(head) and _header(head) is not None


def _header(block: bytes) -> "tarfile.TarInfo | None":
    if not block[CHECKSUM].partition(b"\0")[0].strip().isdigit():
        return None
    import tarfile  # noqa: PLC0415 - 5 ms of a start, and no capture has digits there

    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None


class EndingStream:
    """A stream that tarfile reads: it raises EOFError where its end is read again and again.

    tarfile goes on through a member's size block by block, whether or not there is any: a header
    can say 2**88 bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ends = 0

    def read(self, count: int) -> bytes:
        """Read so many bytes, or fewer at the end."""
        content = self._stream.read(count)
        self._ends = 0 if content else self._ends + 1
        if self._ends > MOST_ENDS:
            raise EOFError
        return content


class ArchiveMember:
    """The content of the only capture in a tar archive; `damage` says why it ends early, if so.

    `is_capture` tells by a file's first bytes, of which it asks for as many as it needs. Its making
    and reading raise CaptureError where there is no capture, or another one after the first: of a
    stream nobody can read on as another file.
    """

    def __init__(self, window: Window, name: str, is_capture: Callable[[Peek], bool]) -> None:
        self.damage: str | None = None
        self._has_end = False
        self._is_capture = is_capture
        self._window = window
        self._name = name
        self._found = self._next_capture()
        if self._found is None:
            message = (
                f"{name}: no capture in the tar archive; unpack it: flow logs and documents are "
                "read as files"
            )
            raise UnknownCaptureFormat(message)
        self._left = self._found.size

    def readinto(self, buffer: memoryview) -> int:
        """Read on within the capture."""
        if self._left == 0 or self.damage is not None:
            return 0
        if not self._window.has(1):
            self.damage = self._ends_early()
            return 0
        count = min(len(buffer), self._left, len(self._window))
        buffer[:count] = self._window.take(count)
        self._left -= count
        if self._left == 0 and self._found is not None:
            self._pass_padding(self._found.size)
            if self._next_capture() is not None:
                message = (
                    f"{self._name}: several captures in one tar archive; unpack it (tar xf) and "
                    "give the directory"
                )
                raise SeveralCaptures(message)
            if not self._has_end:
                self.damage = self._ends_early()
        return count

    def _next_capture(self) -> "tarfile.TarInfo | None":
        """The next file that begins as a capture does; its content is next in the window."""
        while self._window.has(BLOCK):
            block = self._window.take(BLOCK)
            member = _header(block)
            if member is None:
                # Two blocks of zeros end an archive; anything else is none of it.
                self._has_end = not any(block)
                return None
            if member.isreg() and member.type != SPARSE and self._begins_a_capture(member):
                return member
            size = 0 if member.islnk() or member.issym() else member.size
            self._window.skip(size)
            self._pass_padding(size)
        return None

    def _ends_early(self) -> str:
        return f"{self._name}: the tar archive ends early; the file is incomplete"

    def _begins_a_capture(self, member: "tarfile.TarInfo") -> bool:
        # macOS puts a file's attributes beside it.
        if member.name.rsplit("/", 1)[-1].startswith("._"):
            return False
        return self._is_capture(lambda count: self._window.peek(min(member.size, count)))

    def _pass_padding(self, size: int) -> None:
        self._window.skip(-size % BLOCK)
