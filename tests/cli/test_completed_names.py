"""What a shell completes, asked as bash asks it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, ROOT


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with two captures; the newest is the tutorial's second."""
    captures = tmp_path / "otterize-captures"
    captures.mkdir()
    (captures / "2026-11-22T00-00-00Z").symlink_to(FIXTURES / "two-nodes")
    (captures / "2026-11-23T00-00-00Z").symlink_to(FIXTURES / "tutorial-after")
    return tmp_path


def completed(line: str, directory: Path) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-m", "otterize_pcap"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "_OTTERIZE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


CHECKS = [
    ("otterize intents list -n ", ["shop", "tutorial"]),
    ("otterize intents list -n shop,t", ["shop,tutorial"]),
    ("otterize intents list -n shop,", ["shop,tutorial"]),
    ("otterize check --exclude-namespaces s", ["shop"]),
    ("otterize intents list --server k", ["kafka.shop"]),
    ("otterize explain c", ["checkout", "checkout.shop", "client", "client.tutorial"]),
    ("otterize explain checkout ka", ["kafka", "kafka.shop"]),
    (f"otterize intents list {FIXTURES}/two-namespaces -n p", ["prod"]),
    (f"otterize connections --snapshot {FIXTURES}/two-namespaces/snapshot.json -n p", ["prod"]),
    ("otterize intents export --api-version v2", ["v2alpha1", "v2beta1"]),
    ("otterize capture --profile ", ["calls", "full", "headers"]),
    ("otterize graph --format s", ["svg"]),
]


@pytest.mark.parametrize(("line", "offered"), CHECKS, ids=[line for line, _ in CHECKS])
def test_values_complete(line: str, offered: list[str], here: Path) -> None:
    """Names are those of the capture that the command would read, given or newest."""
    found = completed(line, here)
    assert [name for name in found if name in offered] == offered
    assert set(found) == set(offered)


def test_nothing_is_known_without_a_capture(tmp_path: Path) -> None:
    """Nor is it an error, or a message in the middle of a line."""
    assert completed("otterize intents list -n ", tmp_path) == []
    (tmp_path / "broken.json").write_text("{")
    line = "otterize intents list --snapshot broken.json -n "
    assert completed(line, tmp_path) == []
