"""What is fuzzed: the compiled path against the reference, and alone at the end of its memory.

The first byte of an input says how the rest is used (`FORMS`), the second picks a link type. Each
form is read by both paths, which must say the same of rows and connections (bit 6 leaves the slow
one out, for speed); and each frame is decoded once more from a buffer that ends where the frame
ends, so that AddressSanitizer sees a read of one byte too many.
"""

import io
import struct
from array import array
from collections.abc import Callable

from otterize_pcap.connections.facts import Lead, NoSnapshot, Served, Span
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import Recording
from otterize_pcap.errors import CaptureError
from otterize_pcap.records.pcap import PcapHeader
from otterize_pcap.records.pcapng_interface import Interface
from otterize_pcap.records.stream import NO_STOP, Window
from otterize_pcap.table._fastpath import FastTable
from otterize_pcap.table.chunk import new_table
from otterize_pcap.table.read import CaptureCounts, CaptureTable, ReadOptions, read_capture
from otterize_pcap.table.rows import Endpoint, Row

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
    counts = [
        getattr(table.counts, field) for field in CaptureCounts.__slots__ if field != "declined"
    ]
    return list(table.rows()), counts, table.payloads, told_of_connections(table)


class SomeSnapshot(NoSnapshot):
    """Makes Services of some addresses that were seen, which lead to others for a time."""

    def __init__(self, rows: list[Row]) -> None:
        self.ends = sorted({end for row in rows for end in (row.low, row.high)})[:40]
        times = [time for row in rows for time in (row.first_ns, row.last_ns)] or [0]
        self.times = (min(times), max(times))

    def addresses(self) -> tuple[bytes, ...]:
        """Those of the endpoints."""
        return tuple(address for address, _ in self.ends)

    def _time(self, address: bytes) -> tuple[int, int]:
        first_ns, last_ns = self.times
        half = (first_ns + last_ns) // 2
        return ((-(1 << 62), 1 << 62), (first_ns, half), (half, last_ns))[address[-1] % 3]

    def facts_of(self, address: bytes) -> tuple[list[Span], list[Served]]:
        """Pods at odd addresses, and a port of each protocol; Services at even ones."""
        time = self._time(address)
        ports = [port for other, port in self.ends if other == address]
        leads = address[-1] % 2 == 0
        served = [(protocol, port, *time, leads) for protocol in (6, 17, 132) for port in ports[:3]]
        return [] if leads else [time], served

    def leads(self, protocol: int, endpoint: Endpoint) -> list[Lead]:
        """To a few endpoints, each for a time of its own."""
        few = self.ends[(endpoint[1] + protocol) % 3 :: 3][:5]
        return [(*other, *self._time(other[0])) for other in few]

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """The same at a time."""
        _, served = self.facts_of(endpoint[0])
        if not any(one[:2] == (protocol, endpoint[1]) and one[4] for one in served):
            return frozenset()
        return frozenset(
            (address, port)
            for address, port, start, end in self.leads(protocol, endpoint)
            if start <= last_ns and first_ns <= end
        )


def told_of_connections(table: CaptureTable) -> object:
    """What is found of the connections of a table, as if two nodes had recorded it."""
    recordings = [
        Recording((f"{node}.pcap",), node, (), table.counts.first_ns, table.table)
        for node in ("a", "b")
    ]
    snapshot = SomeSnapshot(list(table.rows()))
    found = GroupedConnections(recordings, snapshot, listed=True)
    return found.offsets, found.groups, found.odd, list(found.listing()), found.shapes


def at_the_edge(content: bytes, link_type: int) -> None:
    """Decode each frame, and the file itself, where the memory behind it is not ours."""
    for options in (
        ReadOptions(),
        ReadOptions(collect_names=True),
        ReadOptions(answers_about=frozenset({b"\x02mq"})),
    ):
        _walk_at_the_edge(new_table(options, SECRET), content, link_type)


def _walk_at_the_edge(table: FastTable, content: bytes, link_type: int) -> None:
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
