"""What each command imports: start-up is part of speed."""

import subprocess
import sys

import pytest

from tests.conftest import FIXTURES, ROOT

CAPTURE = str(FIXTURES / "tutorial-before")
# Each of these takes from 20 ms to half a second to import.
HEAVY = {"kubernetes", "yaml", "rich", "zstandard", "lz4", "jsonschema", "asyncio", "ssl"}
PROBE = """
import sys
from otterize_pcap.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a run of the command ends with."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    return set(done.stderr.splitlines()[-1].split())


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


def test_version_imports_nearly_nothing() -> None:
    """Neither the command line's library nor the decoder's is needed to say a version."""
    assert imported("--version") & (HEAVY | {"typer", "dpkt", "msgspec"}) == set()
