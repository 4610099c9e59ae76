"""The reference page and the man page, which are written from the commands."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otterize_pcap.version import __version__
from tests.conftest import ROOT

GENERATOR = ROOT / "scripts" / "site" / "reference.py"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both pages, fresh from the commands."""
    directory = tmp_path_factory.mktemp("pages")
    subprocess.run(
        [sys.executable, GENERATOR, directory / "reference.md", directory / "otterize.1"],
        check=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    return directory


def test_reference_is_what_help_prints(written: Path) -> None:
    """docs/reference.md is what --help prints now; `make reference` writes it."""
    committed = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert (written / "reference.md").read_text(encoding="utf-8") == committed


def test_man_page_names_every_command(written: Path) -> None:
    """Each command of the reference has its section in the man page, and the version is there."""
    page = (written / "otterize.1").read_text(encoding="utf-8")
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    commands = [line[3:] for line in reference.splitlines() if line.startswith("## ")][1:]

    assert commands
    assert [line[4:] for line in page.splitlines() if line.startswith(".SS ")] == commands
    assert f'"otterize {__version__}"' in page


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_page_is_well_formed(written: Path) -> None:
    """`man` shows the page without a warning."""
    done = subprocess.run(
        ["man", "--warnings", "--local-file", str(written / "otterize.1")],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    assert "otterize intents list" in done.stdout
