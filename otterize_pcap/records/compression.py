"""Compressed capture → plain capture, by magic and never by file name.

Streams are decompressed as they are read, so memory does not depend on what they grow to. What
comes before damaged or missing compressed data is kept, and the reader told why it ended there.
"""

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from otterize_pcap.errors import CaptureError
from otterize_pcap.records.stream import ByteStream, Window

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP_READ = 1 << 16
LZ4 = b"\x04\x22\x4d\x18"
XZ = b"\xfd7zX"
BZIP2 = b"BZh"
SKIPPABLE = b"\x2a\x4d\x18"
SEARCHED_FOR_FRAME = 64
MAX_WINDOW = 1 << 27
"""What zstd takes without `--long` too: a window is memory, and a file's header may claim any."""


class _Decompressor(Protocol):
    """What the readers of all these compressions have in common."""

    def read1(self, size: int, /) -> bytes:
        """Some plain bytes; none at the end."""


_Opener = Callable[[io.RawIOBase], tuple[_Decompressor, tuple[type[Exception], ...]]]


class Unread(io.RawIOBase):
    """The rest of a window, as a file object."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self._window = window

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read on."""
        view = memoryview(buffer)
        window = self._window
        if not window.has(1):
            return 0
        count = min(len(view), len(window))
        view[:count] = window.take(count)
        return count


class Decompressed:
    """Plain bytes of a compressed stream; `damage` says why they end early, if they do."""

    def __init__(self, window: Window, name: str, kind: str) -> None:
        if kind == "zstd":
            _refuse_long_window(window.peek(SEARCHED_FOR_FRAME), name)
        self._plain, self._errors = _OPENERS[kind](Unread(window))
        self._name = name
        self._kind = kind
        self._count = 0
        self.damage: str | None = None

    def readinto(self, buffer: memoryview) -> int:
        """Decompress up to the buffer's size."""
        if self.damage is not None:
            return 0
        try:
            plain = self._plain.read1(len(buffer))
        except EOFError:
            self.damage = f"{self._name}: the {self._kind} data end early; the file is incomplete"
            return 0
        except self._errors:
            self.damage = (
                f"{self._name}: the {self._kind} data are damaged "
                f"after {self._count:,} decompressed bytes"
            )
            return 0
        buffer[: len(plain)] = plain
        self._count += len(plain)
        return len(plain)


def compression_of(head: bytes) -> str | None:
    """Which compression a file's first four bytes announce.

    pzstd puts a frame to skip before each of its own (RFC 8878, 3.1.2).
    """
    if head[1:4] == SKIPPABLE and head[0] & 0xF0 == 0x50:
        return "zstd"
    if head[:2] == GZIP:
        return "gzip"
    if head[:3] == BZIP2:
        return "bzip2"
    return {XZ: "xz", ZSTD: "zstd", LZ4: "lz4"}.get(head)


def plain_window(stream: ByteStream, name: str) -> Window:
    """A window on a stream's content, decompressed."""
    window = Window(stream)
    kind = compression_of(window.peek(4))
    return Window(Decompressed(window, name, kind)) if kind else window


class _Gzip:
    """The members of a gzip stream, one after the other (RFC 1952).

    Python's own reader takes the file name in a header byte by byte: one of 100 MB took a minute.
    """

    def __init__(self, source: io.RawIOBase) -> None:
        self._source = source
        self._rest = b""
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def read1(self, size: int, /) -> bytes:
        """Some plain bytes, none at the end.

        Raises:
            EOFError: The stream ends within a member.
            zlib.error: The data are damaged.
        """
        while True:
            if self._member.eof:
                self._rest = self._next_member()
                if not self._rest:
                    return b""
                self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            compressed = self._rest or self._source.read(_GZIP_READ) or b""
            plain = self._member.decompress(compressed, size)
            self._rest = self._member.unconsumed_tail
            if plain:
                return plain
            if not compressed and not self._member.eof:
                raise EOFError

    def _next_member(self) -> bytes:
        """What follows a member, without the zeros that may pad it."""
        rest = self._member.unused_data.lstrip(b"\0")
        while not rest and (read := self._source.read(_GZIP_READ)):
            rest = read.lstrip(b"\0")
        return rest


def _open_gzip(source: io.RawIOBase) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    return _Gzip(source), (zlib.error,)


def _open_xz(source: io.RawIOBase) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    try:
        import lzma  # noqa: PLC0415 - Python can be built without it
    except ImportError as error:
        raise _not_built("xz") from error
    return lzma.LZMAFile(cast("BinaryIO", source)), (lzma.LZMAError,)


def _open_bzip2(source: io.RawIOBase) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    try:
        import bz2  # noqa: PLC0415 - Python can be built without it
    except ImportError as error:
        raise _not_built("bzip2") from error
    return bz2.BZ2File(cast("BinaryIO", source)), (OSError, ValueError)


def _open_zstd(source: io.RawIOBase) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    try:
        import zstandard  # noqa: PLC0415 - an optional extra, and 20 ms of start-up
    except ImportError as error:
        raise _missing("zstd", "zstandard") from error
    reader = zstandard.ZstdDecompressor().stream_reader(
        cast("BinaryIO", source), read_across_frames=True
    )
    return cast("_Decompressor", reader), (zstandard.ZstdError,)


def _refuse_long_window(head: bytes, name: str) -> None:
    """Stop at a file that says itself that decompressing it takes much memory.

    Raises:
        CaptureError: It does.
    """
    try:
        import zstandard  # noqa: PLC0415 - an optional extra, and 20 ms of start-up
    except ImportError:
        return
    while head[1:4] == SKIPPABLE:
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    try:
        window = zstandard.get_frame_parameters(head).window_size
    except zstandard.ZstdError:
        return
    if window > MAX_WINDOW:
        message = (
            f"{name}: the file was compressed by zstd --long with a window of {window >> 20} MiB, "
            "more than is read; unpack it first, with zstd -d --long=31"
        )
        raise CaptureError(message)


def _open_lz4(source: io.RawIOBase) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    try:
        import lz4.frame  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise _missing("lz4", "lz4") from error
    return cast("_Decompressor", lz4.frame.LZ4FrameFile(source)), (RuntimeError,)


def _missing(kind: str, package: str) -> CaptureError:
    message = f"the capture is {kind}-compressed and the Python package {package} is not installed"
    return CaptureError(f"{message}; run: pip install {package}, or decompress it")


def _not_built(kind: str) -> CaptureError:
    message = f"the capture is {kind}-compressed, which this Python was built without"
    return CaptureError(f"{message}; decompress it")


_OPENERS: dict[str, _Opener] = {
    "gzip": _open_gzip,
    "xz": _open_xz,
    "bzip2": _open_bzip2,
    "zstd": _open_zstd,
    "lz4": _open_lz4,
}
