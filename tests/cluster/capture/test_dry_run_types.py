"""`capture --dry-run | kubectl create -f -`: every name is text, whatever it looks like."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, StartApi, node
from tests.cluster.fake_kubelet import ScriptedRuntime
from tests.render.test_yaml_grammars import numbers, taken_for_others

ODD_NAMES = (
    "1e3",
    "0x1f",
    "0b1",
    "0o17",
    "017",
    "12",
    "no",
    "y",
    "on",
    "null",
    "true",
    "1.5",
    "nan",
)
"""What RFC 1123 allows as a node's name, and some grammar takes for something else."""
ODD_IDS = ("489545e1", "12345678", "00000017", "1e100000", "00000000", "0b111111", "0e123456")
ODD_WORDS = ("1_000", "12:30", ".5", "~", "0x1p4", "2026-11-23", "<<")
"""Images that are none, one for each id."""


@pytest.fixture
def api(start_api: StartApi, scripted: ScriptedRuntime) -> FakeApi:
    """A cluster whose nodes are named like numbers, booleans and nothing."""
    api = start_api(scripted)
    for name in ODD_NAMES:
        api.add("nodes", node(name))
        api.add("namespaces", {"metadata": {"name": name}})
    return api


@pytest.mark.parametrize("identifier", ODD_IDS)
def test_names_of_a_dry_run_are_text(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identifier: str
) -> None:
    """Under YAML 1.1, 1.2 and Kubernetes' own reading: the id, nodes, namespaces and a filter."""
    made = os.urandom
    monkeypatch.setattr(
        os, "urandom", lambda size: bytes.fromhex(identifier) if size == 4 else made(size)
    )
    place = ODD_IDS.index(identifier)
    word = ODD_WORDS[place]
    result = run(
        api,
        *("capture", "--dry-run", "--job-namespace", ODD_NAMES[place], "--image", word),
        *("-o", str(tmp_path / "o")),
    )
    assert result.exit_code == 0, result.output
    jobs = list(yaml.safe_load_all(result.stdout))
    assert len(jobs) == len(ODD_NAMES) + 2
    assert taken_for_others(result.stdout) <= {*map(str, numbers(jobs)), "true", "false"}
    assert identifier in {value for job in jobs for value in job["metadata"]["labels"].values()}
    assert {_image(job) for job in jobs} == {word}


def _image(job: Any) -> object:  # noqa: ANN401 - any YAML
    return job["spec"]["template"]["spec"]["containers"][0]["image"]
