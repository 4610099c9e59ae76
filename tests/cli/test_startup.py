"""What each command imports: start-up is part of speed."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from otterize_pcap.cli.app import COMMANDS
from otterize_pcap.table.chunk import FAST_PATH
from tests.conftest import FIXTURES, ROOT

CAPTURE = str(FIXTURES / "tutorial-before")
# Each of these takes from 20 ms to half a second to import.
HEAVY = {"kubernetes", "yaml", "rich", "zstandard", "lz4", "jsonschema", "asyncio", "ssl"}
# From 3 to 40 ms each, and none has a part in listing a small capture.
NOT_FOR_A_LIST = HEAVY | {
    "dpkt",
    "concurrent",
    "logging",
    "statistics",
    "otterize_pcap.compare",
    "otterize_pcap.explain",
    "otterize_pcap.intents.documents",
    "otterize_pcap.intents.read_intents",
    "otterize_pcap.render.client_intents",
    "otterize_pcap.render.html",
    "otterize_pcap.render.sarif",
    "tarfile",
    "tempfile",
}
# Only what a manifest promises needs it.
NOT_FOR_A_FILE = NOT_FOR_A_LIST | {"hashlib"}
PROBE = """
import os, sys
before = set(sys.modules)
from otterize_pcap.cli import main
def end(code):
    assert code == 0, code
    print(*sorted(set(sys.modules) - before), file=sys.stderr)
    raise SystemExit
os._exit = end
main()
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a run of the command loads, and the packages that they are in."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    modules = done.stderr.splitlines()[-1].split()
    return {
        ".".join(words[:end])
        for words in (name.split(".") for name in modules)
        for end in range(1, len(words) + 1)
    }


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["intents", "list", CAPTURE], id="intents list"),
        pytest.param(["intents", "export", CAPTURE, "--format", "json"], id="intents export"),
        pytest.param(["connections", CAPTURE], id="connections"),
    ],
)
def test_reading_imports_no_more_than_it_needs(arguments: list[str]) -> None:
    """Reading captures costs no import of the cluster's, YAML's or the terminal's libraries."""
    assert imported(*arguments) & HEAVY == set()


needs_compiled = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")


@needs_compiled
def test_small_list_imports_what_lists() -> None:
    """Neither the reference decoder, nor threads, nor other commands take a part of it."""
    assert imported("intents", "list", CAPTURE) & NOT_FOR_A_LIST == set()


@needs_compiled
def test_single_file_imports_no_more() -> None:
    """A file without a manifest has nothing to be held against."""
    files = [f"{CAPTURE}/pcap/node-a.pcap", "--snapshot", f"{CAPTURE}/snapshot.json"]
    assert imported("intents", "list", *files) & NOT_FOR_A_FILE == set()


def test_modules_that_a_list_must_not_import_exist() -> None:
    """One that was renamed would be missed by nobody."""
    ours = {name for name in NOT_FOR_A_LIST if name.startswith("otterize_pcap")}
    assert {name for name in ours if find_spec(name) is None} == set()


@needs_compiled
def test_reference_is_there_for_frames_that_are_declined() -> None:
    """ICMP errors of this capture are parsed by dpkt."""
    capture = str(FIXTURES / "outcomes")
    assert "dpkt" in imported("connections", capture)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_there_alone(command: str) -> None:
    """A run loads the module of its command, and of no other one."""
    others = {f"otterize_pcap.cli.{other}" for other in COMMANDS if other != command}
    found = imported(command, "--help")
    assert f"otterize_pcap.cli.{command}" in found
    assert found & others == set()


def test_version_imports_nearly_nothing() -> None:
    """Two modules of ours, and of Python what any import brings along."""
    found = imported("--version")
    ours = {name for name in found if name.startswith("otterize_pcap")}
    assert ours == {"otterize_pcap", "otterize_pcap.cli", "otterize_pcap.version"}
    assert {name.partition(".")[0] for name in found - ours} <= {"gc", "importlib", "warnings"}
