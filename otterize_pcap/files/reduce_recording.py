"""On a node: a recording → tables, while it is made (`otterize capture --reduce`).

Whenever enough packets wait, or some have waited long enough, they become a block of a table, and
their pcap files are deleted. A journal says of each block what it was made of, so that whoever
begins again after a crash goes on behind the last block that was finished, and whoever pulls pcap
files that nobody reduced knows where in them to begin.

Memory holds the packets of one block, and their table. Where packets come faster than they are
reduced, the tcpdumps are held while `disk` bytes wait: the kernel then counts what it drops.
"""

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from otterize_pcap.files.make_blocks import BlockMaker, ReducedBlock
from otterize_pcap.files.recorded_parts import Position, RecordedParts
from otterize_pcap.files.table_journal import Journal, JournalEntry
from otterize_pcap.files.writing import naming
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.threads import begin_thread

BLOCK_BYTES = 16 << 20
"""Bytes of packets that become one block at the most."""
PERIOD_S = 30.0
"""How long packets wait before they become a block, however few they are."""
SETTLED_S = 2
"""After so long a packet is in its file: tcpdump hears of it within a second."""
POLL_S = 0.2
BRAKE_S = 0.05
HELD, FREED = 3 / 4, 1 / 2
"""Of `disk`: at how much waiting packets tcpdump is held, and below how much let go again."""
RECORDED, REDUCING = "recorded", "reducing"
"""Files that say that the tcpdumps have ended, and that there is somebody to hold them."""


@dataclass(slots=True)
class Reducer:
    """Reduces the recording in a directory, until it is said to have ended.

    `disk` bounds the bytes of packets that lie there; `ends` are addresses of nodes, as far as the
    node was told of them.
    """

    directory: Path
    disk: int
    options: ReadOptions
    ends: frozenset[bytes] = frozenset()
    _journal: Journal = field(init=False)
    _parts: RecordedParts = field(init=False)
    _maker: BlockMaker = field(init=False)
    #: Whoever was here before may have been killed while it held them.
    _is_held: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self._journal = Journal(self.directory)
        self._maker = BlockMaker(self.options, self.ends, self._journal.packets())
        self._parts = RecordedParts(self.directory, self._journal.taken())

    def run(self) -> None:
        """Reduce until the recording has ended and nothing of it is left.

        Raises:
            OSError: The directory cannot be read or written.
            CaptureError: The packets cannot be read.
            ValueError: The parts are not of one recording.
        """
        self._parts.delete_taken(all_of_it=False)
        with self._braking() as brake:
            (self.directory / REDUCING).touch()
            last = time.monotonic()
            while True:
                brake()
                is_over = (self.directory / RECORDED).exists()
                waiting = self._parts.waiting()
                is_due = waiting >= self._most() or time.monotonic() - last >= PERIOD_S
                if is_over or (waiting and is_due):
                    last = time.monotonic()
                    if self._reduce(self._until(waiting, is_over=is_over)):
                        continue
                    if is_over:
                        self._parts.delete_taken(all_of_it=True)
                        return
                time.sleep(POLL_S)

    def _most(self) -> int:
        """Bytes of a block: few enough that there is room for what comes meanwhile."""
        return min(BLOCK_BYTES, self.disk // 4)

    def _until(self, waiting: int, *, is_over: bool) -> int | None:
        """Up to which second packets are surely there, None where all are to be taken."""
        crowded = waiting > self.disk * FREED
        return None if is_over or crowded else int(time.time()) - SETTLED_S

    def _reduce(self, until: int | None) -> bool:
        """Make the next block; False where there is nothing to make it of."""
        # A recording without a packet is one too: that nothing was there says something.
        is_bare = until is None and self._journal.is_empty()
        found = self._parts.take(self._most(), until, even_none=is_bare)
        if found is None:
            return False
        content, taken = found
        self._write(self._maker.block(content), taken)
        self._parts.taken = dict(taken)
        self._parts.delete_taken(all_of_it=False)
        return True

    def _write(self, block: ReducedBlock, taken: Mapping[str, Position]) -> None:
        """Write a block whole, and then into the journal."""
        name = self._journal.next_name()
        part = self.directory / f"{name}.part"
        with naming(part):
            part.write_bytes(block.content)
        part.rename(self.directory / name)
        digest = hashlib.sha256(block.content).hexdigest()
        self._journal.append(
            JournalEntry(name, len(block.content), digest, block.packets, block.bytes, dict(taken))
        )

    @contextmanager
    def _braking(self) -> Iterator[Callable[[], None]]:
        """Hold the tcpdumps while too much waits; to be called now and then, if only by one thread.

        Where there can be a second thread that is nothing, and it looks on its own.
        """
        done = Event()
        brake = begin_thread(self._brake, done)
        try:
            yield self._look if brake is None else lambda: None
        finally:
            done.set()
            if brake is not None:
                brake.join()
            if self._is_held:
                self._signal(signal.SIGCONT)

    def _brake(self, done: Event) -> None:
        while not done.wait(BRAKE_S):
            self._look()

    def _look(self) -> None:
        sizes = self._parts.files().values()
        lying = sum(size for each in sizes for size in each.values())
        if lying > self.disk * (FREED if self._is_held else HELD):
            self._signal(signal.SIGSTOP)
            self._is_held = True
        elif self._is_held:
            self._signal(signal.SIGCONT)
            self._is_held = False

    def _signal(self, number: signal.Signals) -> None:
        """Signal all tcpdumps, whose process numbers lie in files."""
        for path in self.directory.glob("*.pid"):
            try:
                os.kill(int(path.read_text()), number)
            except (ValueError, OSError):
                # It has ended.
                continue
