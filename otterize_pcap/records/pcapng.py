"""The pcapng file format (draft-ietf-opsawg-pcapng).

Several sections, each in a byte order of its own, several interfaces, each with a link type and a
clock of its own. Blocks that hold no packet are passed over; of statistics only drops are kept.
"""

import struct

from otterize_pcap.counted import counted
from otterize_pcap.records.pcapng_interface import Interface, options, parse_interface
from otterize_pcap.records.stream import (
    MAX_CAPTURED,
    NO_STOP,
    Ending,
    Record,
    RecordReader,
    Window,
    damaged,
)

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6

BYTE_ORDER_MAGIC = 0x1A2B3C4D
MAX_INTERFACES = 65_536
"""Interfaces that one section may describe: each is kept, so there must be an end."""
MAX_BLOCK = 16 << 20
"""libpcap's limit on a block that has to be held in memory."""

EPB_DROPCOUNT = 4
ISB_IFDROP, ISB_OSDROP = 5, 7

_PARSED = frozenset({INTERFACE_DESCRIPTION, OLD_PACKET, SIMPLE_PACKET, INTERFACE_STATISTICS})


class PcapngReader:
    """The packets of a pcapng file, through all its sections.

    `interfaces` are those of the current section; `first_interface` is how many the sections
    before it had, so that every interface of the file has a number of its own.
    """

    def __init__(self, window: Window, name: str) -> None:
        self.window = window
        self.ending = Ending()
        self.number = 0
        self.stop = NO_STOP
        self.order = "<"
        self.interfaces: list[Interface] = []
        self.first_interface = 0
        self._resumed: tuple[str, tuple[Interface, ...]] | None = None
        self._name = name
        self._drops: dict[int, int] = {}
        self._reported_drops = 0
        self._counted_drops = 0

    def next(self) -> Record | None:
        """The next packet, or None at the end; `ending` then says why it ended."""
        ending = self.ending
        while not ending.damage and not ending.truncated and self.window.offset < self.stop:
            block = self._next_block()
            if block is None:
                break
            record = self._take_block(*block)
            if record is not None:
                return record
        return None

    def resume(self, order: str, interfaces: tuple[Interface, ...]) -> None:
        """Begin within the first section of a file, after these interfaces were described."""
        self.order = order
        self.interfaces = list(interfaces)
        self._resumed = (order, interfaces)

    def follows(self, earlier: RecordReader) -> bool:
        """Whether what `resume` assumed is what the reader of the stretch before ended with."""
        if not isinstance(earlier, PcapngReader):
            return False
        ended = (earlier.order, tuple(earlier.interfaces))
        return self._resumed == ended and not earlier.first_interface

    def take_over(self, earlier: RecordReader) -> None:
        """Go on counting where the reader of the stretch before this one ended."""
        self.number += earlier.number
        if not isinstance(earlier, PcapngReader):
            return
        self._drops = {**earlier._drops, **self._drops}
        self._reported_drops = sum(self._drops.values())
        self._counted_drops += earlier._counted_drops
        if self.ending.dropped is not None or earlier.ending.dropped is not None:
            self._add_drops(0)

    def pass_block(self) -> bool:
        """Take one block, which must not be a packet; False at the end or at damage."""
        block = self._next_block()
        if block is None or self._take_block(*block) is not None:
            return False
        return not self.ending.damage and not self.ending.truncated

    def _next_block(self) -> tuple[int, int] | None:
        """Type and total length of the block at the window's start, None at the end."""
        window = self.window
        if not window.has(8):
            self.ending.truncated = len(window)
            return None
        is_section = window.data[window.start : window.start + 4] == b"\x0a\x0d\x0d\x0a"
        if is_section and not self._begin_section():
            return None
        kind, length = struct.unpack_from(f"{self.order}II", window.data, window.start)
        if length < 12 or length % 4:
            self._damage(f"a block of {length} bytes")
            return None
        return kind, length

    def _begin_section(self) -> bool:
        """Take over a section's byte order from its header; its interfaces start anew."""
        window = self.window
        if not window.has(12):
            self.ending.truncated = len(window)
            return False
        magic = bytes(window.data[window.start + 8 : window.start + 12])
        orders = {BYTE_ORDER_MAGIC.to_bytes(4, "little"): "<", BYTE_ORDER_MAGIC.to_bytes(4): ">"}
        if magic not in orders:
            self._damage("a section header without a byte order")
            return False
        self.order = orders[magic]
        self.first_interface += len(self.interfaces)
        self.interfaces = []
        return True

    def _take_block(self, kind: int, length: int) -> Record | None:
        """Consume one block; the packet in it, if it has one."""
        window = self.window
        if kind != ENHANCED_PACKET and kind not in _PARSED:
            self._pass_over(length)
            return None
        if length > MAX_BLOCK:
            self._damage(f"a block of {length} bytes, more than any packet needs,")
            return None
        if not window.has(length):
            self.ending.truncated = len(window)
            window.skip(length)
            return None
        if not self._ends_as_it_begins(length, window.start + length - 4, window.offset):
            return None
        body = bytes(window.data[window.start + 8 : window.start + length - 4])
        record = self._parse(kind, body)
        if self.ending.damage is None:
            window.start += length
        return record

    def _pass_over(self, length: int) -> None:
        """Skip a block that holds no packet, of whatever size, without holding it."""
        window, begin = self.window, self.window.offset
        passed = window.skip(length - 4)
        if passed < length - 4 or not window.has(4):
            self.ending.truncated = passed + window.skip(4)
        elif self._ends_as_it_begins(length, window.start, begin):
            window.start += 4

    def _ends_as_it_begins(self, length: int, at: int, begin: int) -> bool:
        """Whether the second length of the block from `begin`, at `at` of the window, is right."""
        (again,) = struct.unpack_from(f"{self.order}I", self.window.data, at)
        if again != length:
            what = f"a block that says it has {counted(length, 'byte')} and then {again}"
            self.ending.damage = damaged(self._name, begin, what)
        return bool(again == length)

    def _parse(self, kind: int, body: bytes) -> Record | None:
        shortest = {INTERFACE_DESCRIPTION: 8, INTERFACE_STATISTICS: 12, SIMPLE_PACKET: 4}
        if len(body) < shortest.get(kind, 20):
            self._damage(f"a block of type {kind} with {counted(len(body), 'byte')} in it")
            return None
        if kind == INTERFACE_DESCRIPTION:
            if len(self.interfaces) == MAX_INTERFACES:
                self._damage(f"an interface beyond the {MAX_INTERFACES} before it")
                return None
            self.interfaces.append(parse_interface(body, self.order))
            return None
        if kind == INTERFACE_STATISTICS:
            self._count_drops(body)
            return None
        if kind == SIMPLE_PACKET:
            return self._simple_packet(body)
        return self._timed_packet(kind, body)

    def _timed_packet(self, kind: int, body: bytes) -> Record | None:
        """Enhanced Packet Block, or the obsolete Packet Block (section 4.3 and appendix A)."""
        fields = "IIIII" if kind == ENHANCED_PACKET else "HHIIII"
        index, *rest = struct.unpack_from(self.order + fields, body)
        high, low, captured, original = rest[-4:]
        interface = self._interface(index)
        if interface is None or not self._plausible(captured, len(body) - 20):
            return None
        if kind == ENHANCED_PACKET:
            tail = (captured + 3) & ~3
            for code, value in options(body[20 + tail :], self.order):
                if code == EPB_DROPCOUNT and len(value) == 8:
                    self._add_drops(int(struct.unpack(f"{self.order}Q", value)[0]))
        elif rest[0] != 0xFFFF:
            self._add_drops(rest[0])
        data = body[20 : 20 + captured]
        return self._record(index, interface.time_ns(high, low), data, original)

    def _simple_packet(self, body: bytes) -> Record | None:
        """Simple Packet Block (section 4.4): the first interface's, without a time."""
        (original,) = struct.unpack_from(f"{self.order}I", body)
        interface = self._interface(0)
        if interface is None:
            return None
        captured = min(original, interface.snaplen) if interface.snaplen else original
        if not self._plausible(captured, len(body) - 4):
            return None
        return self._record(0, 0, body[4 : 4 + captured], original)

    def _record(self, index: int, time_ns: int, data: bytes, original: int) -> Record:
        self.number += 1
        link_type = self.interfaces[index].link_type
        number = self.first_interface + index
        return Record(self.number, time_ns, link_type, number, data, original)

    def _interface(self, index: int) -> Interface | None:
        if index < len(self.interfaces):
            return self.interfaces[index]
        self._damage(f"a packet of interface {index}, of which nothing was said before,")
        return None

    def _plausible(self, captured: int, room: int) -> bool:
        if captured <= room and captured <= MAX_CAPTURED:
            return True
        self._damage(f"a captured length of {captured} in a block with room for {room}")
        return False

    def _count_drops(self, body: bytes) -> None:
        """Interface Statistics Block (section 4.6): totals so far, so the last one counts.

        One of an interface that was not described tells nothing.
        """
        (index,) = struct.unpack_from(f"{self.order}I", body)
        drops = None
        for code, value in options(body[12:], self.order):
            if code in (ISB_IFDROP, ISB_OSDROP) and len(value) == 8:
                drops = (drops or 0) + int(struct.unpack(f"{self.order}Q", value)[0])
        if drops is not None and index < len(self.interfaces):
            number = self.first_interface + index
            # Added up as they come: to sum all of them anew at each block took 10 s of 1.6 MB.
            self._reported_drops += drops - self._drops.get(number, 0)
            self._drops[number] = drops
            self._add_drops(0)

    def _add_drops(self, drops: int) -> None:
        self._counted_drops += drops
        self.ending.dropped = max(self._counted_drops, self._reported_drops)

    def _damage(self, what: str) -> None:
        self.ending.damage = damaged(self._name, self.window.offset, what)
