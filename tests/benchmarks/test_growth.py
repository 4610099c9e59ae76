"""The benchmark of growth: its lines are right, and its inputs are what it says they are."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, `cc`")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - benchmarks are no package
    """The module `straight_line`."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("straight_line")


def test_points_of_a_line_lie_on_it(line: Any) -> None:  # noqa: ANN401
    """What grows straight has residuals of nothing, however far apart its sizes are."""
    points = [(size, 0.25 + 3 * size) for size in (1.0, 10.0, 1000.0, 1e6)]
    found = line.fit(points)
    assert found.begin == pytest.approx(0.25)
    assert found.slope == pytest.approx(3)
    assert line.residuals(found, points) == pytest.approx([0, 0, 0, 0])


def test_a_square_does_not_look_like_a_line(line: Any) -> None:  # noqa: ANN401
    """A hundredth of a quadratic share is seen at the largest size."""
    points = [(size, 1 + size + 0.01 * size**2) for size in (1.0, 10.0, 100.0, 1000.0)]
    off = line.residuals(line.fit(points), points)
    assert max(off) > 0.5
    assert min(off) < -0.2


def test_one_size_makes_no_line(line: Any) -> None:  # noqa: ANN401
    """A slope of one point would be made up."""
    with pytest.raises(ValueError, match=r"\(3\.0, 1\.0\)"):
        line.fit([(3.0, 1.0), (3.0, 2.0)])


def made(directory: Path, kind: str, size: int) -> tuple[list[str], list[str]]:
    """What the generator says of one input."""
    script = [sys.executable, str(BENCHMARKS / "growth_inputs.py"), str(directory)]
    done = subprocess.run([*script, kind, str(size)], check=True, stdout=subprocess.PIPE)
    said = json.loads(done.stdout)
    return said["words"], said["writer"]


def seen(words: list[str], source: list[str] | None = None) -> tuple[int, int]:
    """How many calls the command finds of an input, and of how many connections."""
    command = [sys.executable, "-m", "otterize_pcap", "intents", "list", *words]
    given = subprocess.run(source, check=True, stdout=subprocess.PIPE).stdout if source else b""
    done = subprocess.run(
        [*command, "--format=graph", "--quiet"],
        check=True,
        input=given,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    calls = json.loads(done.stdout)["calls"]
    return len(calls), sum(use["connections"] for call in calls for use in call["uses"])


def test_calls_between_many_nodes_count_once(tmp_path: Path) -> None:
    """40 calls begin on each node, and each is in the files of both nodes."""
    words, _ = made(tmp_path, "nodes", 9)
    assert seen(words)[1] == 9 * 40


def test_a_ring_of_many_files_is_one_recording(tmp_path: Path) -> None:
    """25 connections begin in each file."""
    words, _ = made(tmp_path, "files", 30)
    assert seen(words)[1] == 30 * 25


def test_services_without_slices_lead_to_their_pods(tmp_path: Path) -> None:
    """Each of the Services was called once, through its ClusterIP."""
    words, _ = made(tmp_path, "services", 90)
    assert seen(words) == (30, 30)


@needs_cc
def test_connections_in_c_are_as_many_as_asked_for(tmp_path: Path) -> None:
    """The generator's capture has so many connections, and a stream as many megabytes."""
    words, _ = made(tmp_path, "connections", 2_500)
    assert seen(words)[1] == 2_500
    words, writer = made(tmp_path, "stream", 2)
    assert seen(words, writer)[1] == int(writer[1])
    written = subprocess.run(writer, check=True, stdout=subprocess.PIPE).stdout
    assert len(written) == pytest.approx(2e6, rel=0.1)


@needs_cc
def test_captures_of_one_list_are_of_different_hours(tmp_path: Path) -> None:
    """Each is a directory of its own, and all add up."""
    words, _ = made(tmp_path, "captures", 2)
    assert len(words) == 2
    assert seen(words)[1] == 2 * seen(words[:1])[1]
