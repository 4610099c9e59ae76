"""Flow logs as a user gives them: files, compressed, pipes, directories, beside captures."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from scripts.flow_log_samples import samples
from tests.conftest import FIXTURES, ROOT, Otterize

FOLDER = FIXTURES / "flow-logs"
HUBBLE = FOLDER / "hubble.jsonl"
SERVICES = FIXTURES / "services"
LISTED = """\
checkout calls:
  - db.data
  - kubernetes.default

web calls:
  - checkout
"""


def test_samples_are_what_their_script_writes() -> None:
    """Nobody changed a sample by hand."""
    assert {name: (FOLDER / name).read_text(encoding="utf-8") for name in samples()} == samples()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_compressed_and_from_standard_input(otterize: Otterize, tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - any of three
    """A file and stdin, plain and compressed, list the same."""
    path = tmp_path / "flows"
    path.write_bytes(pack(HUBBLE.read_bytes()))
    assert otterize("intents", "list", "-q", path).stdout == LISTED
    assert otterize("intents", "list", "-q", "-", stdin=path.read_bytes()).stdout == LISTED


def test_pipe_that_gives_a_byte_at_a_time() -> None:
    """What was looked at to know a pipe is read again from its first byte."""
    slow = (
        f"import sys, pathlib; data = pathlib.Path({str(HUBBLE)!r}).read_bytes();"
        "[(sys.stdout.buffer.write(data[at:at + 1]), sys.stdout.buffer.flush()) "
        "for at in range(3000)]; sys.stdout.buffer.write(data[3000:])"
    )
    with subprocess.Popen([sys.executable, "-c", slow], stdout=subprocess.PIPE) as source:
        done = subprocess.run(
            [sys.executable, "-m", "otterize_pcap", "intents", "list", "-q", "/dev/stdin"],
            cwd=ROOT,
            stdin=source.stdout,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout == LISTED


def test_capture_from_a_pipe_is_still_one(otterize: Otterize) -> None:
    """A capture on stdin loses none of the bytes by which it was told."""
    capture = (SERVICES / "pcap" / "node-a.pcap").read_bytes()
    snapshot = SERVICES / "snapshot.json"
    piped = otterize("intents", "list", "-q", "-", "--snapshot", snapshot, stdin=capture)
    named = otterize(
        "intents", "list", "-q", SERVICES / "pcap" / "node-a.pcap", "--snapshot", snapshot
    )
    assert piped.stdout == named.stdout != ""


def test_directory_of_logs_is_one_capture(otterize: Otterize, tmp_path: Path) -> None:
    """What several nodes' agents wrote is one log; what is no log is passed over."""
    lines = HUBBLE.read_text().splitlines(keepends=True)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "n1.json").write_text("".join(lines[::2]))
    (tmp_path / "logs" / "n2.json").write_text("".join(lines[1::2]))
    (tmp_path / "logs" / "notes.txt").write_text("hello\n")
    assert otterize("intents", "list", "-q", tmp_path / "logs").stdout == LISTED


def test_beside_a_capture(otterize: Otterize) -> None:
    """Packets and flows together: each resolved by itself, one graph."""
    together = otterize("intents", "list", "--format", "json", "-q", SERVICES, HUBBLE)
    alone = [
        otterize("intents", "list", "--format", "json", "-q", one) for one in (SERVICES, HUBBLE)
    ]
    calls = [len(json.loads(each.stdout)) for each in (together, *alone)]
    assert calls[0] == calls[1] + calls[2]


def test_flow_log_as_snapshot(otterize: Otterize) -> None:
    """A log names pods by address and time: a capture of that time is named by it."""
    found = otterize("snapshot", "inspect", HUBBLE)
    assert (found.returncode, found.stderr) == (0, "")
    assert "pods" in found.stdout.lower()


def test_diff_and_check_take_logs(otterize: Otterize, tmp_path: Path) -> None:
    """A log against itself differs in nothing; what it lacks is marked, and not removed."""
    assert otterize("diff", "-q", HUBBLE, HUBBLE).returncode == 0
    less = tmp_path / "less.json"
    less.write_text(
        "".join(line for line in HUBBLE.read_text().splitlines(keepends=True) if "db-0" not in line)
    )
    found = otterize("diff", "--changes-only", HUBBLE, less)
    assert (found.returncode, found.stdout) == (
        0,
        "  checkout calls:\n?   - db.data\n    - kubernetes.default\n",
    )
    assert "not known to be removed" in found.stderr
    allowed = tmp_path / "intents.yaml"
    allowed.write_text(otterize("intents", "export", "-q", HUBBLE).stdout)
    assert otterize("check", "-q", "--allow", allowed, HUBBLE).returncode == 0


def test_explain_names_the_line(otterize: Otterize) -> None:
    """The rule in words, the line of the log, and the Service that was asked."""
    found = otterize("explain", "web", "checkout", HUBBLE).stdout
    assert "direction  hubble: is_reply: Cilium's connection table knows who began" in found
    assert f"recorded   n1: {HUBBLE} line 3" in found
    assert "through    Service checkout.shop" in found
    assert "packets    not counted" in found


def test_explain_says_what_a_log_cannot_show(otterize: Otterize) -> None:
    """Two that a log never saw together: the log is a sample, and their nodes were seen."""
    found = otterize("explain", "db", "web", HUBBLE)
    assert found.returncode == 0
    assert found.stdout == (
        "db → web is no edge\n"
        "  no connection between the two was recorded\n"
        "  Hubble's flows are a sample: Cilium aggregates events, a node keeps its last ones only, "
        "and the command that wrote them chose some\n"
    )


def test_declaration_that_a_log_lacks_is_not_unused(otterize: Otterize, tmp_path: Path) -> None:
    """What is declared and not in the log may be called all the same."""
    allowed = tmp_path / "intents.yaml"
    allowed.write_text(otterize("intents", "export", "-q", HUBBLE).stdout)
    less = tmp_path / "less.json"
    less.write_text(
        "".join(line for line in HUBBLE.read_text().splitlines(keepends=True) if "db-0" not in line)
    )
    found = otterize("check", "-q", "--allow", allowed, less, "--format", "json")
    assert found.returncode == 0
    assert [each["call"]["server"]["name"] for each in json.loads(found.stdout)["notSeen"]] == [
        "db"
    ]


def test_connections_lists_flows(otterize: Otterize) -> None:
    """The table needs no names; --legs shows each observation."""
    found = otterize("connections", "--format", "csv", HUBBLE)
    assert found.stdout.splitlines()[1].startswith(
        "TCP,10.244.1.10,41000,10.244.2.20,8080,hubble: is_reply,established,1,0,0,0,0,"
    )
    legs = otterize("connections", "--legs", "-q", HUBBLE)
    assert len(legs.stdout.splitlines()) > len(found.stdout.splitlines())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"flow": {}', "flows.json: a flow log without a whole record"),
        (b'{"flow": {"verdict": "FORWARDED"}}\n', None),
        (b"hello\n", "flows.json: the file is text, no capture"),
    ],
)
def test_errors_are_one_line(
    otterize: Otterize, tmp_path: Path, content: bytes, message: str | None
) -> None:
    """No traceback, whatever a log is."""
    (tmp_path / "flows.json").write_bytes(content)
    done = otterize("intents", "list", "-q", "flows.json")
    assert "Traceback" not in done.stderr
    if message is not None:
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_flow_logs_are_not_anonymised(otterize: Otterize, tmp_path: Path) -> None:
    """A log cannot be shared by `anonymise`: it says so, and writes nothing."""
    done = otterize("anonymise", HUBBLE, "-o", tmp_path / "to-share")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "hubble.jsonl: a flow log, of which no anonymised form is made; give packets\n"
    )
    assert not (tmp_path / "to-share").exists()


def test_too_many_flows_are_refused(otterize: Otterize) -> None:
    """--max-connections bounds what is held of flow logs, too."""
    done = otterize("intents", "list", HUBBLE, "--max-connections", 10)
    assert done.returncode == 3
    assert "more flows than there is room for" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_names_of_a_log_cannot_reach_the_terminal(otterize: Otterize, tmp_path: Path) -> None:
    """Escape sequences in names are shown, not obeyed."""
    text = HUBBLE.read_text().replace("timeout", "\\u001b[31m").replace('"checkout-7', '"\\u001b7')
    (tmp_path / "flows.json").write_text(text)
    done = otterize("intents", "list", "flows.json", "--wide")
    assert "\x1b" not in done.stdout + done.stderr


def test_copy_in_another_folder_is_read(otterize: Otterize, tmp_path: Path) -> None:
    """The same log twice counts as once."""
    shutil.copy(HUBBLE, tmp_path / "copy.jsonl")
    twice = otterize("intents", "list", "--wide", "-q", HUBBLE, tmp_path / "copy.jsonl")
    assert twice.stdout == otterize("intents", "list", "--wide", "-q", HUBBLE).stdout
