"""Records of a pcap file as bytes, with the time that they are put in order by.

A record costs about a microsecond.
"""

from collections.abc import Iterator
from typing import BinaryIO, Literal

from otterize_pcap.records.pcap import HEADER_LENGTH, SNAPLEN_AT, PcapHeader, parse_header

READ = 1 << 20
LONGEST = 1 << 20
"""More than any snapshot length tcpdump allows; a larger record is no record."""


def record_bytes(
    source: BinaryIO, header: PcapHeader, begin: int = HEADER_LENGTH
) -> Iterator[tuple[int, bytes, int]]:
    """Each record of a file from an offset on: its time, its bytes, and the offset behind it.

    Times compare with those of files of the same precision. What is cut off ends it: a file that
    is being written has more later.
    """
    fields, length = header.fields, header.header_length
    source.seek(begin)
    rest = b""
    passed = begin
    while chunk := source.read(READ):
        rest += chunk
        at, end = 0, len(rest)
        while at + length <= end:
            seconds, fraction, captured, _ = fields.unpack_from(rest, at)
            if captured > LONGEST:
                return
            after = at + length + captured
            if after > end:
                break
            yield seconds << 32 | fraction, rest[at:after], passed + after
            at = after
        rest = rest[at:]
        passed += at


def are_alike(heads: list[bytes]) -> bool:
    """Whether files that begin so have records of one byte order, precision and link type."""
    found = {_alike(head) for head in heads}
    return len(found) == 1 and None not in found


def _alike(head: bytes) -> bytes | None:
    """What must be the same in all: everything but the snapshot length."""
    return head[:SNAPLEN_AT] + head[SNAPLEN_AT + 4 :] if parse_header(head) else None


def common_head(heads: list[bytes]) -> tuple[bytes, PcapHeader]:
    """The file header of the records of files that begin so: with the longest snapshot length.

    Raises:
        ValueError: The first is no pcap file.
    """
    header = parse_header(heads[0])
    if header is None:
        message = "no pcap file"
        raise ValueError(message)
    order: Literal["little", "big"] = "little" if header.order == "<" else "big"
    lengths = [int.from_bytes(head[SNAPLEN_AT : SNAPLEN_AT + 4], order) for head in heads]
    longest = max(lengths).to_bytes(4, order)
    return heads[0][:SNAPLEN_AT] + longest + heads[0][SNAPLEN_AT + 4 :], header
