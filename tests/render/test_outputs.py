"""`list`, `export` and `diff` on recorded captures, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Otterize

TUTORIAL = FIXTURES / "tutorial"
RECORDED = ("tutorial-before", "tutorial-after", "two-nodes", "two-namespaces")

Golden = Callable[[str, str], None]


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [("tutorial-before", "list.txt"), ("tutorial-after", "list-after.txt")],
)
def test_list_prints_the_tutorial(scenario: str, expected: str, otterize: Otterize) -> None:
    """The tutorial's own output comes out of captures of its clusters."""
    result = otterize("intents", "list", FIXTURES / scenario)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (TUTORIAL / expected).read_text()


@pytest.mark.parametrize("form", ["yaml", "intents"])
def test_export_prints_the_tutorial_yaml(form: str, otterize: Otterize) -> None:
    """YAML is the tutorial's, byte for byte; `intents` is its word for it."""
    result = otterize("intents", "export", FIXTURES / "tutorial-before", "--format", form)
    assert result.stdout == (TUTORIAL / "export.yaml").read_text()


def test_export_prints_the_tutorial_json(otterize: Otterize) -> None:
    """JSON is the tutorial's, by value."""
    result = otterize("intents", "export", FIXTURES / "tutorial-before", "--format", "json")
    assert json.loads(result.stdout) == json.loads((TUTORIAL / "export.json").read_text())


@pytest.mark.parametrize("scenario", RECORDED)
def test_list_of_recorded_captures(scenario: str, otterize: Otterize, golden: Golden) -> None:
    """`list` and its summary on real captures."""
    result = otterize("intents", "list", FIXTURES / scenario)
    golden(f"{scenario}/list.txt", result.stdout)
    golden(f"{scenario}/summary.txt", result.stderr)


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("scenario", RECORDED)
def test_export_of_recorded_captures(
    scenario: str, form: str, otterize: Otterize, golden: Golden
) -> None:
    """`export` on real captures; two workloads of one name in two namespaces stay two."""
    result = otterize("intents", "export", FIXTURES / scenario, "--format", form, "-q")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    golden(f"{scenario}/export.{form}", result.stdout)


def test_diff_of_captures(otterize: Otterize, golden: Golden) -> None:
    """The tutorial's second deployment shows as added, and in reverse as removed."""
    before, after = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"
    added = otterize("diff", before, after, "-q")
    removed = otterize("diff", after, before, "-q")
    assert (added.returncode, removed.returncode) == (1, 1)
    golden("diff/added.txt", added.stdout)
    golden("diff/removed.txt", removed.stdout)


def test_diff_of_namespaces_names_both(otterize: Otterize, golden: Golden) -> None:
    """Clients of one name in two namespaces are told apart in a diff."""
    result = otterize("diff", FIXTURES / "tutorial-before", FIXTURES / "two-namespaces", "-q")
    golden("diff/namespaces.txt", result.stdout)


def test_diff_exit_codes(otterize: Otterize) -> None:
    """0 where nothing differs, 1 where something does, 0 again for those who only look."""
    before, after = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"
    assert otterize("diff", before, before).returncode == 0
    assert otterize("diff", before, after).returncode == 1
    assert otterize("diff", before, after, "--exit-zero").returncode == 0


def test_diff_has_color_only_where_asked(otterize: Otterize) -> None:
    """A pipe gets plain text; FORCE_COLOR colours it, and NO_COLOR wins over that."""
    arguments = ("diff", FIXTURES / "tutorial-before", FIXTURES / "tutorial-after", "-q")
    assert "\x1b" not in otterize(*arguments).stdout
    assert "\x1b[32m+ client calls:\x1b[0m\n" in otterize(*arguments, FORCE_COLOR="1").stdout
    assert "\x1b" not in otterize(*arguments, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_capture_from_stdin_equals_the_file(otterize: Otterize) -> None:
    """`-` reads a capture from a pipe."""
    capture = FIXTURES / "two-nodes" / "pcap" / "node-a.pcap"
    snapshot = ("--snapshot", FIXTURES / "two-nodes" / "snapshot.json")
    piped = otterize("intents", "list", "-", *snapshot, stdin=capture.read_bytes())
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout == otterize("intents", "list", capture, *snapshot).stdout
    assert piped.stdout.startswith("agent calls:\n")


def test_export_writes_a_file_whole(otterize: Otterize, tmp_path: Path) -> None:
    """`-o` leaves the finished file, nothing beside it, and nothing on stdout."""
    result = otterize("intents", "export", FIXTURES / "tutorial-before", "-o", "out.yaml")
    assert result.stdout == ""
    assert result.stderr.startswith("Successfully wrote intents into out.yaml\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out.yaml"]
    assert (tmp_path / "out.yaml").read_text() == (TUTORIAL / "export.yaml").read_text()
