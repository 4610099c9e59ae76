"""A big capture file → places where it can be read from by several threads at once.

Any place is only a guess: what looks like a row of records may be somebody's payload. `read`
therefore accepts a part only if the part before it ends exactly where this one began, and else
reads on from there. A wrong guess costs time and never a packet.
"""

import os
import stat
import struct
from dataclasses import dataclass
from typing import Protocol, cast

from otterize_pcap.records.containers import OpenCapture
from otterize_pcap.records.pcap import PcapHeader, PcapReader
from otterize_pcap.records.pcapng import (
    ENHANCED_PACKET,
    OLD_PACKET,
    SIMPLE_PACKET,
    PcapngReader,
)
from otterize_pcap.records.pcapng_interface import Interface
from otterize_pcap.records.stream import MAX_CAPTURED, ByteStream, Window

SEARCH_LENGTH = MAX_CAPTURED + (1 << 17)
"""Bytes looked at for a boundary: one record of any length, and a few more."""
CHAIN = 4
"""Records in a row that make a boundary believable."""
SECONDS_APART = 7 * 86_400
"""How far from its file's first record another may be in time."""

HAS_PREAD = hasattr(os, "preadv")
"""Whether the system reads at an offset without moving the file's own; Windows does not."""


class FileSlice:
    """A regular file from some offset on, with a position of its own.

    Where the system has no `preadv`, no other thread may read the file meanwhile.
    """

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    def readinto(self, buffer: memoryview) -> int:
        """Read up to the buffer's size; the GIL is not held."""
        if HAS_PREAD:
            read = os.preadv(self._descriptor, [buffer], self._offset)
        else:
            content = _read_at(self._descriptor, len(buffer), self._offset)
            read = len(content)
            buffer[:read] = content
        self._offset += read
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


@dataclass(frozen=True, slots=True)
class RegularFile:
    """An open regular file; `start` is where its stream stood when it was given to us."""

    descriptor: int
    start: int
    size: int

    @property
    def length(self) -> int:
        """Bytes from the start on."""
        return self.size - self.start

    def from_offset(self, offset: int) -> FileSlice:
        """The file from there on, with a position of its own."""
        return FileSlice(self.descriptor, self.start + offset)

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
    return RegularFile(descriptor, start, status.st_size)


def boundaries(capture: OpenCapture, file: Ranged, pieces: int) -> list[int]:
    """Offsets of a file, at most `pieces - 1`, at which records probably begin."""
    if capture.layers or pieces < 2 or not HAS_PREAD:
        return []
    reader = capture.reader
    if isinstance(reader, PcapngReader) and not _read_interfaces(reader):
        return []
    begin = reader.window.offset
    step = (file.length - begin) // pieces
    found: list[int] = []
    for piece in range(1, pieces):
        offset = begin + piece * step
        content = file.read_at(SEARCH_LENGTH, offset)
        at = _find(reader, content, offset)
        if at is not None and offset + at > (found[-1] if found else begin):
            found.append(offset + at)
    return found


def _read_interfaces(reader: PcapngReader) -> bool:
    """Let the reader take the blocks before the first packet; whether that is an ordinary one."""
    while True:
        head = reader.window.peek(8)
        if len(head) < 8:
            return False
        (kind,) = struct.unpack_from(f"{reader.order}I", head)
        if kind == ENHANCED_PACKET:
            return reader.first_interface == 0
        if kind in (OLD_PACKET, SIMPLE_PACKET) or not reader.pass_block():
            return False


def _find(reader: PcapReader | PcapngReader, content: bytes, offset: int) -> int | None:
    if isinstance(reader, PcapReader):
        first = reader.window.peek(reader.header.header_length)
        if len(first) < reader.header.header_length:
            return None
        seconds = reader.header.fields.unpack_from(first)[0]
        return find_record(reader.header, content, seconds)
    return find_packet_block(reader.order, len(reader.interfaces), content, offset)


def find_record(header: PcapHeader, content: bytes, near_seconds: int) -> int | None:
    """Where the first of a chain of plausible pcap records begins."""
    fields = header.fields
    limit = 1_000_000_000 // header.tick_ns
    last = len(content) - header.header_length
    for start in range(min(last, MAX_CAPTURED + header.header_length)):
        at = start
        for _ in range(CHAIN):
            if at > last:
                break
            seconds, fraction, captured, original = fields.unpack_from(content, at)
            if (
                not 0 < captured <= MAX_CAPTURED
                or captured > original
                or fraction >= limit
                or abs(seconds - near_seconds) > SECONDS_APART
            ):
                break
            at += header.header_length + captured
        else:
            return start
    return None


def find_packet_block(order: str, interfaces: int, content: bytes, offset: int) -> int | None:
    """Where the first of a chain of plausible Enhanced Packet Blocks begins.

    Blocks begin at multiples of four bytes of the file; `offset` is that of `content` in it.
    """
    fields = struct.Struct(f"{order}IIIIIII")
    kind_bytes = struct.pack(f"{order}I", ENHANCED_PACKET)
    start = -1
    while (start := content.find(kind_bytes, start + 1)) >= 0:
        at = start
        for _ in range(CHAIN):
            if (at + offset) % 4 or at + 28 > len(content):
                break
            kind, length, interface, _, _, captured, _ = fields.unpack_from(content, at)
            end = at + length
            if kind != ENHANCED_PACKET or length < 32 or interface >= interfaces:
                break
            if captured > length - 32 or end > len(content):
                break
            if content[end - 4 : end] != content[at + 4 : at + 8]:
                break
            at = end
        else:
            return start
    return None


def capture_from(whole: OpenCapture, name: str, file: Ranged, offset: int) -> OpenCapture:
    """A reader of the same file that begins at a boundary, with what the file's header said."""
    window = Window(file.from_offset(offset))
    window.base = offset
    reader = whole.reader
    if isinstance(reader, PcapReader):
        return OpenCapture(PcapReader(window, name, reader.header), crlf=whole.crlf)
    later = PcapngReader(window, name)
    interfaces: tuple[Interface, ...] = tuple(reader.interfaces)
    later.resume(reader.order, interfaces)
    return OpenCapture(later, crlf=whole.crlf)
