"""The captures that are measured: what each is called, and how it is made.

Plain cases are one file in which few connections have most packets, as one interface sees them
(`generate.py`); cluster cases are capture directories of two nodes (`generate_cluster.py`).
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "data"


@dataclass(frozen=True)
class Capture:
    """One capture on disk; `inputs` are the arguments by which `otterize` reads it."""

    files: tuple[Path, ...]
    inputs: tuple[str, ...]
    packets: int
    connections: int

    @property
    def megabytes(self) -> float:
        """All files' size."""
        return sum(path.stat().st_size for path in self.files) / 1e6


@dataclass(frozen=True)
class PlainCase:
    """One file of a shape that `generate.py` knows."""

    name: str
    shape: str
    connections: int
    packets: int = 10_000_000

    is_cluster = False

    def prepare(self, divisor: int) -> Capture:
        """The capture, so many times smaller; generated unless it is there already."""
        packets, connections = self.packets // divisor, self.connections // divisor
        path = DATA / f"{self.shape}-{packets}-{connections}.pcap"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            _generate(
                "generate.py",
                str(unfinished),
                f"--packets={packets}",
                f"--connections={connections}",
                f"--shape={self.shape}",
            )
            unfinished.rename(path)
        snapshot = str(path.with_suffix(".json"))
        return Capture((path,), (str(path), "--snapshot", snapshot), packets, connections)


@dataclass(frozen=True)
class ClusterCase:
    """A capture directory; `older` is the percentage of connections that began before it."""

    name: str
    connections: int
    older: int
    restarts: bool = False

    is_cluster = True

    def prepare(self, divisor: int) -> Capture:
        """The capture, so many times smaller; generated unless it is there already."""
        connections = self.connections // divisor
        options = [f"--connections={connections}", f"--older={self.older}"]
        options += ["--restarts"] if self.restarts else []
        name = f"cluster-{connections}-{self.older}{'-restarts' if self.restarts else ''}"
        directory = DATA / name
        if not directory.exists():
            unfinished = DATA / f"{name}.part"
            _generate("generate_cluster.py", str(unfinished), *options)
            unfinished.rename(directory)
        manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        packets = sum(node["packets"]["captured"] for node in manifest["nodes"])
        files = sorted((directory / "pcap").iterdir())
        return Capture(tuple(files), (str(directory),), packets, connections)


Case = PlainCase | ClusterCase

CASES: tuple[Case, ...] = (
    PlainCase("headers, 20,000 connections", "snapped", 20_000),
    PlainCase("headers, 1,000,000 connections", "snapped", 1_000_000),
    PlainCase("whole frames, 20,000 connections", "full", 20_000),
    PlainCase("VXLAN headers, 20,000 connections", "vxlan", 20_000),
    PlainCase("SLL2 headers, 20,000 connections", "sll2", 20_000),
    PlainCase("no answers, 20,000 connections", "one-way", 20_000, 5_000_000),
    PlainCase("no SYN-ACKs, 20,000 connections", "no-syn-ack", 20_000, 5_000_000),
    PlainCase("a scan beside 20,000 connections", "scan", 20_000, 5_000_000),
    ClusterCase("cluster, 120,000 connections, none older", 120_000, 0),
    ClusterCase("cluster, 120,000 connections, 30 % older", 120_000, 30),
    ClusterCase("cluster, 120,000 connections, 90 % older", 120_000, 90),
    ClusterCase("cluster, 120,000 connections, 30 % older, restarts", 120_000, 30, restarts=True),
    ClusterCase("cluster, 600,000 connections, 30 % older", 600_000, 30),
    ClusterCase(
        "cluster, 1,000,000 connections, 30 % older, restarts", 1_000_000, 30, restarts=True
    ),
)


def _generate(script: str, *arguments: str) -> None:
    """In a process of its own: a child's peak memory counts its parent's at the fork."""
    DATA.mkdir(exist_ok=True)
    subprocess.run([sys.executable, str(HERE / script), *arguments], check=True)
