"""Files that are compared in a thread of their own, while others read and work on what was read."""

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, get_native_id

from otterize_pcap.threads import begin_thread

GIVES_WAY = 2
"""How much nicer than others the thread is. At 5 it was still at work when all else was done, which
took a tenth of the time; at 0 it held up who reads."""
MOST_OF_MEMORY = 4
"""A file is read twice where all fit into this part of the memory: so they are in the cache."""
MEMORY_OTHERWISE = 4 << 30
"""Bytes of memory where the system does not say how many there are."""

Compare = Callable[[Path], str | None]
"""In what a file is not what it should be."""


class ComparedBeside:
    """Compares files, one after the other, in the order in which it is asked to.

    Nobody waits for the thread but who asks for its answer: a run that fails ends without it.
    `otherwise` is the answer of a file whose comparison fails.
    """

    def __init__(self, compare: Compare, otherwise: str) -> None:
        self._compare = compare
        self._otherwise = otherwise
        self._asked: set[Path] = set()
        self._waiting: deque[Path] = deque()
        self._found: dict[Path, str | None] = {}
        self._told = Condition()
        self._is_running = False

    def ask(self, path: Path) -> None:
        """Have a file compared; once, however often it is asked for."""
        with self._told:
            if path in self._asked:
                return
            self._asked.add(path)
            self._waiting.append(path)
            if not self._is_running:
                # Where no thread can be had, who asks for the answer compares.
                self._is_running = begin_thread(self._run) is not None

    def was_asked(self, path: Path) -> bool:
        """Whether there is an answer, or one will come."""
        return path in self._asked

    def answer(self, path: Path) -> str | None:
        """In what a file differs, as soon as that is known."""
        with self._told:
            is_running = self._is_running
        if not is_running:
            self._compare_all()
        with self._told:
            self._told.wait_for(lambda: path in self._found)
            return self._found[path]

    def _run(self) -> None:
        give_way()
        self._compare_all()

    def _compare_all(self) -> None:
        while (path := self._next()) is not None:
            reason: str | None = self._otherwise
            # Somebody waits, for this file or for one after it, whatever happens here.
            with suppress(Exception):
                reason = self._compare(path)
            with self._told:
                self._waiting.popleft()
                self._found[path] = reason
                self._told.notify_all()

    def _next(self) -> Path | None:
        with self._told:
            self._is_running = bool(self._waiting)
            return self._waiting[0] if self._waiting else None


def fits_the_cache(size: int) -> bool:
    """Whether files of so many bytes together stay in the system's cache for a while."""
    memory = MEMORY_OTHERWISE
    with suppress(AttributeError, ValueError, OSError):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return size <= memory // MOST_OF_MEMORY


def give_way() -> None:
    """Let other threads go first, where each has a niceness of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            mine = get_native_id()
            os.setpriority(os.PRIO_PROCESS, mine, os.getpriority(os.PRIO_PROCESS, mine) + GIVES_WAY)
