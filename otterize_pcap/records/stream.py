"""Binary stream → records: which container it is, and where the bytes come from.

Every capture format becomes the same `Record`; `pcap` and `pcapng` hold the two framings and
`compression` what may be wrapped around them. Framing is ours and not dpkt's, whose readers yield
a cut last packet as if it were whole, turn times into floats and know one interface a file.
"""

from typing import Protocol

from msgspec import Struct

from otterize_pcap.errors import CaptureError

MAX_CAPTURED = 262_144
"""libpcap's MAXIMUM_SNAPLEN: no packet is longer, so a longer one is damage."""

BLOCK_SIZE = 1 << 18
"""Bytes read at a time; small enough to be in the second-level cache when they are decoded."""

MAX_TIME_NS = (1 << 63) - 1
"""Times are clamped to what a signed 64-bit count of nanoseconds holds (1970 to 2262)."""


class ByteStream(Protocol):
    """What captures are read from: any binary file object, seekable or not."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read up to the buffer's size; 0 at the end."""


class OffsetStream(ByteStream, Protocol):
    """A file read by its descriptor, from an offset on."""

    descriptor: int
    offset: int


class Record(Struct, frozen=True):
    """One captured frame.

    `number` is its position in the file, from 1; `time_ns` nanoseconds since the epoch;
    `link_type` a LINKTYPE_ value (tcpdump.org/linktypes.html); `interface` pcapng's interface,
    counted through all sections of the file, 0 in pcap; `original_length` its length on the wire.
    """

    number: int
    time_ns: int
    link_type: int
    interface: int
    data: bytes
    original_length: int


class Window:
    """A stretch of a stream in one reused buffer: bytes `start` to `end` of `data` are unread.

    `at_end` tells that the stream gave nothing more.
    """

    def __init__(self, stream: ByteStream, size: int = BLOCK_SIZE) -> None:
        self._stream = stream
        self._file: OffsetStream | None = None
        self.at_end = False
        self.data = bytearray(size)
        self.start = 0
        self.end = 0
        self.base = 0

    @property
    def offset(self) -> int:
        """Position of the next unread byte in the (uncompressed) file."""
        return self.base + self.start

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def stream(self) -> ByteStream:
        """What is read from."""
        return self._stream

    def go_on_in(self, file: OffsetStream) -> None:
        """Read the rest from a file, by its descriptor: compiled code can do that alone."""
        self._stream = self._file = file

    @property
    def file(self) -> tuple[int, int]:
        """Descriptor and offset of what comes behind `end`; (-1, 0) where it is no such file."""
        return (self._file.descriptor, self._file.offset) if self._file is not None else (-1, 0)

    def went_on(self, passed: int, read: int) -> None:
        """Follow who passed over bytes at the buffer's front, and read others behind its end."""
        self.base += passed
        self.end += read - passed
        if self._file is not None:
            self._file.offset += read

    def __reduce__(self) -> tuple[object, ...]:
        """Elsewhere it is a window that stands there, and has nothing more."""
        return _standing_at, (self.offset,)

    def has(self, count: int) -> bool:
        """Make at least `count` bytes available; False where the stream ends before that."""
        while self.end - self.start < count:
            if not self.refill(count):
                return False
        return True

    def refill(self, count: int = 0) -> bool:
        """Read one block more behind what is unread, growing the buffer where `count` needs it."""
        if self.at_end:
            return False
        if self.start:
            unread = self.end - self.start
            self.data[:unread] = self.data[self.start : self.end]
            self.base += self.start
            self.start, self.end = 0, unread
        wanted = max(count, self.end + 1)
        if wanted > len(self.data):
            self.data.extend(bytes(wanted + BLOCK_SIZE - len(self.data)))
        with memoryview(self.data) as view, view[self.end :] as room:
            read = self._stream.readinto(room) or 0
        self.end += read
        self.at_end = read == 0
        return read > 0

    def peek(self, count: int) -> bytes:
        """The next bytes without taking them; fewer at the end of the stream."""
        self.has(count)
        return bytes(self.data[self.start : min(self.end, self.start + count)])

    def take(self, count: int) -> bytes:
        """The next `count` bytes, which `has` must have promised."""
        taken = bytes(self.data[self.start : self.start + count])
        self.start += count
        return taken

    def skip(self, count: int) -> int:
        """Pass over bytes without holding them; returns how many there were."""
        left = count
        while left:
            step = min(left, self.end - self.start)
            self.start += step
            left -= step
            if left and not self.refill():
                break
        return count - left


class _Nothing:
    """A stream that has ended."""

    def readinto(self, _: memoryview, /) -> int:
        return 0


def _standing_at(offset: int) -> Window:
    window = Window(_Nothing(), 0)
    window.base = offset
    return window


class Ending(Struct):
    """How reading a file ended.

    `truncated` counts the bytes of a last record that the file ends within. `damage` says what
    stopped reading before the end of the file, None where nothing did. `dropped` sums what the
    statistics blocks of a pcapng file say was lost, None where none says it.
    """

    truncated: int = 0
    damage: str | None = None
    dropped: int | None = None


NO_STOP = 1 << 62
"""Where a reader stops that reads to the end of its file."""


class RecordReader(Protocol):
    """The records of one file, in order; none is read that begins at offset `stop` or later."""

    window: Window
    ending: Ending
    number: int
    stop: int

    def next(self) -> Record | None:
        """The next record, or None at the end; `ending` then says why it ended."""

    def follows(self, earlier: "RecordReader") -> bool:
        """Whether this reader, begun within the file, assumed what `earlier` ended with."""

    def take_over(self, earlier: "RecordReader") -> None:
        """Go on counting where the reader of the stretch before this one ended."""


ZEROS = "zeros in the place of packets, as a crash leaves them,"


def clamp_time(time_ns: int) -> int:
    """The nearest time that fits 64 bits; only damaged or hostile captures need it."""
    return min(max(time_ns, 0), MAX_TIME_NS)


def damaged(name: str, offset: int, what: str) -> str:
    """One line saying where a capture stops making sense."""
    return f"{name}: {what} at byte {offset}; what comes after it was not read"


def empty_file(name: str) -> CaptureError:
    """The error for a capture without a single byte."""
    return CaptureError(f"{name}: the file is empty, not even a capture header; capture again")
