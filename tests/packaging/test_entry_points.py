"""The names that the command is installed under, and the version that every form of it states."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from otterize_pcap.version import __version__
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("otterize", "otterize [", id="command"),
        pytest.param("kubectl-otterize", "kubectl otterize [", id="plugin"),
    ],
)
def test_usage_names_the_command_as_it_was_called(name: str, shown: str, installed: Path) -> None:
    """As a plugin of kubectl, the command calls itself `kubectl otterize`."""
    done = subprocess.run(
        [installed / name, "--help"], capture_output=True, text=True, check=True, env={}
    )
    # The word before it is Click's own.
    assert done.stdout.partition(": ")[2].startswith(shown)


def test_entry_points() -> None:
    """An installation puts both names on PATH."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {
        "otterize": "otterize_pcap.cli:main",
        "kubectl-otterize": "otterize_pcap.cli:main",
    }


def test_version_has_one_place(installed: Path) -> None:
    """What is printed and what is packed comes from version.py; nothing else states a version."""
    done = subprocess.run(
        [installed / "otterize", "--version"], capture_output=True, text=True, check=True, env={}
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert done.stdout == f"otterize {__version__}\n"
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "otterize_pcap.version.__version__"
    }


def test_changelog_keeps_the_form() -> None:
    """CHANGELOG.md starts with Unreleased and has only the sections of Keep a Changelog."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))

    assert versions[0] == "[Unreleased]"
    for released in versions[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", released)
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
