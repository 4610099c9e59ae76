"""Comparisons that saw too little: they fail, whatever they would have found."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from msgspec.structs import replace

from otterize_pcap.compare.thresholds import ungrounded
from otterize_pcap.graph.damage import DAMAGED
from otterize_pcap.graph.service_graph import LOOKUP, Call, Coverage, ServiceGraph, Workload
from tests.capture_bytes import pcap
from tests.conftest import FIXTURES, Otterize
from tests.strategies import graphs, laws

BEFORE = FIXTURES / "tutorial-before"
DECLARED = FIXTURES / "tutorial" / "export.yaml"
PROBES = FIXTURES / "cases" / "max-unresolved-kubelet-probes"
RESTS_ON_NOTHING = "the comparison rests on no connection"
API, DB = Workload("api", "shop", "Deployment"), Workload("db", "shop", "StatefulSet")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A capture directory of a node on which nothing was sent."""
    directory = tmp_path / "empty"
    (directory / "pcap").mkdir(parents=True)
    (directory / "pcap" / "node-a.pcap").write_bytes(pcap([]))
    shutil.copy(BEFORE / "snapshot.json", directory)
    return directory


def test_check_of_an_empty_capture_fails(empty: Path, otterize: Otterize) -> None:
    """Exit code 6 with the reason, and no word of calls that are all declared."""
    command = ("check", empty, "--allow", DECLARED)
    done = otterize(*command)
    assert (done.returncode, done.stdout) == (6, "No observed call was there to check.\n")
    assert f"otterize: {RESTS_ON_NOTHING}: the capture holds no packets" in done.stderr
    assert otterize(*command, "--allow-empty").returncode == 0
    looked = otterize(*command, "--exit-zero")
    assert looked.returncode == 0
    assert RESTS_ON_NOTHING in looked.stderr


@pytest.mark.parametrize("turned", [False, True])
def test_diff_with_an_empty_capture_fails(turned: bool, empty: Path, otterize: Otterize) -> None:
    """On either side: what nothing shows is neither gone nor new."""
    sides = (empty, BEFORE) if turned else (BEFORE, empty)
    done = otterize("diff", *sides)
    assert done.returncode == 6
    assert RESTS_ON_NOTHING in done.stderr
    assert not [line for line in done.stdout.splitlines() if line.startswith("-")]


@pytest.mark.parametrize(
    "command", [("check", BEFORE, "--allow", DECLARED), ("diff", BEFORE, BEFORE)], ids=str
)
def test_filters_that_leave_nothing_fail(command: tuple[object, ...], otterize: Otterize) -> None:
    """A mistyped namespace is no pass."""
    assert otterize(*command, "-n", "shop").returncode == 0
    done = otterize(*command, "-n", "shpo")
    assert done.returncode == 6
    assert "all calls were filtered out by the options given; --allow-empty" in done.stderr


def test_documents_that_filters_empty_fail(otterize: Otterize) -> None:
    """Documents too; one that declares nothing is a statement beside one that does."""
    assert otterize("diff", DECLARED, DECLARED, "-n", "shpo").returncode == 6


def test_capture_of_which_nothing_resolves_fails(tmp_path: Path, otterize: Otterize) -> None:
    """With a snapshot that knows none of its pods, a capture says nothing of calls."""
    nobody = tmp_path / "nobody.json"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "y", "uid": "1"},
        "status": {"phase": "Pending"},
    }
    nobody.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [pod]}))
    capture = BEFORE / "pcap" / "node-a.pcap"
    done = otterize("check", capture, "--snapshot", nobody, "--force", "--allow", DECLARED)
    assert done.returncode == 6
    assert f"{RESTS_ON_NOTHING}: none of 3 connections is a call to show" in done.stderr


def test_every_format_says_that_too_little_was_seen(empty: Path, otterize: Otterize) -> None:
    """A failed case of JUnit, an unmet condition in JSON, a failed invocation of SARIF, ..."""
    reason = (
        "the comparison rests on no connection: the capture holds no packets; "
        "--allow-empty accepts that"
    )

    def printed(form: str) -> str:
        done = otterize("check", empty, "--allow", DECLARED, "--format", form, "-q")
        assert done.returncode == 6
        return done.stdout

    suite = ET.fromstring(printed("junit"))  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == reason
    checked = json.loads(printed("json"))
    assert (checked["passed"], checked["unmet"]) == (False, [reason])
    [run] = json.loads(printed("sarif"))["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == reason
    assert printed("github") == f"::error title=Too little was seen::{reason}\n"
    assert "**Too little was seen:** the comparison rests on no connection" in printed("markdown")


def test_unmet_threshold_is_a_failed_case(otterize: Otterize) -> None:
    """JUnit shows every reason for exit code 6, beside the calls."""
    done = otterize(
        *("check", BEFORE, "--allow", DECLARED, "--require-node", "node-z"),
        *("--format", "junit", "-q"),
    )
    assert done.returncode == 6
    suite = ET.fromstring(done.stdout)  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A capture directory of which one file lacks its last byte."""
    directory = tmp_path / "cut"
    shutil.copytree(BEFORE, directory)
    hurt = directory / "pcap" / "node-a.pcap"
    hurt.write_bytes(hurt.read_bytes()[:-1])
    return directory


@pytest.mark.parametrize("form", ["junit", "json", "sarif", "github", "markdown"])
def test_damage_under_strict_is_a_failed_case(form: str, cut: Path, otterize: Otterize) -> None:
    """Whoever reads the report alone sees that --strict failed; without it, nothing did."""
    command = ("check", cut, "--allow", DECLARED, "--format", form)
    done = otterize(*command, "--strict")
    assert done.returncode == 6
    assert f"otterize: {DAMAGED}\n" in done.stderr
    assert "damaged files or malformed packets" in done.stdout
    if form == "junit":
        suite = ET.fromstring(done.stdout)  # noqa: S314 - our own output
        assert suite.get("failures") == "1"
        assert "--strict" not in otterize(*command).stdout


def test_damage_of_both_sides_under_strict_is_said_once(cut: Path, otterize: Otterize) -> None:
    """A diff looks at both of its captures."""
    done = otterize("diff", cut, cut, "--format", "json", "--strict", "-q")
    assert (done.returncode, json.loads(done.stdout)["unmet"]) == (6, [DAMAGED])


@pytest.mark.parametrize("share", ["nan", "inf", "-1", "99999", "5", "five"])
def test_thresholds_are_looked_at_before_anything_is_read(
    share: str, otterize: Otterize, tmp_path: Path
) -> None:
    """A share that is none is a usage error, though the capture is none either."""
    none = tmp_path / "none.pcap"
    none.write_bytes(b"nothing known")
    done = otterize("check", none, "--allow", none, f"--max-unresolved={share}")
    assert done.returncode == 2
    assert "expected a share such as 5%" in done.stderr


def test_kubelet_probes_are_no_unresolved_calls(otterize: Otterize) -> None:
    """50 of 51 connections come from the pod's own node; none of them could be declared."""
    command = ("check", "probes-dir", "--allow", "probes.yaml", "--max-unresolved", "5%")
    done = otterize(*(PROBES / word if word.startswith("probes") else word for word in command))
    assert (done.returncode, done.stdout) == (0, "All observed calls are declared (1).\n")
    assert "50 node as client" in done.stderr


def test_lookups_alone_are_no_connection() -> None:
    """A graph of lookups rests on no connection; a document that declares nothing may."""
    looked_up = ServiceGraph((Call(API, DB, LOOKUP),), Coverage())
    declared = ServiceGraph((Call(API, DB),))
    assert ungrounded((declared, looked_up)) is looked_up
    assert ungrounded((declared, ServiceGraph())) is None
    assert ungrounded((ServiceGraph(), ServiceGraph())) is not None


@laws
@given(graphs())
def test_a_side_without_calls_is_never_enough(graph: ServiceGraph) -> None:
    """Whatever the other side is, an empty capture beside it proves nothing."""
    empty = replace(graph, calls=(), coverage=Coverage())
    assert ungrounded((graph, empty)) is empty
    assert ungrounded((empty,)) is empty
