"""A node's recording while it is made: rotated files of several tcpdumps, read as they grow.

Each tcpdump is a part, and writes `NAME.pcap`, `NAME.pcap1`, ... (`-C`). Parts hold different
packets of the same time, so they are taken by time, up to a moment that all have surely passed.
What was taken is deleted, but for the file that is being written.
"""

import heapq
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISREG

from msgspec import Struct

from otterize_pcap.records.pcap import HEADER_LENGTH, PcapHeader
from otterize_pcap.records.pcap_records import are_alike, common_head, record_bytes

PART_FILE = re.compile(r"([a-z]+)\.pcap([0-9]{0,6})\Z")

Position = tuple[int, int]
"""How far a part was taken: the number of its file, and the offset there."""
PARTS = ("calls", "acks", "first", "dns", "headers")
"""Of packets of one time those of an earlier part come first, as `capture-job.yaml` lists them."""
START: Position = (0, HEADER_LENGTH)


def part_file(directory: Path, part: str, number: int) -> Path:
    """A part's file, as `tcpdump -C` names it."""
    return directory / f"{part}.pcap{number or ''}"


def parse_part_file(name: str) -> tuple[str, int] | None:
    """The part and the number of a file of that name, None where it is none."""
    found = PART_FILE.match(name)
    return None if found is None else (found[1], int(found[2] or 0))


def _rank(part: str) -> tuple[int, str]:
    return PARTS.index(part) if part in PARTS else len(PARTS), part


class RecordedParts(Struct):
    """The parts in a directory; `taken` says how far each was taken."""

    directory: Path
    taken: dict[str, Position]

    def files(self) -> dict[str, dict[int, int]]:
        """The files that are there, and their sizes in bytes, by part and number."""
        found: dict[str, dict[int, int]] = {}
        for path in self.directory.iterdir():
            if (named := parse_part_file(path.name)) is None:
                continue
            try:
                state = path.stat()
            except FileNotFoundError:
                # Who holds tcpdump looks from a thread of its own, while what was taken is deleted.
                continue
            if S_ISREG(state.st_mode):
                part, number = named
                found.setdefault(part, {})[number] = state.st_size
        return found

    def waiting(self) -> int:
        """Bytes that were not taken yet."""
        waiting = 0
        for part, sizes in self.files().items():
            number, offset = self.taken.get(part, START)
            for each, size in sizes.items():
                if each >= number:
                    waiting += max(0, size - (offset if each == number else HEADER_LENGTH))
        return waiting

    def take(
        self, most: int, until: int | None, *, even_none: bool = False
    ) -> tuple[bytes, Mapping[str, Position]] | None:
        """The next packets of all parts, by time, as a pcap file; None where there are none.

        Args:
            most: Bytes at which it ends.
            until: Seconds since the epoch; packets of that time and later are left, None for none.
            even_none: Give a file without packets where there are none.

        Returns:
            The file, and how far each part is taken with it.

        Raises:
            ValueError: The parts are no pcap files, or not alike.
        """
        parts = sorted(self.files(), key=_rank)
        heads = {part: head for part in parts if (head := self._head(part)) is not None}
        if not heads:
            return None
        if not are_alike(list(heads.values())):
            message = "parts that are not alike"
            raise ValueError(message)
        head, header = common_head(list(heads.values()))
        content = io.BytesIO()
        size = content.write(head)
        taken = dict(self.taken)
        streams = [self._records(part, number, header) for number, part in enumerate(heads)]
        names = list(heads)
        end = None if until is None else until << 32
        for time, number, record, position in heapq.merge(*streams):
            if size >= most or (end is not None and time >= end):
                break
            size += content.write(record)
            taken[names[number]] = position
        return (content.getvalue(), taken) if size > len(head) or even_none else None

    def _head(self, part: str) -> bytes | None:
        """A part's file header, None before it is written."""
        path = part_file(self.directory, part, self.taken.get(part, START)[0])
        if not path.exists():
            return None
        with path.open("rb") as file:
            head = file.read(HEADER_LENGTH)
        return head if len(head) == HEADER_LENGTH else None

    def _records(
        self, part: str, rank: int, header: PcapHeader
    ) -> Iterator[tuple[int, int, bytes, Position]]:
        """Time, the part's rank, bytes, and the position behind each record that is there whole."""
        number, offset = self.taken.get(part, START)
        while True:
            path = part_file(self.directory, part, number)
            # Whether the file is whole is asked before it is read to its end.
            is_whole = part_file(self.directory, part, number + 1).exists()
            if not path.exists():
                return
            with path.open("rb") as file:
                for time, record, end in record_bytes(file, header, offset):
                    yield time, rank, record, (number, end)
            if not is_whole:
                return
            number, offset = number + 1, HEADER_LENGTH

    def delete_taken(self, *, all_of_it: bool) -> None:
        """Delete what was taken: whole files, and with `all_of_it` whatever is there."""
        for part, sizes in self.files().items():
            for number in sizes:
                if all_of_it or number < self.taken.get(part, START)[0]:
                    part_file(self.directory, part, number).unlink()
