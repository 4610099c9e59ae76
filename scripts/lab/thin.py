"""Take packets out of a classic pcap file, as a capture that lost them has it.

Only whole records go (pcap file format, draft-ietf-opsawg-pcap, section 5).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from recorder import refresh_manifest
from shift import byte_order

_FILE_HEADER, _RECORD_HEADER, _LENGTH_AT = 24, 16, 8


def lose(directory: Path, marker: bytes) -> int:
    """Remove every packet that holds `marker` from a capture directory; returns how many."""
    lost: Counter[tuple[str, str]] = Counter()
    for path in (*directory.glob("pcap/*.pcap"), *directory.glob("pcap-uplink/*.pcap")):
        capture = path.read_bytes()
        records = list(_records(capture))
        kept = [record for record in records if marker not in record]
        path.write_bytes(capture[:_FILE_HEADER] + b"".join(kept))
        lost[path.parent.name, path.stem] += len(records) - len(kept)
    refresh_manifest(directory, {node: n for (folder, node), n in lost.items() if folder == "pcap"})
    return lost.total()


def _records(capture: bytes) -> Iterator[bytes]:
    order, at = byte_order(capture), _FILE_HEADER
    while at + _RECORD_HEADER <= len(capture):
        field = capture[at + _LENGTH_AT : at + _LENGTH_AT + 4]
        end = at + _RECORD_HEADER + int.from_bytes(field, order)
        yield capture[at:end]
        at = end
