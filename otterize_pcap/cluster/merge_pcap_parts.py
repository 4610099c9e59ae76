"""The parts of one node's recording, written at the same time by several tcpdumps, as one file.

Readers take a recording's packets in the order of time: an acknowledgement belongs to the
handshake before it. The parts hold different packets of the same stretch of time, so that merging
them by time gives what one tcpdump would have written. Layout: draft-ietf-opsawg-pcap.

Memory holds one buffer a part. A record costs about a microsecond: no more than pulling it.
"""

import hashlib
import heapq
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from otterize_pcap.capture_dir import CapturedFile

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
HEADER = 24
RECORD = 16
READ = 1 << 20
FLUSH = 1 << 20
#: More than any snapshot length tcpdump allows; a larger record is no record.
LONGEST = 1 << 20


def can_merge(parts: Sequence[Path]) -> bool:
    """Whether all parts are pcap files of one byte order, precision and link type."""
    heads = {_alike(_header(path)) for path in parts}
    return len(heads) == 1 and None not in heads


def merge_parts(parts: Sequence[Path], target: Path) -> CapturedFile:
    """Write the packets of all parts into `target`, by time; of equal times, earlier parts first.

    A record that is cut off ends its part. Returns the file as the manifest names it, its path
    being the target's name only.
    """
    header = bytearray(_header(parts[0]))
    order = _order(bytes(header))
    lengths = [struct.unpack_from(order + "I", _header(path), 16)[0] for path in parts]
    struct.pack_into(order + "I", header, 16, max(lengths))
    digest = hashlib.sha256(header)
    size = len(header)
    streams = [_records(path, order, number) for number, path in enumerate(parts)]
    with target.open("wb") as sink:
        sink.write(header)
        for block in _blocks(heapq.merge(*streams)):
            sink.write(block)
            digest.update(block)
            size += len(block)
    return CapturedFile(target.name, size, digest.hexdigest())


def _blocks(records: Iterator[tuple[int, int, bytes]]) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = 0
    for _, _, record in records:
        pending.append(record)
        size += len(record)
        if size >= FLUSH:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)


def _records(path: Path, order: str, number: int) -> Iterator[tuple[int, int, bytes]]:
    """Time, part number and bytes of each record."""
    times = struct.Struct(order + "III")
    with path.open("rb") as source:
        source.seek(HEADER)
        rest = b""
        while chunk := source.read(READ):
            rest += chunk
            at, end = 0, len(rest)
            while at + RECORD <= end:
                seconds, fraction, captured = times.unpack_from(rest, at)
                if captured > LONGEST:
                    return
                after = at + RECORD + captured
                if after > end:
                    break
                yield seconds << 32 | fraction, number, rest[at:after]
                at = after
            rest = rest[at:]


def _header(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(HEADER)


def _order(header: bytes) -> str:
    """The byte order of a pcap header, empty if it is none."""
    for order in "<>":
        if len(header) == HEADER and struct.unpack_from(order + "I", header)[0] in {
            MICROSECONDS,
            NANOSECONDS,
        }:
            return order
    return ""


def _alike(header: bytes) -> bytes | None:
    """What must be the same in all parts: everything but the snapshot length."""
    return header[:16] + header[20:] if _order(header) else None
