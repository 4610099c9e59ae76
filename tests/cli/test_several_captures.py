"""Captures over time: the last days of all, and directories that hold a week of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.timestamps import SECOND_NS
from tests.command_tree import run_here
from tests.conftest import FIXTURES, Otterize

BEFORE, AFTER = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"


def _end(path: Path) -> int:
    """When a capture's last packet was, in ns."""
    (found,) = open_captures([path])
    return max(file.last_ns or 0 for file in found.files)


ERROR = 3
EARLIER, LATER = sorted((FIXTURES / "two-nodes", BEFORE), key=_end)
"""Of other workloads, and minutes apart whenever they were recorded."""


class Command:
    """The command, run in this process: a dozen runs in the time of one."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: object) -> str:
        """Run it; what it prints."""
        self._captured.readouterr()
        self.code = run_here(*map(str, words))
        self.out, self.err = self._captured.readouterr()
        return self.out

    def seen(self, *words: object) -> dict[str, int]:
        """The connections of each call that a list shows."""
        graph = json.loads(self("intents", "list", *words, "-q", "--format=graph"))
        return {
            f"{call['client']['name']} {call['server']['name']}": sum(
                use["connections"] for use in call["uses"]
            )
            for call in graph["calls"]
        }


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command."""
    return Command(capsys)


@pytest.fixture
def weeks(tmp_path: Path, command: Command) -> Path:
    """Two directories of captures: `old`, and `new`, in which `client` calls `server` as well."""
    for week, first in (("old", BEFORE), ("new", AFTER)):
        (tmp_path / week).mkdir()
        shutil.copytree(first, tmp_path / week / "monday")
        command("reduce", BEFORE, "-q", "-o", tmp_path / week / "tuesday.parquet")
    return tmp_path


@pytest.mark.parametrize("order", [(EARLIER, LATER), (LATER, EARLIER)], ids=["in order", "not"])
def test_the_last_minutes_are_those_of_all_captures(
    order: tuple[Path, Path], command: Command
) -> None:
    """S60: what ended minutes before the newest packet is no part of the last minute."""
    apart_s = (_end(LATER) - _end(EARLIER)) // SECOND_NS
    assert apart_s > 60
    assert command.seen(*order, "--last", "60s") == command.seen(LATER)
    assert command.seen(*order, "--last", f"{apart_s + 60}s") == command.seen(*order)
    assert command.seen(EARLIER, "--last", "60s") == command.seen(EARLIER)


def test_what_is_older_is_counted(command: Command) -> None:
    """As all that is outside the time asked for."""
    older = sum(command.seen(EARLIER).values())
    command("intents", "list", EARLIER, LATER, "--last", "60s", "-v")
    (line,) = [each for each in command.err.splitlines() if "outside the time" in each]
    assert int(line.split()[0]) >= older > 0


def test_every_command_counts_back_from_the_newest(command: Command) -> None:
    """`explain`, `netpol export` and `connections` of the same captures."""
    both = (EARLIER, LATER, "--last", "60s")
    old, new = (next(iter(command.seen(path))).split() for path in (EARLIER, LATER))
    assert f"{old[0]} → {old[1]} is no edge" in command("explain", *old, *both)
    assert f"{new[0]} → {new[1]} is an edge" in command("explain", *new, *both)
    shown = command("connections", *both, "-n", "app,shop", "-q")
    assert f"{new[0]}." in shown
    assert f"{old[0]}." not in shown
    policies = command("netpol", "export", *both, "-q", "--accept", "gaps")
    assert command.code == 0
    assert f"name: otterize-{new[1]}\n" in policies
    assert f"name: otterize-{old[1]}\n" not in policies


def test_standard_input_cannot_be_read_twice(otterize: Otterize) -> None:
    """Where the last minute begins is known when all have been read."""
    packets = (LATER / "pcap" / "node-a.pcap").read_bytes()
    words = ("intents", "list", LATER, "-", "--snapshot", LATER / "snapshot.json", "--last", "60s")
    done = otterize(*words, stdin=packets)
    assert done.returncode == 2
    assert "which standard input cannot be" in done.stderr


def test_a_directory_of_captures_stands_for_all_of_them(weeks: Path, command: Command) -> None:
    """Capture directories and reduced captures alike, each with a snapshot of its own."""
    week = weeks / "new"
    assert command.seen(week) == command.seen(*sorted(week.iterdir()))
    assert command.seen(week)["checkout kafka"] == 4
    command("explain", "client", "server", week)
    assert "client → server is an edge" in command.out


def test_graph_json_beside_captures_counts_too(weeks: Path, command: Command) -> None:
    """And directories of graph JSON alone are as many captures as they tell of."""
    alone = weeks / "graphs"
    alone.mkdir()
    for week in ("old", "new"):
        command(
            "intents", "list", weeks / week, "-q", "--format=graph", "-o", alone / f"{week}.json"
        )
    both = command.seen(weeks / "old", weeks / "new")
    assert command.seen(alone) == both
    shutil.copy(alone / "old.json", weeks / "new" / "wednesday.json")
    assert command.seen(weeks / "new") == both
    command("intents", "list", weeks / "new", "--wide", "-q")
    assert "4/4" in command.out


def test_two_weeks_differ_as_their_merged_graphs_do(weeks: Path, command: Command) -> None:
    """`diff week1/ week2/`, of captures and of what was made of them before."""

    def differences(old: object, new: object) -> Any:  # noqa: ANN401 - JSON
        command("diff", old, new, "-q", "--format=json")
        assert command.code == 1
        return json.loads(command.out)

    found = differences(weeks / "old", weeks / "new")
    assert [call["server"]["name"] for call in found["added"]] == ["server"]
    assert found["removed"] == []
    graphs = []
    for week in ("old", "new"):
        graphs.append(weeks / f"{week}.json")
        command(
            *("intents", "list", weeks / week, "-q", "--owner=nearest", "--format=graph"),
            *("-o", graphs[-1]),
        )
    again = differences(*graphs)
    assert again == found


@pytest.mark.parametrize("name", ["connections", "reduce", "anonymise"])
def test_what_takes_one_capture_names_those_of_a_directory(
    weeks: Path, command: Command, tmp_path: Path, name: str
) -> None:
    """Who gives a week of captures where one is meant is told which there are."""
    written = () if name == "connections" else ("-o", tmp_path / "out.parquet")
    assert not command(name, weeks, *written)
    assert command.code == ERROR
    names = ", ".join(sorted(path.name for path in weeks.iterdir()))
    assert (
        f"no capture files in this directory; is it a capture directory?; left out of {weeks}: "
        in command.err
    )
    assert f"{names} (a directory of its own; give it by itself)" in command.err
    assert not (tmp_path / "out.parquet").exists()
