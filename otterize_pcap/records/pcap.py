"""The pcap file format (draft-ietf-opsawg-pcap): both byte orders, µs and ns, and its relatives.

A record whose captured length no packet can have ends the reading, as in libpcap; the records
before it stand. So does one of zeros alone: a node that crashes leaves blocks of zeros at the end
of a file that were never written, and libpcap calls them an invalid header too. A record that the
file ends within is counted, not decoded.
"""

import struct

from msgspec import Struct

from otterize_pcap.errors import CaptureError
from otterize_pcap.records.stream import (
    MAX_CAPTURED,
    NO_STOP,
    ZEROS,
    Ending,
    Record,
    RecordReader,
    Window,
    clamp_time,
    damaged,
)

MICROSECONDS = 0xA1B2C3D4
NANOSECONDS = 0xA1B23C4D
KUZNETZOV = 0xA1B2CD34
"""Alexey Kuznetsov's patch to libpcap: eight more bytes in each record header."""

HEADER_LENGTH = 24
SNAPLEN_AT = 16
"""Where a file header has the longest captured length of its records."""
RECORD_HEADER = 16
KUZNETZOV_RECORD_HEADER = 24
ZERO_RUN = 16
"""So many zeros at the end of a record, and after it, are a block that was never written."""

MAGICS = {
    magic.to_bytes(4, order): (magic, order)
    for magic in (MICROSECONDS, NANOSECONDS, KUZNETZOV)
    for order in ("little", "big")
}


class PcapHeader(Struct, frozen=True):
    """What a file header says of all its records.

    `order` is `<` or `>` as in `struct`; `tick_ns` the unit of a record's fraction of a second;
    `header_length` that of a record header. `swapped` marks versions before 2.3, which wrote the
    two lengths in the other order; 2.3 itself did either (libpcap, sf-pcap.c), told by the sizes.
    """

    order: str
    tick_ns: int
    header_length: int
    link_type: int
    version: tuple[int, int]

    @property
    def fields(self) -> struct.Struct:
        """A record header's seconds, fraction of a second, and two lengths (see `lengths`)."""
        return struct.Struct(f"{self.order}IIII")

    def lengths(self, first: int, second: int) -> tuple[int, int]:
        """Captured and original length of a record, from the two fields in file order."""
        if self.version < (2, 3) or (self.version == (2, 3) and first > second):
            return second, first
        return first, second


def parse_header(head: bytes) -> PcapHeader | None:
    """What the first 24 bytes of a file say, of whatever version; None where they are no header.

    The upper half of the link type field says whether frames end in a checksum (FCS); the IP
    header's own length makes that irrelevant here, so only the lower half counts.
    """
    known = MAGICS.get(head[:4])
    if known is None or len(head) < HEADER_LENGTH:
        return None
    magic, order = known
    prefix = "<" if order == "little" else ">"
    major, minor = struct.unpack_from(f"{prefix}HH", head, 4)
    (link_field,) = struct.unpack_from(f"{prefix}I", head, 20)
    return PcapHeader(
        order=prefix,
        tick_ns=1 if magic == NANOSECONDS else 1000,
        header_length=KUZNETZOV_RECORD_HEADER if magic == KUZNETZOV else RECORD_HEADER,
        link_type=link_field & 0xFFFF,
        version=(major, minor),
    )


def read_header(window: Window, name: str) -> PcapHeader:
    """Take the file header, whose first four bytes are one of `MAGICS`.

    Raises:
        CaptureError: It is cut off, or of a version that no one can read.
    """
    if not window.has(HEADER_LENGTH):
        message = f"{name}: the file ends within its header ({len(window)} of 24 bytes)"
        raise CaptureError(f"{message}; capture again, with tcpdump -U")
    header = parse_header(window.take(HEADER_LENGTH))
    if header is None:
        raise CaptureError(f"{name}: the file has no pcap header; capture again")
    major, minor = header.version
    if major != 2:
        message = f"{name}: pcap version {major}.{minor} is not supported; only 2.x is"
        raise CaptureError(f"{message}: convert it with `editcap -F pcap`")
    return header


class PcapReader:
    """The records of a pcap file, from where its window stands."""

    def __init__(self, window: Window, name: str, header: PcapHeader) -> None:
        self.window = window
        self.ending = Ending()
        self.number = 0
        self.stop = NO_STOP
        self.header = header
        self._name = name
        self._fields = header.fields

    def __reduce__(self) -> tuple[object, ...]:
        """What was read does not go along, and where it ended does."""
        state = {key: value for key, value in vars(self).items() if key != "_fields"}
        return PcapReader, (self.window, self._name, self.header), state

    def next(self) -> Record | None:
        """The next record, or None at the end; `ending` then says why it ended."""
        window, header = self.window, self.header
        if self.ending.damage is not None or window.offset >= self.stop:
            return None
        if not window.has(header.header_length):
            self.ending.truncated = len(window)
            return None
        seconds, fraction, first, second = self._fields.unpack_from(window.data, window.start)
        captured, original = header.lengths(first, second)
        if captured == 0:
            self._refuse_second_header()
        if captured == original == 0:
            self.ending.damage = damaged(self._name, window.offset, ZEROS)
            return None
        if captured > MAX_CAPTURED:
            what = f"a captured length of {captured}, more than any packet has,"
            self.ending.damage = damaged(self._name, window.offset, what)
            return None
        if not window.has(header.header_length + captured):
            self.ending.truncated = len(window)
            return None
        if captured and self._was_not_written(captured):
            self.ending.damage = damaged(self._name, window.offset, ZEROS)
            return None
        window.start += header.header_length
        self.number += 1
        return Record(
            number=self.number,
            time_ns=clamp_time(seconds * 1_000_000_000 + fraction * header.tick_ns),
            link_type=header.link_type,
            interface=0,
            data=window.take(captured),
            original_length=original,
        )

    def follows(self, earlier: RecordReader) -> bool:
        """Records do not depend on what was before them."""
        return isinstance(earlier, PcapReader) and self.header == earlier.header

    def take_over(self, earlier: RecordReader) -> None:
        """Go on counting where the reader of the stretch before this one ended."""
        self.number += earlier.number

    def _was_not_written(self, captured: int) -> bool:
        """Whether zeros begin within a record: so its data end, and nothing else follows them.

        At the end of the file only data of nothing else are told from a payload that ends so.
        """
        window, length = self.window, self.header.header_length
        end = window.start + length + captured
        if any(window.data[end - min(captured, ZERO_RUN) : end]):
            return False
        window.has(2 * length + captured)
        begin = window.start + length
        end = begin + captured
        follows = window.data[end : min(window.end, end + length)]
        return not any(follows) and (bool(follows) or not any(window.data[begin:end]))

    def _refuse_second_header(self) -> None:
        """Files joined with `cat`: a header read as a record has no bytes (its time zone is 0)."""
        head = self.window.peek(6)
        if head[:4] in MAGICS and head[4:6] in (b"\x00\x02", b"\x02\x00"):
            message = (
                f"{self._name}: a second capture file begins at byte {self.window.offset}; "
                "give the files one by one, or join them with mergecap instead of cat"
            )
            raise CaptureError(message)
