"""The command under its own name, as an installation puts it on PATH."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STARTER = """\
#!{python}
import sys

sys.path.insert(0, {root!r})
from otterize_pcap.cli import main

main()
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory for PATH that has otterize and kubectl-otterize."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("otterize", "kubectl-otterize"):
        program = directory / name
        program.write_text(STARTER.format(python=sys.executable, root=str(ROOT)))
        program.chmod(0o755)
    return directory
