"""The CI examples: the scripts they contain, run as the CI system runs them."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.conftest import FIXTURES, ROOT

EXAMPLES = ROOT / "docs" / "ci"
PROBES = FIXTURES / "cases" / "max-unresolved-kubelet-probes"
INSTALL = "python -m pip install ./otterize-pcap"

Result = subprocess.CompletedProcess[str]


def github_scripts() -> list[str]:
    """The `run` of every step but the one that installs."""
    workflow = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert scripts[0] == INSTALL
    return scripts[1:]


def gitlab_scripts() -> list[str]:
    """GitLab runs the lines of `script` in one shell, after `before_script`."""
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yaml").read_text(encoding="utf-8"))["calls"]
    assert job["before_script"] == [INSTALL]
    return ["\n".join(job["script"])]


SCRIPTS = {"github": github_scripts, "gitlab": gitlab_scripts}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository that declares the calls of the tutorial's first cluster, beside what it runs."""
    (tmp_path / "k8s" / "intents").mkdir(parents=True)
    declared = (FIXTURES / "tutorial" / "export.yaml").read_text(encoding="utf-8")
    (tmp_path / "k8s" / "intents" / "shop.yaml").write_text(declared, encoding="utf-8")
    (tmp_path / "k8s" / "intents" / "kustomization.yaml").write_text("resources: [shop.yaml]\n")
    (tmp_path / "k8s" / "intents" / "deployment.yaml").write_text("kind: Deployment\n")
    (tmp_path / "k8s" / "ignored-calls").write_text("# none yet\n", encoding="utf-8")
    return tmp_path


def run_scripts(system: str, project: Path, capture: str) -> Result:
    """Run an example's scripts one after the other until one fails; the last one's result."""
    (project / "capture").symlink_to(FIXTURES / capture)
    tools = project / "tools"
    tools.mkdir()
    otterize = tools / "otterize"
    otterize.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m otterize_pcap "$@"\n')
    otterize.chmod(0o755)
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(project / "summary.md"),
    }
    for script in SCRIPTS[system]():
        # The options of GitHub's default shell; GitLab's stops at the first failure too.
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            break
    return result


@pytest.mark.parametrize("system", SCRIPTS)
def test_declared_calls_pass(system: str, project: Path) -> None:
    """Nothing undeclared: the job succeeds and keeps the graph."""
    result = run_scripts(system, project, "tutorial-before")
    assert result.returncode == 0, result.stderr
    graph: dict[str, Any] = json.loads((project / "calls.graph.json").read_text())
    assert [call["client"]["name"] for call in graph["calls"]] == ["checkout", "kafka"]


@pytest.mark.parametrize("system", SCRIPTS)
def test_kubelet_probes_pass(system: str, project: Path) -> None:
    """Of 51 connections 50 are probes of the pod's own node, which no intent could name."""
    declared = (PROBES / "probes.yaml").read_text(encoding="utf-8")
    (project / "k8s" / "intents" / "shop.yaml").write_text(declared, encoding="utf-8")
    result = run_scripts(system, project, "cases/max-unresolved-kubelet-probes/probes-dir")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("system", SCRIPTS)
def test_undeclared_call_fails(system: str, project: Path) -> None:
    """One call too many: the job fails with exit code 1 and names the call."""
    result = run_scripts(system, project, "tutorial-after")
    assert result.returncode == 1, result.stderr
    assert "server" in result.stdout


@pytest.mark.parametrize("system", SCRIPTS)
def test_ignored_call_passes(system: str, project: Path) -> None:
    """The same call with a line in the ignore file: the job succeeds."""
    (project / "k8s" / "ignored-calls").write_text("client.tutorial -> server.tutorial\n")
    result = run_scripts(system, project, "tutorial-after")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("system", SCRIPTS)
def test_capture_that_shows_too_little_fails(system: str, project: Path) -> None:
    """More than 5 % of the connections unresolved: exit code 6, though nothing is undeclared."""
    (project / "k8s" / "ignored-calls").write_text("* -> *\n")
    result = run_scripts(system, project, "hostnetwork")
    assert result.returncode == 6, result.stderr


def test_github_gets_summary_code_scanning_and_annotations(project: Path) -> None:
    """All three say the same before the job fails."""
    result = run_scripts("github", project, "tutorial-after")
    assert result.stdout == (
        "::error file=k8s/intents/shop.yaml,line=1,title=A call was observed that is not declared::"
        "client.tutorial calls server.tutorial without an intent (TCP 8080)\n"
    )
    (run,) = json.loads((project / "calls.sarif").read_text())["runs"]
    assert [found["ruleId"] for found in run["results"]] == ["call-not-declared"]
    assert "`client.tutorial` | `server.tutorial`" in (project / "summary.md").read_text()


def test_gitlab_gets_a_test_report(project: Path) -> None:
    """Each call is a test of the report, the undeclared one failed."""
    run_scripts("gitlab", project, "tutorial-after")
    # Our own output, not foreign XML.
    suite = ET.fromstring((project / "calls.junit.xml").read_text())  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
