"""The table and the list in docs/accuracy.md are what the script makes of the recordings."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table() -> str:
    """What the script prints."""
    done = subprocess.run(
        [sys.executable, "scripts/accuracy.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_document_is_up_to_date(table: str) -> None:
    """`scripts/accuracy.py --update` would change nothing."""
    assert table in DOCUMENT


def test_nothing_is_missing_and_nothing_false(table: str) -> None:
    """S10 to S51: over all scenarios every call is found and no other."""
    [last] = [line for line in table.splitlines() if line.startswith("| all |")]
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert cells[2] == f"{cells[1]} + 0"
    assert cells[6] == f"{cells[5]} + 0"
