"""Measure the whole command beside the tools that people would use instead.

Run as: python benchmarks/compare.py --packets 10000000 --runs 5

All contestants of a case run in turn, five rounds of that, so that a busy machine is busy for all
of them; the table has medians. Slow ones read a part of the capture, and their time is scaled. CPU
is user and system time of the process, memory its peak. Files are read once before, so that all
find them in the page cache.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "data"
PART = 200_000

Command = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Case:
    """One capture."""

    name: str
    shape: str
    connections: int

    def path(self, packets: int) -> Path:
        """Where it is kept."""
        return DATA / f"{self.shape}-{packets}-{self.connections}.pcap"


@dataclass(frozen=True)
class Contestant:
    """One command; `part` has it read the first packets only."""

    name: str
    command: Command
    needs: str
    part: bool = False


@dataclass
class Result:
    """What was measured of one contestant, scaled to the whole capture."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


CASES = (
    Case("headers, 20,000 connections", "snapped", 20_000),
    Case("headers, 1,000,000 connections", "snapped", 1_000_000),
    Case("whole frames, 20,000 connections", "full", 20_000),
    Case("VXLAN headers, 20,000 connections", "vxlan", 20_000),
    Case("SLL2 headers, 20,000 connections", "sll2", 20_000),
)


def ours(*options: str) -> Command:
    """The whole command, as a user runs it."""

    def command(path: Path) -> list[str]:
        snapshot = str(path.with_suffix(".json"))
        start = [sys.executable, "-m", "otterize_pcap", "intents", "list"]
        return [*start, str(path), "--snapshot", snapshot, *options]

    return command


def table_only(threads: int, *, fast: bool) -> Command:
    """Capture to connection table, without what comes after it."""

    def command(path: Path) -> list[str]:
        return [sys.executable, str(HERE / "table.py"), str(path), str(threads), str(int(fast))]

    return command


CONTESTANTS = (
    Contestant("otterize intents list, 2 threads", ours("--threads", "2"), "python"),
    Contestant("otterize intents list, 1 thread", ours("--threads", "1"), "python"),
    Contestant("connection table alone, 2 threads", table_only(2, fast=True), "python"),
    Contestant("connection table alone, 1 thread", table_only(1, fast=True), "python"),
    Contestant(
        "tcpdump -r F -w -",
        lambda path: ["tcpdump", "-Z", "root", "-r", str(path), "-w", "-"],
        "tcpdump",
    ),
    Contestant(
        "tcpdump -nn -q -t -r F",
        lambda path: ["tcpdump", "-Z", "root", "-nn", "-q", "-t", "-r", str(path)],
        "tcpdump",
    ),
    Contestant(
        "nfpcapd -r F", lambda path: ["nfpcapd", "-r", str(path), "-w", _folder()], "nfpcapd"
    ),
    Contestant(
        "tshark -q -z conv,tcp",
        lambda path: ["tshark", "-n", "-q", "-z", "conv,tcp", "-r", str(path)],
        "tshark",
        part=True,
    ),
    Contestant(
        "dpkt's documented loop",
        lambda path: [sys.executable, str(HERE / "dpkt_loop.py"), str(path)],
        "python",
        part=True,
    ),
    Contestant("connection table, fast path off", table_only(1, fast=False), "python", part=True),
)


def _folder() -> str:
    folder = Path(tempfile.gettempdir()) / "otterize-nfpcapd"
    folder.mkdir(exist_ok=True)
    return str(folder)


def prepare(case: Case, packets: int) -> Path:
    """Generate a capture and its snapshot, unless they are there already."""
    path = case.path(packets)
    if path.exists():
        return path
    DATA.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part")
    # In a process of its own: a child's peak memory counts its parent's at the fork.
    subprocess.run(
        [
            sys.executable,
            str(HERE / "generate.py"),
            str(unfinished),
            f"--packets={packets}",
            f"--connections={case.connections}",
            f"--shape={case.shape}",
        ],
        check=True,
    )
    unfinished.rename(path)
    return path


def run(command: Sequence[str]) -> tuple[float, float, float] | None:
    """Wall and CPU seconds, and peak memory in MB, of one run; None where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(f"{' '.join(command)}: exit {process.returncode}", file=sys.stderr)
        return None
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def warm(path: Path) -> None:
    """Read a file once."""
    with path.open("rb") as stream:
        while stream.read(1 << 24):
            pass


def measure(case: Case, packets: int, runs: int, part: int) -> dict[str, Result]:
    """All contestants of a case, in turn, several times."""
    path = prepare(case, packets)
    small = prepare(case, part) if part < packets else path
    warm(path)
    results: dict[str, Result] = {}
    for turn in range(runs):
        # Nobody always comes after the same one, which can leave the machine slower.
        for contestant in (*CONTESTANTS[turn:], *CONTESTANTS[:turn]):
            if contestant.needs != "python" and shutil.which(contestant.needs) is None:
                continue
            result = results.setdefault(contestant.name, Result())
            scale = packets / part if contestant.part and part < packets else 1.0
            measured = run(contestant.command(small if contestant.part else path))
            if measured is None:
                continue
            wall, cpu, memory = measured
            result.wall.append(wall * scale)
            result.cpu.append(cpu * scale)
            result.memory_mb = max(result.memory_mb, memory)
    return results


def table(case: Case, packets: int, results: dict[str, Result]) -> str:
    """One case as a Markdown table."""
    size = case.path(packets).stat().st_size / 1e6
    lines = [
        f"### {case.name}: {packets:,} packets, {size:,.0f} MB",
        "",
        "| what | wall s | CPU s | M packets/s | peak MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for contestant in CONTESTANTS:
        result = results.get(contestant.name)
        if result is None:
            lines.append(f"| {contestant.name} | not installed | | | |")
            continue
        if not result.wall:
            # nfpcapd, for one, does not know the second version of Linux' cooked captures.
            lines.append(f"| {contestant.name} | cannot read it | | | |")
            continue
        wall, cpu = statistics.median(result.wall), statistics.median(result.cpu)
        scaled = " (scaled)" if contestant.part else ""
        lines.append(
            f"| {contestant.name}{scaled} | {wall:.2f} | {cpu:.2f} | "
            f"{packets / wall / 1e6:.2f} | {result.memory_mb:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the cases asked for and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--part", type=int, default=PART, help="packets for the slow ones")
    parser.add_argument("--case", type=int, action="append", help="1 is the first; repeatable")
    options = parser.parse_args()
    for number, case in enumerate(CASES, 1):
        if options.case and number not in options.case:
            continue
        results = measure(case, options.packets, options.runs, options.part)
        print(table(case, options.packets, results), flush=True)


if __name__ == "__main__":
    main()
