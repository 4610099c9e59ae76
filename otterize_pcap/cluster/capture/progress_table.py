"""What a person sees during a capture, on stderr: a live table, or a line for each change."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from otterize_pcap.cluster.capture.follow import NodeJob, Phase
from otterize_pcap.graph.naming import printable

if TYPE_CHECKING:
    from rich.live import Live

MOST_ROWS = 40
LINE_EVERY_S = 10.0


class ProgressTable:
    """The state of all nodes; `live` redraws a table, else changes are printed as lines."""

    def __init__(self, *, live: bool, color: bool) -> None:
        self._wants_live = live
        self._color = color
        self._live: Live | None = None
        self._printed: dict[str, tuple[Phase, str]] = {}
        self._printed_at = time.monotonic()

    def __enter__(self) -> Self:
        """Begin drawing."""
        if self._wants_live:
            from rich.console import Console  # noqa: PLC0415 - only where a table is drawn
            from rich.live import Live  # noqa: PLC0415

            console = Console(stderr=True, no_color=not self._color)
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last table standing."""
        if self._live is not None:
            self._live.stop()

    def show(self, jobs: list[NodeJob]) -> None:
        """Draw the nodes' state."""
        if self._live is None:
            self._print_changes(jobs)
            return
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table("node", "state", "bytes", "packets", "drops", "", box=None)
        # The ones that need a person's eye come first where not all fit.
        order = sorted(jobs, key=lambda job: (job.phase is not Phase.FAILED, job.node))
        for job in order[:MOST_ROWS]:
            cells = (job.node, job.phase, *_numbers(job), _detail(job))
            # As text: what the cluster says is no markup, and moves no cursor.
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if len(jobs) > MOST_ROWS:
            table.caption = f"and {len(jobs) - MOST_ROWS} more"
        self._live.update(table, refresh=True)

    def say(self, line: str) -> None:
        """Print a notice, on one line whatever the cluster said."""
        line = printable(line)
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - the place that prints

    def _print_changes(self, jobs: list[NodeJob]) -> None:
        due = time.monotonic() - self._printed_at > LINE_EVERY_S
        for job in jobs:
            state = (job.phase, "" if job.phase is Phase.RECORDING else job.detail)
            if self._printed.get(job.node) == state and not (due and not job.over):
                continue
            self._printed[job.node] = state
            written, packets, drops = _numbers(job)
            numbers = f"{written}, {packets} packets, {drops} dropped" if job.bytes else ""
            words = (f"{job.node}: {job.phase}", numbers, job.detail)
            self.say("  ".join(word for word in words if word))
        if due:
            self._printed_at = time.monotonic()


def _numbers(job: NodeJob) -> tuple[str, str, str]:
    return bytes_text(job.bytes), str(job.packets), str(job.dropped)


def _detail(job: NodeJob) -> str:
    if job.phase is Phase.PULLING and job.bytes:
        return f"{min(100, job.pulled * 100 // job.bytes)} %"
    return job.detail


def bytes_text(count: int) -> str:
    """A size for reading: 12 B, 3.4 KiB, 5.6 MiB."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
