"""What is fuzzed: the compiled path against the reference, and alone at the end of its memory.

The first byte of an input says how the rest is used (`FORMS`), the second picks a link type. Each
form is read by both paths, which must say the same (bit 6 leaves the slow one out, for speed); and
each frame is decoded once more from a buffer that ends where the frame ends, so that
AddressSanitizer sees a read of one byte too many.
"""

import io
import struct
from array import array
from collections.abc import Callable

from otterize_pcap.errors import CaptureError
from otterize_pcap.records.pcap import PcapHeader
from otterize_pcap.records.pcapng import Interface
from otterize_pcap.records.stream import NO_STOP, Window
from otterize_pcap.table._fastpath import FastTable, PlainConnections
from otterize_pcap.table.chunk import new_table
from otterize_pcap.table.read import CaptureCounts, ReadOptions, read_capture

LINK_TYPES = (1, 113, 276, 101, 0, 9, 51, 105, 127, 239)
SECRET = bytes(range(56))
# Python hands requests beyond 512 bytes to malloc, whose edges AddressSanitizer watches.
LARGE = bytes(1024)
# Blocks of 256 KiB would take longer to clear than a small input to read.
Window.__init__.__defaults__ = (2048,)


def frames_of(content: bytes) -> list[bytes]:
    """Frames out of fuzzed bytes: each one byte of length, then so many bytes, or what is left."""
    frames = []
    while content:
        frames.append(content[1 : 1 + content[0]])
        content = content[1 + content[0] :]
    return frames


def as_file(content: bytes, link_type: int) -> bytes:
    """The bytes are a capture file, whatever it is."""
    del link_type
    return content


def as_records(content: bytes, link_type: int) -> bytes:
    """The bytes follow a pcap header."""
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type) + content


def as_frames(content: bytes, link_type: int) -> bytes:
    """The bytes are frames; each comes twice, since a tunnel is entered only when it is known."""
    records = b"".join(
        struct.pack("<IIII", number, 0, len(frame), len(frame) + number) + frame
        for number, frame in enumerate(frames_of(content) * 2)
    )
    return as_records(records, link_type)


def as_blocks(content: bytes, link_type: int) -> bytes:
    """The bytes are frames of a big-endian pcapng file."""
    blocks = [struct.pack(">IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)]
    blocks.append(struct.pack(">IIHHII", 1, 20, link_type, 0, 0, 20))
    for number, frame in enumerate(frames_of(content) * 2):
        length = 32 + len(frame) + -len(frame) % 4
        head = struct.pack(">IIIIIII", 6, length, 0, 0, number, len(frame), len(frame))
        blocks.append(head + frame + bytes(-len(frame) % 4) + struct.pack(">I", length))
    return b"".join(blocks)


def as_section(content: bytes, link_type: int) -> bytes:
    """The bytes follow a section and an interface of pcapng."""
    return (
        struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        + struct.pack("<IIHHII", 1, 20, link_type, 0, 0, 20)
        + content
    )


FORMS: tuple[Callable[[bytes, int], bytes], ...] = (
    as_file,
    as_records,
    as_frames,
    as_blocks,
    as_section,
)


def told(content: bytes, options: ReadOptions) -> object:
    """All that reading a capture says, save how much was declined."""
    try:
        table = read_capture(io.BytesIO(content), "x", options)
    except CaptureError as error:
        return str(error)
    if isinstance(table.table, FastTable):
        group_twice(table.table)
    counts = [
        getattr(table.counts, field) for field in CaptureCounts.__slots__ if field != "declined"
    ]
    return list(table.rows()), counts, table.payloads


class Answers:
    """A snapshot that makes Services of half of all addresses, and backends of what was seen."""

    def __init__(self, ends: list[tuple[bytes, int]]) -> None:
        self.ends = frozenset(ends[:40])

    def could_be_service(self, address: bytes) -> bool:
        """Whether the address is even."""
        return address[-1] % 2 == 0

    def served_ports(self, protocol: int, address: bytes) -> frozenset[int] | None:
        """A few ports; None for some addresses."""
        return frozenset((53, 80, protocol)) if address[-1] % 5 else None

    def backends(
        self, protocol: int, endpoint: tuple[bytes, int]
    ) -> tuple[bool, frozenset[tuple[bytes, int]]]:
        """All endpoints for some, one for others, none for the rest."""
        choice = (endpoint[0][-1] + endpoint[1] + protocol) % 4
        if choice == 0:
            return True, self.ends
        return choice == 1, frozenset(sorted(self.ends)[: 1 if choice < 3 else 0])


def group_twice(table: FastTable) -> None:
    """Group the connections of a table by itself, and as if two nodes had recorded it."""
    single = PlainConnections([table], [0], [[0]])
    alone, crowded = list(single.alone_rows(0)), list(single.crowded_rows(0))
    assert len(alone) + len(crowded) == len(table)
    plain = PlainConnections([table, table], [0, 1], [[0], [1]])
    plain.clock_differences()
    rows = list(table.rows())
    ends = [(row.protocol, row.low, row.high) for row in rows[:3]]
    moved = [(*end, *end[:0:-1]) for end in ends[:1]]
    other_ends = [end for row in rows for end in (row.low, row.high)]
    plain.group([0, 5], [0, None], moved, ends, ends[1:], Answers(other_ends))
    groups = {group[0] for group in plain.grouped()}
    left = [len(list(plain.left_rows(place, set()))) for place in (0, 1)]
    everything = [len(list(plain.left_rows(place, groups))) for place in (0, 1)]
    assert left <= everything
    plain.servers([(protocol, end) for protocol, *both in ends for end in both])
    plain.peers([(protocol, end) for protocol, *both in ends for end in both])


def at_the_edge(content: bytes, link_type: int) -> None:
    """Decode each frame, and the file itself, where the memory behind it is not ours."""
    table = new_table(ReadOptions(), SECRET)
    header = PcapHeader("<", 1000, 16, link_type, (2, 4))
    interfaces = (Interface(link_type, 0),)
    for frame in frames_of(content):
        record = struct.pack("<IIII", 1, 2, len(frame), len(frame)) + frame
        exact = array("B", LARGE + record)
        table.walk_pcap(exact, len(LARGE), len(exact), NO_STOP, header, 0, 0)
    for body in (content, content[24:]):
        exact = array("B", LARGE + body)
        table.walk_pcap(exact, len(LARGE), len(exact), NO_STOP, header, 0, 0)
        table.walk_pcapng(exact, len(LARGE), len(exact), NO_STOP, "<", interfaces, 0, 0, 0)


def one_input(fuzzed: bytes) -> None:
    """Try one input; any exception is a finding."""
    if len(fuzzed) < 2:
        return
    form = FORMS[fuzzed[0] % len(FORMS)]
    link_type = LINK_TYPES[fuzzed[1] % len(LINK_TYPES)]
    rest = fuzzed[2:]
    at_the_edge(rest, link_type)
    content = form(rest, link_type)
    collect = bool(fuzzed[0] & 0x80)
    fast = told(content, ReadOptions(collect_names=collect, max_connections=50))
    if fuzzed[0] & 0x40:
        return
    slow = told(content, ReadOptions(collect_names=collect, max_connections=50, fast=False))
    assert fast == slow, (fast, slow)
