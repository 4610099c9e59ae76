"""What others publish is taken by its content, never by a name that can be moved."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from otterize_pcap.cluster.capture.job import default_image
from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
EXAMPLE = ROOT / "docs" / "ci" / "github-actions.yaml"
USES = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<pin>\S+)(?P<comment>.*)")
DIGEST = re.compile(r".+:[\w.-]+@sha256:[0-9a-f]{64}\Z")
#: What more than reading the repository a job may do, and for what.
WRITES = {
    ("release.yaml", "publish"): {
        "contents": "write",  # the release itself
        "id-token": "write",  # signatures and PyPI, without a stored secret
        "attestations": "write",
    }
}


@pytest.mark.parametrize("path", [*WORKFLOWS, EXAMPLE], ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """Each action is named by a commit's hash, with its version for people."""
    found = [match for line in path.read_text().splitlines() if (match := USES.search(line))]

    assert found
    for action in found:
        assert re.fullmatch(r"[0-9a-f]{40}", action["pin"]), action[0]
        assert re.fullmatch(r" # v[0-9]+\.[0-9]+\.[0-9]+", action["comment"]), action[0]


def test_an_action_has_one_pin() -> None:
    """The same action is of the same commit everywhere."""
    pins: dict[str, set[str]] = {}
    for path in (*WORKFLOWS, EXAMPLE):
        for action in USES.finditer(path.read_text()):
            pins.setdefault(action["action"], set()).add(action["pin"] + action["comment"])

    assert {action for action, found in pins.items() if len(found) > 1} == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_permissions_are_the_least(path: Path) -> None:
    """A workflow may read the repository, and a job more only where it must."""
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())

    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions", {}) == WRITES.get((path.name, name), {})
    # A pull request's code must find no token on the disk.
    checkouts = [
        step
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "pull_request_target" not in path.read_text()


def test_images_are_pinned_by_digest() -> None:
    """The image that captures run, and the base of our own, are named by their content."""
    dockerfile = (ROOT / "scripts" / "capture-image" / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", dockerfile, re.MULTILINE)
    assert len(stages) == len(re.findall(r"^FROM", dockerfile, re.MULTILINE))
    bases = {base for base, _ in stages} - {name for _, name in stages}

    assert len(bases) == 1
    for image in (default_image(), *bases):
        assert DIGEST.match(image), image


@pytest.mark.parametrize(
    "name", ["test", "binary", "release", "docs", "build"], ids=lambda name: name
)
def test_python_packages_are_pinned_by_hash(name: str) -> None:
    """Every package that tests, releases and docs are made with has a version and a hash."""
    folder = ROOT / "scripts" / "packaging"
    file = next(folder.glob(f"{name}-*.txt"))
    lines = [line for line in file.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]

    assert lines
    assert all(re.match(r"[\w.\[\]-]+==\S+( ;.*)? \\\Z", line) for line in lines), file


def test_security_policy_is_there() -> None:
    """SECURITY.md says how to report and who is trusted with what."""
    text = (ROOT / "SECURITY.md").read_text()

    assert "## Reporting" in text
    assert "| a node, or its kubelet |" in text
