"""Measure how `otterize intents list` grows: a series of sizes for each thing that can be many.

Run as: python benchmarks/growth.py --runs 3

Each size runs several times, in turn with the others of its series, and the run with the least CPU
time counts: what else a machine does only adds to that. Through the points goes a straight line
(`straight_line.py`), and the table says how far each lies from it. CPU is user and system time of
the whole process, memory its peak. Files are read once before, so that all find them in the page
cache. A part of it:

    python benchmarks/growth.py --only nodes --only services
    python benchmarks/growth.py --divide 100 --runs 1
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import HERE, Measured, run
from straight_line import Line, fit, residuals

DATA = HERE / "data" / "growth"
OURS = [sys.executable, "-m", "otterize_pcap"]
LIST = ("intents", "list", "--quiet")


@dataclass(frozen=True)
class Series:
    """Sizes of one kind of input; `unit` is what a slope is told for, `size` of them."""

    kind: str
    name: str
    sizes: tuple[int, ...]
    unit: str
    per: int
    command: tuple[str, ...] = LIST


MERGE = ("reduce", "--quiet", "--output", str(DATA / "merged.parquet"))
SERIES = (
    Series("pods", "pods in the snapshot", (1_000, 10_000, 30_000, 100_000), "1,000 pods", 1_000),
    Series(
        "nodes", "nodes in one directory, 40 calls each", (10, 100, 500, 1_000, 2_000), "node", 1
    ),
    Series(
        "files", "files of one node's ring", (10, 100, 1_000, 3_000, 10_000), "1,000 files", 1_000
    ),
    Series(
        "connections",
        "connections of four packets",
        (100_000, 300_000, 1_000_000, 3_000_000, 5_000_000),
        "million",
        1_000_000,
    ),
    Series(
        "stream",
        "MB through standard input",
        (1_000, 3_000, 10_000, 20_000),
        "GB",
        1_000,
    ),
    Series(
        "services",
        "pods, and a third as many Services without EndpointSlices",
        (750, 1_500, 3_000, 6_000, 12_000),
        "1,000 pods",
        1_000,
    ),
    Series(
        "captures", "captures of 20,000 connections in one list", (1, 3, 10, 30, 100), "capture", 1
    ),
    Series(
        "parts",
        "connections in eight reduced files, merged",
        (100_000, 300_000, 1_000_000, 3_000_000),
        "million",
        1_000_000,
        MERGE,
    ),
)


def prepared(kind: str, size: int) -> tuple[list[str], list[str]]:
    """What to name behind the command, and what writes its standard input; made where missing."""
    maker = [sys.executable, str(HERE / "growth_inputs.py"), str(DATA), kind, str(size)]
    said = json.loads(subprocess.run(maker, check=True, stdout=subprocess.PIPE).stdout)
    return said["words"], said["writer"]


def warm(words: Sequence[str]) -> None:
    """Read once what is to be read."""
    for path in (Path(word) for word in words if not word.startswith("-")):
        for file in [each for each in path.rglob("*") if each.is_file()] or [path]:
            with file.open("rb") as stream:
                while stream.read(1 << 24):
                    pass


def measure(series: Series, sizes: Sequence[int], runs: int) -> dict[int, Measured]:
    """Of each size the run with the least CPU time.

    Raises:
        RuntimeError: The command failed.
    """
    inputs = {size: prepared(series.kind, size) for size in sizes}
    best: dict[int, Measured] = {}
    for turn in range(runs):
        for size, (words, writer) in inputs.items():
            if turn == 0:
                warm(words)
            measured = run([*OURS, *series.command, *words], source=writer)
            if measured is None:
                raise RuntimeError(series.kind, size)
            if size not in best or measured.cpu < best[size].cpu:
                best[size] = measured
    return best


def table(series: Series, measured: dict[int, Measured]) -> str:
    """One series as a Markdown table, with the line that fits it and what lies beside it."""
    points = [(float(size), found.cpu) for size, found in measured.items()]
    memory = [(float(size), found.memory_mb) for size, found in measured.items()]
    line, memory_line = fit(points), fit(memory)
    lines = [
        f"### {series.name}",
        "",
        "| size | CPU s | from the line | peak MB | from the line |",
        "|---:|---:|---:|---:|---:|",
    ]
    beside = zip(measured, residuals(line, points), residuals(memory_line, memory), strict=True)
    for size, off, memory_off in beside:
        found = measured[size]
        cells = f"{found.cpu:.2f} | {off:+.0%} | {found.memory_mb:.0f} | {memory_off:+.0%}"
        lines.append(f"| {size:,} | {cells} |")
    lines += ["", told(series, line, memory_line)]
    return "\n".join(lines) + "\n"


def told(series: Series, line: Line, memory: Line) -> str:
    """Both lines in words."""
    slope, memory_slope = line.slope * series.per, memory.slope * series.per
    return (
        f"The lines: {line.begin:.2f} s and {slope:.3g} s a {series.unit}; "
        f"{memory.begin:.0f} MB and {memory_slope:.3g} MB a {series.unit}."
    )


def main() -> None:
    """Measure the series asked for and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", choices=[each.kind for each in SERIES])
    parser.add_argument("--divide", type=int, default=1, help="inputs so many times smaller")
    options = parser.parse_args()
    for series in SERIES:
        if options.only and series.kind not in options.only:
            continue
        divided = {size // options.divide for size in series.sizes} - {0}
        # A line goes through two points at least.
        sizes = sorted(divided if len(divided) > 1 else {1, 2})
        print(table(series, measure(series, sizes, options.runs)), flush=True)


if __name__ == "__main__":
    main()
