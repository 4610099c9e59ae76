"""Who is measured: this tool, what people would use instead, and a loop in C as the limit.

The peers are Debian's packages tcpdump, argus-server, nfdump and tshark; what is not installed is
left out. Peers that read one file at a time read a cluster's files one after the other.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cases import DATA, HERE, Capture

Command = Callable[[Capture], list[str]]

COPY = "tcpdump -r F -w -"


@dataclass(frozen=True)
class Contestant:
    """One command.

    `part` has it read a part of the capture only. `refuses` is what it prints on stderr where it
    cannot read a file and yet ends well.
    """

    name: str
    command: Command
    needs: str = sys.executable
    part: bool = False
    clusters: bool = False
    refuses: bytes | None = None


def ours(*before: str, after: tuple[str, ...] = ()) -> Command:
    """The whole command, as a user runs it; without a snapshot for `connections`."""

    def command(capture: Capture) -> list[str]:
        inputs = capture.inputs[:1] if before[0] == "connections" else capture.inputs
        return [sys.executable, "-m", "otterize_pcap", *before, *inputs, *after]

    return command


def table_only(threads: int, *, fast: bool) -> Command:
    """Capture to connection table, without what comes after it."""
    start = [sys.executable, str(HERE / "table.py"), str(threads), str(int(fast))]
    return lambda capture: [*start, *map(str, capture.files)]


def one_by_one(command: str) -> Command:
    """A shell command for each file `$f`."""
    loop = f"for f; do {command} || exit 1; done"
    return lambda capture: ["sh", "-c", loop, "sh", *map(str, capture.files)]


def limit(mode: str) -> Command:
    """The loop in C, compiled when it is first needed."""
    return lambda capture: [str(_compiled()), mode, *map(str, capture.files)]


def _compiled() -> Path:
    source, program = HERE / "limit.c", DATA / "limit"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def _folder() -> str:
    folder = Path(tempfile.gettempdir()) / "otterize-nfpcapd"
    folder.mkdir(exist_ok=True)
    return str(folder)


CONTESTANTS = (
    Contestant("otterize intents list, 2 threads", ours("intents", "list", after=("--threads=2",))),
    Contestant("otterize intents list, 1 thread", ours("intents", "list", after=("--threads=1",))),
    Contestant(
        "otterize connections --format csv",
        ours("connections", after=("--format=csv", "--threads=2")),
        clusters=True,
    ),
    Contestant(
        "otterize explain, one edge",
        ours("explain", "app-00.team-0", "app-01.team-1", after=("--threads=2",)),
        clusters=True,
    ),
    Contestant("connection table alone, 2 threads", table_only(2, fast=True)),
    Contestant("connection table alone, 1 thread", table_only(1, fast=True)),
    Contestant("limit: C, records only", limit("walk"), "cc"),
    Contestant("limit: C, counted by 5-tuple", limit("count"), "cc"),
    Contestant(COPY, one_by_one('tcpdump -Z root -r "$f" -w -'), "tcpdump"),
    Contestant(
        "tcpdump -nn -q -t -r F", one_by_one('tcpdump -Z root -nn -q -t -r "$f"'), "tcpdump"
    ),
    Contestant(
        "argus -r F -w -", one_by_one('argus -r "$f" -w -'), "argus", refuses=b"unsupported device"
    ),
    Contestant("nfpcapd -r F", one_by_one(f'nfpcapd -r "$f" -w {_folder()}'), "nfpcapd"),
    Contestant(
        "tshark -q -z conv,tcp", one_by_one('tshark -n -q -z conv,tcp -r "$f"'), "tshark", part=True
    ),
    Contestant(
        "dpkt's documented loop",
        lambda capture: [sys.executable, str(HERE / "dpkt_loop.py"), *map(str, capture.files)],
        part=True,
    ),
    Contestant("connection table, fast path off", table_only(1, fast=False), part=True),
)


def is_installed(contestant: Contestant) -> bool:
    """Whether its program is there."""
    return shutil.which(contestant.needs) is not None
