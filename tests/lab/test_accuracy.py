"""The table and the list in docs/accuracy.md are what the script makes of the recordings."""

import re
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
    """S10 to S51: every scenario has every call that can be known, and no other."""
    wrong = set()
    for line in table.splitlines():
        name = re.match(r"\| \[([\w-]+)\]", line)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if name and (cells[2] != f"{cells[1]} + 0" or cells[7] != f"{cells[6]} + 0"):
            wrong.add(name[1])
    assert not wrong
    assert "| all |" in table
