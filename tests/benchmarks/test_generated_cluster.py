"""The benchmarks' clusters are mapped as they were made: every call, with its connections."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONNECTIONS = 200
Calls = list[tuple[str, str, str, int, int]]


def generate(directory: Path, *options: str) -> None:
    """Write a small capture of a cluster."""
    script = ROOT / "benchmarks" / "generate_cluster.py"
    command = [sys.executable, str(script), str(directory), f"--connections={CONNECTIONS}"]
    subprocess.run([*command, *options], check=True, capture_output=True)


def written(directory: Path) -> Calls:
    """The calls that the generator made: client, server, protocol, port, connections."""
    truth = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
    return sorted(tuple(call.values()) for call in truth)


def mapped(directory: Path) -> Calls:
    """The calls that the command finds."""
    command = [sys.executable, "-m", "otterize_pcap", "intents", "list", str(directory)]
    options = ["--include-cluster-dns", "--format=graph", "--quiet"]
    done = subprocess.run(
        [*command, *options], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return sorted(
        (
            f"{call['client']['name']}.{call['client']['namespace']}",
            f"{call['server']['name']}.{call['server']['namespace']}",
            use["protocol"],
            use["port"],
            use["connections"],
        )
        for call in json.loads(done.stdout)["calls"]
        for use in call["uses"]
    )


@pytest.mark.parametrize(
    "options",
    [("--older=0",), ("--older=30",), ("--older=90",), ("--older=30", "--restarts")],
    ids=" ".join,
)
def test_every_call_is_found_with_its_connections(tmp_path: Path, options: Sequence[str]) -> None:
    """S12, S20, S21, S30, S32: eight recordings of each packet are one connection of its pods."""
    generate(tmp_path, *options)
    truth = written(tmp_path)
    assert sum(call[-1] for call in truth) == CONNECTIONS
    assert mapped(tmp_path) == truth


def test_restarted_pods_are_called_before_and_after(tmp_path: Path) -> None:
    """S12: the capture has connections of pods that are gone, and of those that came for them."""
    generate(tmp_path, "--restarts")
    snapshot = json.loads((tmp_path / "snapshot.json").read_text(encoding="utf-8"))
    held = [held for held in snapshot["otterize"]["observed"] if held["kind"] == "Pod"]
    gone = {pod["ip"] for pod in held if pod["end"] is not None}
    came = {pod["ip"] for pod in held if pod["start"] > snapshot["otterize"]["watchStart"]}
    assert len(gone) == len(came) == 20
    used = connection_addresses(tmp_path)
    assert gone & used
    assert came & used


def connection_addresses(directory: Path) -> set[str]:
    """Every address that the packets have."""
    command = [sys.executable, "-m", "otterize_pcap", "connections", str(directory)]
    done = subprocess.run(
        [*command, "--format=json", "--quiet"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return {
        connection[side]["ip"]
        for connection in json.loads(done.stdout)
        for side in ("client", "server")
    }


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path) -> None:
    """Figures of two runs are of one capture."""
    for name in ("first", "second"):
        generate(tmp_path / name, "--older=30", "--restarts")
    files = sorted(path for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert len(files) == 7
    for path in files:
        other = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert path.read_bytes() == other.read_bytes()


def test_headers_are_never_cut(tmp_path: Path) -> None:
    """A snaplen that leaves no whole header in VXLAN is refused; its error names one that does."""
    script = ROOT / "benchmarks" / "generate_cluster.py"
    command = [sys.executable, str(script), str(tmp_path), "--connections=100", "--snaplen=96"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--snaplen 96 cuts headers; 130 is the least" in done.stderr
