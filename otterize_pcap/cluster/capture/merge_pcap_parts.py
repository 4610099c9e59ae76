"""The parts of one node's recording, written at the same time by several tcpdumps, as one file.

Readers take a recording's packets in the order of time: an acknowledgement belongs to the
handshake before it. The parts hold different packets of the same stretch of time, so that merging
them by time gives what one tcpdump would have written.

Memory holds one buffer a part. A record costs about a microsecond: no more than pulling it. Where
payload is cut off it costs ten.
"""

import hashlib
import heapq
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from otterize_pcap.capture_dir import CapturedFile
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.records.pcap import HEADER_LENGTH, SNAPLEN_AT, PcapHeader, parse_header

READ = 1 << 20
FLUSH = 1 << 20
#: More than any snapshot length tcpdump allows; a larger record is no record.
LONGEST = 1 << 20


def can_merge(parts: Sequence[Path]) -> bool:
    """Whether all parts are pcap files of one byte order, precision and link type."""
    heads = {_alike(_head(path)) for path in parts}
    return len(heads) == 1 and None not in heads


def merge_parts(parts: Sequence[Path], target: Path, cut: PayloadCut | None = None) -> CapturedFile:
    """Write the packets of all parts into `target`, by time; of equal times, earlier parts first.

    A record that is cut off ends its part. `cut` says what is kept of each packet, None all.
    Returns the file as the manifest names it, its path being the target's name only.
    """
    head = bytearray(_head(parts[0]))
    header = parse_header(bytes(head))
    if header is None:
        message = f"no pcap file: {parts[0]}"
        raise ValueError(message)
    snaplen = struct.Struct(f"{header.order}I")
    lengths = [snaplen.unpack_from(_head(path), SNAPLEN_AT)[0] for path in parts]
    snaplen.pack_into(head, SNAPLEN_AT, max(lengths))
    digest = hashlib.sha256(head)
    size = len(head)
    streams = [_records(path, header, number, cut) for number, path in enumerate(parts)]
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
    path: Path, header: PcapHeader, number: int, cut: PayloadCut | None
) -> Iterator[tuple[int, int, bytes]]:
    """Time, part number and bytes of each record."""
    fields, length = header.fields, header.header_length
    with path.open("rb") as source:
        source.seek(HEADER_LENGTH)
        rest = b""
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
                record = rest[at:after]
                if cut is not None:
                    record = _without_payload(record, header, cut)
                yield seconds << 32 | fraction, number, record
                at = after
            rest = rest[at:]


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


def _alike(head: bytes) -> bytes | None:
    """What must be the same in all parts: everything but the snapshot length."""
    return head[:SNAPLEN_AT] + head[SNAPLEN_AT + 4 :] if parse_header(head) else None
