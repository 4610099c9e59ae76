"""The parts of one node's recording, written at the same time by several tcpdumps, as one file.

Readers take a recording's packets in the order of time: an acknowledgement belongs to the
handshake before it. The parts hold different packets of the same stretch of time, so that merging
them by time gives what one tcpdump would have written.

Memory holds one buffer a part. A record costs no more than pulling it; where payload is cut off it
costs ten microseconds.
"""

import hashlib
import heapq
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from otterize_pcap.capture_dir import CapturedFile
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.records.pcap import HEADER_LENGTH, PcapHeader
from otterize_pcap.records.pcap_records import are_alike, common_head, record_bytes

FLUSH = 1 << 20


def can_merge(parts: Sequence[Path]) -> bool:
    """Whether all parts are pcap files of one byte order, precision and link type."""
    return are_alike([_head(path) for path in parts])


def merge_parts(
    parts: Sequence[Path],
    target: Path,
    cut: PayloadCut | None = None,
    begins: Sequence[int] | None = None,
) -> CapturedFile:
    """Write the packets of all parts into `target`, by time; of equal times, earlier parts first.

    A record that is cut off ends its part. `cut` says what is kept of each packet, None all;
    `begins` where in each part to begin, in bytes, None before the first packet. Returns the file
    as the manifest names it, its path being the target's name only.
    """
    head, header = common_head([_head(path) for path in parts])
    digest = hashlib.sha256(head)
    size = len(head)
    begins = begins or [HEADER_LENGTH] * len(parts)
    streams = [
        _records(path, begin, header, number, cut)
        for number, (path, begin) in enumerate(zip(parts, begins, strict=True))
    ]
    with target.open("wb") as sink:
        sink.write(head)
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


def _records(
    path: Path, begin: int, header: PcapHeader, number: int, cut: PayloadCut | None
) -> Iterator[tuple[int, int, bytes]]:
    """Time, part number and bytes of each record."""
    with path.open("rb") as source:
        for time, record, _ in record_bytes(source, header, begin):
            kept = record if cut is None else _without_payload(record, header, cut)
            yield time, number, kept


def _without_payload(record: bytes, header: PcapHeader, cut: PayloadCut) -> bytes:
    """A record cut behind its packet's headers; its length on the wire stays."""
    frame = record[header.header_length :]
    kept = cut.kept(header.link_type, frame)
    if kept == len(frame):
        return record
    captured = struct.pack(f"{header.order}I", kept)
    return record[:8] + captured + record[12 : header.header_length] + frame[:kept]


def _head(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(HEADER_LENGTH)
