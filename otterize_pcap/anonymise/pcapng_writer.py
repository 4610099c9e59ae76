"""Frames → a pcapng file (draft-ietf-opsawg-pcapng) that says nothing but packets.

No comments, no names of interfaces, machines or programs: only what a reader cannot do without.
"""

import struct
from collections.abc import Iterable, Iterator

from otterize_pcap.records.pcapng import (
    BYTE_ORDER_MAGIC,
    ENHANCED_PACKET,
    INTERFACE_DESCRIPTION,
    INTERFACE_STATISTICS,
    ISB_OSDROP,
    SECTION_HEADER,
)
from otterize_pcap.records.pcapng_interface import IF_TSRESOL

NANOSECONDS = 9
Written = tuple[int, int, int, int, bytes]
"""Link type, interface, time in nanoseconds, length on the wire, captured bytes."""


def pcapng_file(frames: Iterable[Written], dropped: Iterable[int] = ()) -> Iterator[bytes]:
    """The blocks of a file, in pieces.

    Args:
        frames: The packets in their order; interfaces are numbered as they come.
        dropped: How many packets the capture lost; asked for when all frames were written.
    """
    yield _block(SECTION_HEADER, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1))
    described: dict[tuple[int, int], int] = {}
    for link_type, interface, time_ns, length, data in frames:
        number = described.get((interface, link_type))
        if number is None:
            number = described[interface, link_type] = len(described)
            yield _interface(link_type)
        time = divmod(time_ns, 1 << 32)
        head = struct.pack("<IIIII", number, *time, len(data), length)
        yield _block(ENHANCED_PACKET, head + data)
    for count in dropped:
        if not described:
            yield _interface(0)
        option = struct.pack("<HHQ", ISB_OSDROP, 8, count)
        yield _block(INTERFACE_STATISTICS, bytes(12) + option + bytes(4))


def _interface(link_type: int) -> bytes:
    clock = struct.pack("<HHBxxx", IF_TSRESOL, 1, NANOSECONDS) + bytes(4)
    return _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", link_type, 0, 0) + clock)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
