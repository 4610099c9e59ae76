"""The journal of a node's tables: a line a block, written when the block is whole.

    table NAME BYTES SHA256 PACKETS PACKET-BYTES PART:FILE:OFFSET ...

says what a block is, which packets it stands for, and how far each part of the recording is
taken with it. A line that was cut off is none.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from otterize_pcap.files.writing import naming

JOURNAL = "tables"
TABLE_NAME = re.compile(r"table-[0-9]{6}\Z")
_LINE = re.compile(
    r"table (table-[0-9]{6}) ([0-9]{1,12}) ([0-9a-f]{64}) ([0-9]{1,15}) ([0-9]{1,15})"
    r"((?: [a-z]{1,16}:[0-9]{1,6}:[0-9]{1,15}){0,8})\n"
)


class JournalEntry(Struct, frozen=True):
    """A block: its file's name, bytes and SHA-256 in hex.

    `packets` and `packet_bytes` are how many packets it stands for, and bytes of pcap.

    `taken` says how far each part is taken: the number of its file, and the offset there.
    """

    name: str
    size: int
    sha256: str
    packets: int
    packet_bytes: int
    taken: Mapping[str, tuple[int, int]]


def parse_journal(text: str) -> list[JournalEntry]:
    """The entries of a journal, as far as its lines are whole and in order."""
    found: list[JournalEntry] = []
    at = 0
    while (line := _LINE.match(text, at)) is not None:
        name, size, digest, packets, packet_bytes, positions = line.groups()
        if name != table_name(len(found)):
            break
        taken = {
            part: (int(number), int(offset))
            for part, number, offset in (each.split(":") for each in positions.split())
        }
        found.append(JournalEntry(name, int(size), digest, int(packets), int(packet_bytes), taken))
        at = line.end()
    return found


def table_name(number: int) -> str:
    """What the file of a block is called."""
    return f"table-{number:06}"


class Journal:
    """A journal in a directory, begun where there is none; what follows its last line is cut off.

    Raises:
        OSError: It cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / JOURNAL
        text = self._path.read_text("ascii", "replace") if self._path.exists() else ""
        self._entries = parse_journal(text)
        whole = "".join(map(_line, self._entries))
        if whole != text or not self._path.exists():
            with naming(self._path):
                self._path.write_text(whole)

    def is_empty(self) -> bool:
        """Whether no block was written down yet."""
        return not self._entries

    def taken(self) -> dict[str, tuple[int, int]]:
        """How far each part is taken."""
        return dict(self._entries[-1].taken) if self._entries else {}

    def packets(self) -> int:
        """The packets of all blocks."""
        return sum(entry.packets for entry in self._entries)

    def next_name(self) -> str:
        """What the next block is called."""
        return table_name(len(self._entries))

    def append(self, entry: JournalEntry) -> None:
        """Write down a block that is whole."""
        with naming(self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, _line(entry).encode())
            finally:
                os.close(descriptor)
        self._entries.append(entry)


def _line(entry: JournalEntry) -> str:
    positions = "".join(
        f" {part}:{number}:{offset}" for part, (number, offset) in sorted(entry.taken.items())
    )
    counts = f"{entry.size} {entry.sha256} {entry.packets} {entry.packet_bytes}"
    return f"table {entry.name} {counts}{positions}\n"
