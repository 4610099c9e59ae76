"""What a ring of pcap files still holds: packets and the time of the first.

tcpdump does not say how often `-W` began again; what it captured minus what the files hold is
what was overwritten.
"""

from pathlib import Path

from msgspec import Struct

from otterize_pcap.records.pcap import HEADER_LENGTH, parse_header

READ = 1 << 20


class FileContents(Struct, frozen=True):
    """Packets in a file, and when the first was recorded (seconds since the epoch)."""

    packets: int
    first: float | None


def read_contents(path: Path) -> FileContents:
    """Count a pcap file's packets; a cut tail or a foreign format ends the count there."""
    packets, first = 0, None
    with path.open("rb", buffering=READ) as source:
        header = parse_header(source.read(HEADER_LENGTH))
        if header is None:
            return FileContents(0, None)
        fields, length = header.fields, header.header_length
        size = path.stat().st_size
        while len(record := source.read(length)) == length:
            seconds, fraction, captured, _ = fields.unpack_from(record)
            if source.seek(captured, 1) > size:
                break
            packets += 1
            first = first if first is not None else seconds + fraction * header.tick_ns / 1e9
    return FileContents(packets, first)
