"""A big capture file → places where it can be read from by several threads at once.

Any place is only a guess: what looks like a row of records may be somebody's payload. `read`
therefore accepts a part only if the part before it ends exactly where this one began, and else
reads on from there. A wrong guess costs time and never a packet.
"""

import struct

from otterize_pcap.records.containers import OpenCapture
from otterize_pcap.records.pcap import PcapHeader, PcapReader
from otterize_pcap.records.pcapng import (
    ENHANCED_PACKET,
    OLD_PACKET,
    SIMPLE_PACKET,
    PcapngReader,
)
from otterize_pcap.records.pcapng_interface import Interface
from otterize_pcap.records.ranged_file import HAS_PREAD, Ranged
from otterize_pcap.records.stream import MAX_CAPTURED, Window

SEARCH_LENGTH = MAX_CAPTURED + (1 << 17)
"""Bytes looked at for a boundary: one record of any length, and a few more."""
CHAIN = 4
"""Records in a row that make a boundary believable."""
SECONDS_APART = 7 * 86_400
"""How far from its file's first record another may be in time."""


def boundaries(capture: OpenCapture, file: Ranged, pieces: int) -> list[int]:
    """Offsets of a file, at most `pieces - 1`, at which records probably begin."""
    if pieces < 2 or not is_divisible(capture):
        return []
    reader = capture.reader
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


def is_divisible(capture: OpenCapture) -> bool:
    """Whether a capture, just opened, can be read from a place within it; its interfaces are."""
    if capture.layers or not HAS_PREAD:
        return False
    return not isinstance(capture.reader, PcapngReader) or _read_interfaces(capture.reader)


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
