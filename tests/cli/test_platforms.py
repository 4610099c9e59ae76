"""The same bytes on every system and in every locale, also where Linux's own calls are missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otterize_pcap.files.opening import path_text
from tests.conftest import FIXTURES

# What macOS or Windows lack; a run that needs one of them would stop with an AttributeError.
WITHOUT = """
import mmap, os, signal, sys
for module, names in (
    (os, ("sched_getaffinity", "preadv", "pread")),
    (mmap, ("MADV_DONTNEED",)),
    (signal, ("SIGHUP",)),
):
    for name in names:
        delattr(module, name)
from otterize_pcap.cli import main
sys.argv[0] = "otterize"
main()
"""
CAPTURE = FIXTURES / "two-nodes"


def run(arguments: list[str | bytes | Path], code: str = "", **environment: str) -> bytes:
    """What a command prints; it must succeed."""
    command = [sys.executable, "-c", code or "from otterize_pcap.cli import main; main()"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["intents", "list", CAPTURE, "--format", "graph"], id="list"),
        pytest.param(["intents", "export", CAPTURE, "--threads", "2"], id="threads"),
        pytest.param(["connections", *sorted((CAPTURE / "pcap").iterdir())], id="connections"),
        pytest.param(["snapshot", "inspect", CAPTURE / "snapshot.json"], id="snapshot"),
        pytest.param(["explain", "gateway", "orders", CAPTURE], id="explain"),
    ],
)
def test_nothing_needs_linux_to_read(arguments: list[str | bytes | Path]) -> None:
    """Wheels are built for macOS and Windows; what those lack is done without."""
    assert run(arguments, WITHOUT) == run(arguments)


def test_parts_of_a_recording_are_ordered_without_pread(tmp_path: Path) -> None:
    """Rotated files come by time also where a file cannot be read at an offset."""
    whole = (CAPTURE / "pcap" / "node-a.pcap").read_bytes()
    (tmp_path / "pcap").mkdir()
    shutil.copy(CAPTURE / "snapshot.json", tmp_path)
    # The second file by name is the first by time: nothing but a later packet is in the other.
    (tmp_path / "pcap" / "node-a.2.pcap").write_bytes(whole)
    later = bytearray(whole[: 24 + 16 + int.from_bytes(whole[32:36], "little")])
    later[24:28] = (int.from_bytes(later[24:28], "little") + 60).to_bytes(4, "little")
    (tmp_path / "pcap" / "node-a.1.pcap").write_bytes(later)
    arguments: list[str | bytes | Path] = ["intents", "list", tmp_path, "--format", "graph"]
    found = json.loads(run(arguments, WITHOUT))
    assert found == json.loads(run(arguments))
    assert [
        file["file"].endswith("2.pcap, " + file["file"].split(", ")[1])
        for file in found["coverage"]["files"]
    ] == [True]


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="latin-1"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C"),
    ],
)
def test_results_are_utf_8_in_every_locale(environment: dict[str, str]) -> None:
    """Stdout is data: its bytes depend on the input alone."""
    shown = run(["explain", "gateway", "orders", CAPTURE], **environment)
    assert shown == run(["explain", "gateway", "orders", CAPTURE])
    assert "→".encode() in shown


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["intents", "list", "--format", "graph"], id="graph JSON"),
        pytest.param(["intents", "list", "--format", "json"], id="JSON"),
        pytest.param(["graph", "--format", "html"], id="page"),
        pytest.param(["explain", "checkout", "kafka", "--format", "json"], id="explain"),
        pytest.param(["connections", "--format", "json"], id="connections"),
    ],
)
def test_paths_that_are_not_utf_8_are_shown_with_escapes(
    arguments: list[str | bytes | Path], tmp_path: Path
) -> None:
    """A file's name may hold any byte; what is printed of it is text all the same."""
    path = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(FIXTURES / "tutorial-before", path)
    assert run([*arguments, path]).decode("utf-8")
    assert path_text(path).endswith("caf\\xe9")


def test_argument_that_is_not_utf_8_is_an_error() -> None:
    """Where it would have to be printed, it is named instead of a traceback."""
    command = [sys.executable, "-c", "from otterize_pcap.cli import main; main()"]
    done = subprocess.run(
        [*command, "explain", b"\xff", "kafka", FIXTURES / "tutorial-before", "--format", "json"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.splitlines()[-1].endswith(b"is not UTF-8; write it in UTF-8")
