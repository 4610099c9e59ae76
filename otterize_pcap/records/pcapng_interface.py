"""What pcapng says of an interface, and options of its blocks (draft-ietf-opsawg-pcapng)."""

import struct
from collections.abc import Iterator

from msgspec import Struct

from otterize_pcap.records.stream import clamp_time

IF_TSRESOL, IF_TSOFFSET = 9, 14


class Interface(Struct, frozen=True):
    """What an Interface Description Block says: link type, snaplen (0: none) and clock.

    A timestamp of `t` units is `t * multiplier // divisor + offset_ns` nanoseconds.
    """

    link_type: int
    snaplen: int
    multiplier: int = 1000
    divisor: int = 1
    offset_ns: int = 0

    def time_ns(self, high: int, low: int) -> int:
        """Nanoseconds since the epoch, rounded down where the clock is finer."""
        units = high << 32 | low
        return clamp_time(units * self.multiplier // self.divisor + self.offset_ns)


def options(body: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The options at the end of a block, as (code, value); a cut one ends them (section 3.5)."""
    position = 0
    while position + 4 <= len(body):
        code, length = struct.unpack_from(f"{order}HH", body, position)
        position += 4
        if code == 0 or position + length > len(body):
            return
        yield code, body[position : position + length]
        position += (length + 3) & ~3


def parse_interface(body: bytes, order: str) -> Interface:
    """Read the body of an Interface Description Block (section 4.2)."""
    link_type, snaplen = struct.unpack_from(f"{order}HxxI", body)
    multiplier, divisor, offset_ns = 1000, 1, 0
    for code, value in options(body[8:], order):
        if code == IF_TSRESOL and value:
            multiplier, divisor = _clock(value[0])
        elif code == IF_TSOFFSET and len(value) == 8:
            offset_ns = int(struct.unpack(f"{order}q", value)[0]) * 1_000_000_000
    return Interface(link_type, snaplen, multiplier, divisor, offset_ns)


def _clock(resolution: int) -> tuple[int, int]:
    """`if_tsresol`: a negative power of 10, or of 2 where the highest bit is set."""
    power = resolution & 0x7F
    if resolution & 0x80:
        return 1_000_000_000, 1 << power
    if power <= 9:
        return 10 ** (9 - power), 1
    return 1, 10 ** (power - 9)
