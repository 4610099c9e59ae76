"""Move every packet of a classic pcap file in time: `python3 shift.py FILE SECONDS`.

Only the record headers change (pcap file format, draft-ietf-opsawg-pcap, section 5).
"""

import struct
import sys
from pathlib import Path
from typing import Literal

_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_FILE_HEADER, _RECORD_HEADER = 24, 16


def shift(capture: bytes, nanoseconds: int) -> bytes:
    """Return the capture with each record's time moved by so many nanoseconds."""
    order, fraction = _format(capture)
    moved, at = bytearray(capture), _FILE_HEADER
    while at + _RECORD_HEADER <= len(moved):
        seconds, part, length = struct.unpack_from(f"{order}III", moved, at)
        moment = seconds * 10**9 + part * fraction + nanoseconds
        struct.pack_into(f"{order}II", moved, at, moment // 10**9, moment % 10**9 // fraction)
        at += _RECORD_HEADER + length
    return bytes(moved)


def byte_order(capture: bytes) -> Literal["little", "big"]:
    """How the capture's numbers are written."""
    return "little" if _format(capture)[0] == "<" else "big"


def _format(capture: bytes) -> tuple[str, int]:
    """Byte order, and nanoseconds in one unit of the fraction."""
    for order in "<>":
        (magic,) = struct.unpack_from(f"{order}I", capture)
        if magic == _MICROSECONDS:
            return order, 1000
        if magic == _NANOSECONDS:
            return order, 1
    message = "not a pcap file"
    raise ValueError(message)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_bytes(shift(file.read_bytes(), round(float(sys.argv[2]) * 10**9)))
