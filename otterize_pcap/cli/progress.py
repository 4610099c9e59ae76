"""A progress bar on stderr, for reading that takes more than a second, on a terminal only."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.graph.naming import printable
from otterize_pcap.records.compression import compression_of
from otterize_pcap.table.read import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE_S = 1.0
REDRAWN_S = 0.1


@contextmanager
def reading_progress(
    name: str,
    paths: Sequence[Path],
    stream: TextIO | None = None,
    patience_s: float = PATIENCE_S,
    later: Callable[[], int | None] = lambda: 0,
) -> Iterator[Progress | None]:
    """What to tell the progress of reading one recording to, None where nobody looks.

    Args:
        name: Names the recording beside the bar.
        paths: Its files; their sizes are what there is to do, if none is compressed.
        stream: Where the bar is drawn; stderr, unless told otherwise.
        patience_s: Seconds before it appears.
        later: Says how many bytes are read after these files, None where nobody knows; asked only
            by who waits.
    """
    # Looked up now: who imports this may replace stderr, or close it.
    stream = stream or sys.stderr
    if not stream.isatty():
        yield None
        return
    shown = _Shown(name, total_size(paths), stream, patience_s, later)
    try:
        yield shown.report
    finally:
        shown.close()


class _Shown:
    """A bar that is there from the first report after `patience_s` on."""

    def __init__(
        self,
        name: str,
        total: int | None,
        stream: TextIO,
        patience_s: float,
        later: Callable[[], int | None],
    ) -> None:
        self._name = name
        self._total = total
        self._stream = stream
        self._begin = time.monotonic()
        self._patience_s = patience_s
        self._later = later
        self._rest: int | None = 0
        self._bar: Bar | None = None
        self._drawn = 0.0

    def report(self, size: int, packets: int) -> None:
        """Show bytes and packets read so far."""
        elapsed = time.monotonic() - self._begin
        if elapsed < self._patience_s:
            return
        if self._bar is None:
            self._bar = self._start()
            self._rest = self._later()
        speed = f"{packets / elapsed / 1e6:.1f} M packets/s" if elapsed else ""
        left = time_left(size, self._total, elapsed)
        of_all = time_of_all(size, self._total, self._rest, elapsed)
        told = ", ".join(filter(None, (speed, left, of_all)))
        is_due = elapsed - self._drawn >= REDRAWN_S
        if is_due:
            self._drawn = elapsed
        self._bar.update(self._bar.task_ids[0], completed=size, speed=told, refresh=is_due)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _start(self) -> "Bar":
        # rich takes 60 ms to import: only who waits pays for it.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, DownloadColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[speed]}"),
            console=Console(file=self._stream, force_terminal=True),
            transient=True,
            # Else it takes a thread.
            auto_refresh=False,
        )
        bar.add_task(printable(self._name), total=self._total, speed="")
        bar.start()
        return bar


def time_left(done: int, total: int | None, elapsed_s: float) -> str:
    """How long the rest will take at the speed so far; how long it took, where no end is known."""
    if total is None:
        return f"{_duration(elapsed_s)} so far"
    if not done or not elapsed_s:
        return ""
    return f"{_duration(max(0, total - done) * elapsed_s / done)} left"


def time_of_all(done: int, total: int | None, later: int | None, elapsed_s: float) -> str:
    """How long all will take that is read after this as well; nothing where there is no more."""
    if total is None or not later or not done or not elapsed_s:
        return ""
    return f"{_duration((max(0, total - done) + later) * elapsed_s / done)} for all"


def _duration(seconds: float) -> str:
    """As the options of time are written: `50s`, `3m20s`, `1h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def total_size(paths: Iterable[Path]) -> int | None:
    """Bytes to read, None where that cannot be known: stdin, pipes, compressed files."""
    total = 0
    for path in paths:
        if not path.is_file():
            return None
        with open_plain(path) as stream:
            if compression_of(stream.read(4)):
                return None
        total += path.stat().st_size
    return total
