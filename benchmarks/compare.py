"""Measure the whole command beside the tools that people would use instead.

Run as: python benchmarks/compare.py --runs 5

All contestants of a case run in turn, five rounds of that, so that a busy machine is busy for all
of them; the table has medians, and the median of each round's ratio to tcpdump's copy. Who needs
more than a minute runs once. Slow ones read a part of the capture, and their time is scaled. CPU is
user and system time of the process, memory its peak, no less than this process's own 32 MB. Files
are read once before, so that all find them in the page cache.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cases import CASES, Capture, Case
from contestants import CONTESTANTS, COPY, Contestant, is_installed
from measure import Measured, back_memory, run

# Slow contestants read so much less.
PART = 50
PATIENCE_S = 60


@dataclass
class Result:
    """What was measured of one contestant, by round, scaled to the whole capture."""

    wall: dict[int, float] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    cannot_read: bool = False

    def add(self, turn: int, measured: Measured, scale: float) -> None:
        """Take note of a round."""
        self.wall[turn] = measured.wall * scale
        self.cpu.append(measured.cpu * scale)
        self.memory_mb = max(self.memory_mb, measured.memory_mb)

    def ratio(self, other: "Result | None") -> float | None:
        """By how much more time it takes than another: the median of the rounds of both."""
        both = self.wall.keys() & other.wall.keys() if other else set()
        ratios = [self.wall[turn] / other.wall[turn] for turn in both] if other else []
        return statistics.median(ratios) if ratios else None


def warm(path: Path) -> None:
    """Read a file once."""
    with path.open("rb") as stream:
        while stream.read(1 << 24):
            pass


def chosen(case: Case, only: Sequence[str]) -> list[Contestant]:
    """Who is measured on a case: all that it is for, or those whose names have one of these."""
    return [
        contestant
        for contestant in CONTESTANTS
        if (case.is_cluster or not contestant.clusters)
        and (not only or any(text in contestant.name for text in only))
    ]


def measure(
    contestants: Sequence[Contestant], capture: Capture, part: Capture, runs: int, backed: int
) -> dict[str, Result]:
    """All contestants, in turn, several times, each with so many MB of memory backed before."""
    for path in capture.files:
        warm(path)
    results: dict[str, Result] = {}
    able = [contestant for contestant in contestants if is_installed(contestant)]
    for turn in range(runs):
        # Nobody always comes after the same one, which can leave the machine slower.
        begin = turn % len(able)
        for contestant in (*able[begin:], *able[:begin]):
            result = results.setdefault(contestant.name, Result())
            if result.cannot_read or max(result.wall.values(), default=0) > PATIENCE_S:
                continue
            read = part if contestant.part else capture
            if backed:
                back_memory(backed)
            measured = run(contestant.command(read), contestant.refuses)
            if measured is None:
                # nfpcapd, for one, does not know the second version of Linux' cooked captures.
                result.cannot_read = True
            else:
                result.add(turn, measured, capture.packets / read.packets)
    return results


def line(contestant: Contestant, results: dict[str, Result], capture: Capture) -> str:
    """One contestant's row of the table."""
    result = results.get(contestant.name)
    if result is None:
        return f"| {contestant.name} | not installed | | | | | |"
    if not result.wall:
        return f"| {contestant.name} | cannot read it | | | | | |"
    wall, cpu = statistics.median(result.wall.values()), statistics.median(result.cpu)
    ratio = result.ratio(results.get(COPY))
    cells = (
        contestant.name + (" (scaled)" if contestant.part else ""),
        f"{wall:.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{cpu:.2f}",
        f"{capture.packets / wall / 1e6:.2f}",
        f"{capture.connections / wall:,.0f}",
        f"{result.memory_mb:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def table(
    name: str, capture: Capture, contestants: Sequence[Contestant], results: dict[str, Result]
) -> str:
    """One case as a Markdown table."""
    lines = [
        f"### {name}: {capture.packets:,} packets, {capture.megabytes:,.0f} MB",
        "",
        "| what | wall s | ratio | CPU s | M packets/s | connections/s | peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [line(contestant, results, capture) for contestant in contestants]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the cases asked for and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", type=int, action="append", help="1 is the first; repeatable")
    parser.add_argument("--only", action="append", default=[], help="part of a contestant's name")
    parser.add_argument(
        "--backed", type=int, default=0, metavar="MB", help="see measure.back_memory"
    )
    parser.add_argument("--divide", type=int, default=1, help="captures so many times smaller")
    options = parser.parse_args()
    for number, case in enumerate(CASES, 1):
        if options.case and number not in options.case:
            continue
        capture = case.prepare(options.divide)
        part = case.prepare(options.divide * PART)
        contestants = chosen(case, options.only)
        results = measure(contestants, capture, part, options.runs, options.backed)
        print(table(case.name, capture, contestants, results), flush=True)


if __name__ == "__main__":
    main()
