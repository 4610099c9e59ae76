"""However many captures a command is given, one of them is in memory at a time."""

import json
import os
import shutil
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest

from otterize_pcap.files import captures
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.captures import Ways
from otterize_pcap.resolve import map_capture
from otterize_pcap.resolve.capture import Capture
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.capture_bytes import ACK, SYN, ethernet, ipv4, pcap, tcp
from tests.cluster_builder import NODES, pod
from tests.command_tree import COMMANDS, Words, run_here, takes_path
from tests.conftest import FIXTURES, GOLDEN, ROOT

ALLOW_ALL = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: app}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}
"""
POLICIES = GOLDEN / "netpol" / "policies.yaml"
WEEK = [FIXTURES / name for name in ("tutorial-before", "tutorial-after", "two-nodes")]
OF_EACH: dict[Words, Sequence[object]] = {
    ("intents", "list"): WEEK,
    ("intents", "export"): WEEK,
    ("graph",): WEEK,
    ("explain",): ["checkout", "kafka", *WEEK],
    ("check",): [*WEEK, "--allow", WEEK[0]],
    ("connections",): [*WEEK, "-n", "app,shop"],
    ("netpol", "check"): [*WEEK, POLICIES, "--recorded"],
    ("netpol", "export"): WEEK,
}
TOGETHER: dict[Words, str] = {
    ("reduce",): "makes one capture of all parts",
    ("snapshot", "inspect"): "reads no packets",
}


def test_every_command_of_several_captures_is_here() -> None:
    """Each reads one after the other, or it is said why not."""
    several = {
        words
        for words, command in COMMANDS.items()
        for each in command.params
        if each.param_type_name == "argument" and each.nargs == -1 and takes_path(each)
    }
    assert several - {("capture",)} == OF_EACH.keys() | TOGETHER.keys()


@pytest.mark.parametrize("words", [pytest.param(each, id=" ".join(each)) for each in OF_EACH])
def test_nothing_of_one_is_left_when_the_next_is_read(
    words: Words, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What resolves its connections holds its table and its snapshot: all of it is gone."""
    mapped: list[weakref.ref[CaptureLookup]] = []
    read_directory = captures.read_directory
    read: list[Path] = []

    def look(capture: Capture, rules: Rules) -> CaptureLookup:
        found = CaptureLookup(capture, rules)
        mapped.append(weakref.ref(found))
        return found

    def open_next(path: Path, snapshot: Snapshot, ways: Ways) -> CaptureParts:
        assert [one for one in mapped if one() is not None] == []
        assert len(mapped) == len(read)
        read.append(path)
        return read_directory(path, snapshot, ways)

    monkeypatch.setattr(map_capture, "CaptureLookup", look)
    monkeypatch.setattr(captures, "read_directory", open_next)
    assert run_here(*words, *map(str, OF_EACH[words])) in (0, 1), capsys.readouterr().err
    assert len(read) >= len(WEEK)


CONNECTIONS = 20_000
POD_A, POD_B = "10.1.0.1", "10.1.0.2"
MEASURE = """
import os, sys
from otterize_pcap import cli
from otterize_pcap.cli import app
run = app.run
def run_and_say():
    code = run()
    with open("/proc/self/status") as status:
        sys.stderr.write(next(line for line in status if line.startswith("VmHWM")))
    sys.stderr.flush()
    return code
app.run = run_and_say
cli.main()
"""
"""The peak of `os.wait4` counts the parent's memory at the fork, this one does not."""


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories `one` and `three`, of so many captures of two pods, 20,000 connections each."""
    root = tmp_path_factory.mktemp("weeks")
    first = root / "one" / "0"
    (first / "pcap").mkdir(parents=True)
    frames = [
        frame
        for number in range(CONNECTIONS)
        for frame in _handshake(1024 + number % 60_000, 1 + number)
    ]
    (first / "pcap" / "a.pcap").write_bytes(pcap(frames, step=1000))
    items = [pod("web", POD_A), pod("db", POD_B, ports=[5432]), *NODES]
    snapshot = {"kind": "List", "apiVersion": "v1", "items": items}
    (first / "snapshot.json").write_text(json.dumps(snapshot))
    for number in range(3):
        shutil.copytree(first, root / "three" / str(number))
    return root


def _handshake(port: int, number: int) -> tuple[bytes, bytes, bytes]:
    """A connection from one pod to the other, of three packets."""
    there = (tcp(port, 5432, SYN, number), tcp(port, 5432, ACK, number + 1, number + 1))
    back = tcp(5432, port, SYN | ACK, number, number + 1)
    first, last = (ethernet(ipv4(each, source=POD_A, target=POD_B)) for each in there)
    return first, ethernet(ipv4(back, source=POD_B, target=POD_A)), last


def peak(words: list[object], where: Path) -> int:
    """The most bytes that a command held at once."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, words)],
        capture_output=True,
        check=False,
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    *_, line = done.stderr.decode().splitlines()
    assert (done.returncode, line.split()[0]) == (0, "VmHWM:"), done.stderr.decode()
    return int(line.split()[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["intents", "list"], id="list"),
        pytest.param(["netpol", "check", "policy.yaml"], id="netpol check"),
        pytest.param(["netpol", "export"], id="netpol export"),
        pytest.param(["connections", "-n", "app"], id="connections -n"),
    ],
)
def test_three_captures_take_the_room_of_one(words: list[object], weeks: Path) -> None:
    """The peak is the same within a tenth; held all at once, they took a third more."""
    (weeks / "policy.yaml").write_text(ALLOW_ALL)
    of_one = peak([*words, "one", "-q"], weeks)
    assert peak([*words, "three", "-q"], weeks) < 1.1 * of_one
