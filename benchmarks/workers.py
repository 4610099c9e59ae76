"""Measure workers against threads: the same eight files, and what the one who asks has to do.

Run as: python benchmarks/workers.py --runs 3

`local:N` begins N processes for the one command and ends them. With `tcp://`, scheduler and workers
were there before; what is measured then is the one who asks: he waits, takes tables in, joins them
and runs all rules, which is the cost of merging. All contestants run in turn, and of each the run
with the least wall time counts. The CPU time of `local:N` is that of all its processes, once ended.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from growth import LIST, OURS, prepared, warm
from measure import HERE, Measured, run
from straight_line import fit, residuals

THREADS = (("--threads", "1"), ("--threads", "2"))
LOCAL = (1, 2, 4)
STANDING = (1, 2, 4)
MERGED = (100_000, 300_000, 1_000_000, 3_000_000)
MEGABYTES, CONNECTIONS = 2_000, 1_000_000
BEGIN_S = 20


@contextmanager
def program(*words: str) -> Iterator[None]:
    """A program of Dask's, as long as it is needed."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    quiet = subprocess.DEVNULL
    started = subprocess.Popen([sys.executable, "-m", *words], env=environment, stderr=quiet)
    try:
        yield
    finally:
        started.terminate()
        started.wait()


@contextmanager
def standing(workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers, of one thread each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as stack:
        scheduler = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
        stack.enter_context(program("distributed.cli.dask_scheduler", *scheduler))
        worker = (address, "--nthreads", "1", "--nworkers", str(workers), "--no-dashboard")
        stack.enter_context(program("distributed.cli.dask_worker", *worker))
        time.sleep(BEGIN_S)
        yield address


def measure(
    named: dict[str, Sequence[str]], words: Sequence[str], runs: int
) -> dict[str, Measured]:
    """Of each way of reading the run with the least wall time.

    Raises:
        RuntimeError: The command failed.
    """
    best: dict[str, Measured] = {}
    for _ in range(runs):
        for name, options in named.items():
            found = run([*OURS, *LIST, *options, *words])
            if found is None:
                raise RuntimeError(name)
            if name not in best or found.wall < best[name].wall:
                best[name] = found
    return best


def compared(kind: str, size: int, runs: int) -> str:
    """One input read in every way, as a Markdown table."""
    words, _ = prepared(kind, size)
    warm(words)
    ways: dict[str, Sequence[str]] = {" ".join(options): options for options in THREADS}
    ways |= {f"--scheduler local:{each}": ("--scheduler", f"local:{each}") for each in LOCAL}
    found = measure(ways, words, runs)
    for workers in STANDING:
        with standing(workers) as address:
            name = f"{workers} standing workers"
            found |= measure({name: ("--scheduler", address)}, words, runs + 1)
    lines = ["| how | wall s | CPU s | peak MB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {each.wall:.2f} | {each.cpu:.2f} | {each.memory_mb:.0f} |"
        for name, each in found.items()
    ]
    return "\n".join(lines) + "\n"


def merging(sizes: Sequence[int], runs: int) -> str:
    """What the one who asks has to do, by connections."""
    found: dict[int, Measured] = {}
    with standing(2) as address:
        for size in sizes:
            words, _ = prepared("shares", size)
            way = {str(size): ("--scheduler", address)}
            found[size] = measure(way, words, runs + 1)[str(size)]
    points = [(float(size), each.cpu) for size, each in found.items()]
    memory = [(float(size), each.memory_mb) for size, each in found.items()]
    line, memory_line = fit(points), fit(memory)
    lines = [
        "| connections | CPU s | from the line | peak MB |",
        "|---:|---:|---:|---:|",
        *(
            f"| {size:,} | {each.cpu:.2f} | {off:+.0%} | {each.memory_mb:.0f} |"
            for (size, each), off in zip(found.items(), residuals(line, points), strict=True)
        ),
        "",
    ]
    said = (
        f"The lines: {line.begin:.2f} s and {line.slope * 1e6:.2f} s a million; "
        f"{memory_line.begin:.0f} MB and {memory_line.slope * 1e6:.0f} MB a million."
    )
    return "\n".join((*lines, said)) + "\n"


def main() -> None:
    """Measure, and print a table for each input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--divide", type=int, default=1, help="inputs so many times smaller")
    given = parser.parse_args()
    size, count = MEGABYTES // given.divide, CONNECTIONS // given.divide
    print(f"### {size:,} MB of headers, 20,000 connections, eight files\n")
    print(compared("megabytes", size, given.runs), flush=True)
    print(f"### {count:,} connections of four packets, eight files\n")
    print(compared("shares", count, given.runs), flush=True)
    print("### What the one who asks does, with two standing workers\n")
    print(merging([each // given.divide for each in MERGED], given.runs))


if __name__ == "__main__":
    main()
