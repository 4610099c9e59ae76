"""What a ring of pcap files still holds: packets and the time of the first.

tcpdump does not say how often `-W` began again; what it captured minus what the files hold is
what was overwritten. Layout: draft-ietf-opsawg-pcap (a header of 24 bytes, records of 16 + n).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

MAGICS = {
    0xA1B2C3D4: 1_000_000,
    0xA1B23C4D: 1_000_000_000,
}
READ = 1 << 20


@dataclass(frozen=True, slots=True)
class FileContents:
    """Packets in a file, and when the first was recorded (seconds since the epoch)."""

    packets: int
    first: float | None


def read_contents(path: Path) -> FileContents:
    """Count a pcap file's packets; a cut tail or a foreign format ends the count there."""
    packets, first = 0, None
    with path.open("rb", buffering=READ) as source:
        header = source.read(24)
        order = next((o for o in "<>" if _magic(header, o) in MAGICS), None)
        if order is None:
            return FileContents(0, None)
        fraction = MAGICS[_magic(header, order)]
        size = path.stat().st_size
        while len(record := source.read(16)) == 16:
            seconds, part, captured = struct.unpack(order + "III", record[:12])
            if source.seek(captured, 1) > size:
                break
            packets += 1
            first = first if first is not None else seconds + part / fraction
    return FileContents(packets, first)


def _magic(header: bytes, order: str) -> int:
    if len(header) < 24:
        return 0
    (magic,) = struct.unpack(order + "I", header[:4])
    return int(magic)
