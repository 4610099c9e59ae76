"""Standard streams that are full, closed or broken, and faults of our own: one line, never exit 1.

Exit code 1 means that differences were found.
"""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from otterize_pcap.cli.last_catch import DEBUG, exit_code_of
from otterize_pcap.errors import UsageError
from tests.conftest import FIXTURES, ROOT

CAPTURE = FIXTURES / "two-nodes"
BEFORE, AFTER = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"


def in_shell(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `otterize` is the command, and every part of a pipe counts."""
    command = f'otterize() {{ {shlex.quote(sys.executable)} -m otterize_pcap "$@"; }}; {script}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )


FULL = "the disk is full"


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        pytest.param(f"otterize intents list {CAPTURE} -q >/dev/full", 3, FULL, id="full"),
        pytest.param(f"otterize connections {CAPTURE} -q >/dev/full", 3, FULL, id="table"),
        pytest.param(f"otterize diff {BEFORE} {AFTER} -q >/dev/full", 3, FULL, id="diff"),
        pytest.param(f"otterize intents list {CAPTURE} -q >&-", 3, "is closed", id="closed"),
        pytest.param("otterize connections - -q <&-", 3, "input is closed", id="stdin closed"),
        pytest.param("otterize snapshot inspect - <&-", 3, "input is closed", id="document"),
        pytest.param(f"otterize intents list {CAPTURE} 2>&-", 0, "", id="stderr closed"),
        pytest.param(f"otterize intents list {CAPTURE} 2>/dev/full", 0, "", id="stderr full"),
        pytest.param(f"otterize connections {CAPTURE} -q | true", 0, "", id="pipe gone"),
        pytest.param(f"otterize diff {BEFORE} {AFTER} -q | true", 1, "", id="pipe gone, differ"),
        pytest.param(f"otterize diff {BEFORE} {BEFORE} -q | true", 0, "", id="pipe gone, none"),
    ],
)
def test_streams_that_fail(script: str, code: int, said: str, tmp_path: Path) -> None:
    """What cannot be written is said in one line; a reader that went away is no failure."""
    done = in_shell(script, tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == (1 if said else 0), done.stderr


@pytest.mark.parametrize(
    ("stream", "code", "said"),
    [
        pytest.param(">&-", 3, "otterize: standard output is closed; write to a file with -o\n"),
        pytest.param(
            ">/dev/full",
            3,
            f"otterize: standard output: {FULL}; write to a file with -o\n",
        ),
        pytest.param("| true", 0, ""),
        pytest.param(">&- 2>&-", 3, ""),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "otterize --version",
        "otterize --help",
        "otterize intents list -h",
        "otterize --show-completion bash",
        "_OTTERIZE_COMPLETE=complete_bash COMP_WORDS='otterize int' COMP_CWORD=1 otterize",
        f"otterize intents list {CAPTURE} -q",
        f"otterize connections {CAPTURE} -q --format csv",
        f"otterize graph {CAPTURE} -q --format svg",
        f"otterize snapshot inspect {CAPTURE}",
    ],
)
def test_whoever_writes_the_result_says_the_same(
    command: str, stream: str, code: int, said: str, tmp_path: Path
) -> None:
    """What libraries print (help, version, completion) fails as results do."""
    done = in_shell(f"{command} {stream}", tmp_path)
    assert (done.returncode, done.stderr) == (code, said)


def test_result_in_a_file_needs_no_stdout(tmp_path: Path) -> None:
    """Where nothing is to be written to it, a full stdout is no failure."""
    done = in_shell(f"otterize intents list {CAPTURE} -q -o list.json >/dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_broken_installation_is_no_difference(tmp_path: Path) -> None:
    """A library that cannot be imported is one line, and not exit 1 as of Python's own."""
    (tmp_path / "typer.py").write_text("import nowhere_at_all\n")
    done = subprocess.run(
        [sys.executable, "-m", "otterize_pcap", "intents", "list", str(CAPTURE)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    assert (done.returncode, done.stderr) == (
        3,
        "otterize: nowhere_at_all is missing or broken; install otterize-pcap again\n",
    )


MODULE = "import runpy; runpy.run_module('otterize_pcap', run_name='__main__', alter_sys=True)"
SCRIPT = "from otterize_pcap.cli import main; main()"
"""What `python -m otterize_pcap` does once Python runs, and what pip writes as `otterize`."""
INTERRUPT_AT_AN_IMPORT = """
import _signal, os, runpy, sys
first, left = os.environ["FIRST"], None
def interrupt(event, arguments):
    global left
    if event == "import" and arguments[0] == first:
        left = int(os.environ["LATER"])
    if event == "import" and left is not None:
        left -= 1
        if left < 0:
            left = None
            _signal.raise_signal(_signal.SIGINT)
sys.addaudithook(interrupt)
"""


@pytest.mark.parametrize("later", [0, 1, 2, 5, 10, 50, 200])
@pytest.mark.parametrize(
    ("start", "first"), [(MODULE, "otterize_pcap.cli"), (SCRIPT, "otterize_pcap.cli.app")]
)
def test_ctrl_c_while_modules_are_imported(start: str, first: str, later: int) -> None:
    """From the first line of ours on it is 130 and nothing else, whatever is being imported."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT_AT_AN_IMPORT + start, "intents", "list", str(CAPTURE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "FIRST": first, "LATER": str(later)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(ValueError("secret"), 3, "a fault of our own, ValueError at ", id="fault"),
        pytest.param(RecursionError(), 3, "a fault of our own, RecursionError", id="too deep"),
        pytest.param(MemoryError(), 3, "there is not enough memory", id="memory"),
        pytest.param(PermissionError(13, "x", "a/b"), 3, "a/b: access is not permitted", id="file"),
        pytest.param(UsageError("wrong"), 2, "wrong", id="usage"),
        pytest.param(typer.Abort(), 2, "the question was not answered", id="no answer"),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupted"),
    ],
)
def test_every_failure_has_its_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a command ends with, nothing of Python's own is shown."""

    def command() -> None:
        raise error

    assert exit_code_of(command) == code
    shown = capsys.readouterr().err
    assert shown.startswith(f"otterize: {said}" if said else "")
    assert shown.count("\n") == (1 if said else 0)
    assert "secret" not in shown


def test_fault_shows_where_it_came_from_if_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a report, OTTERIZE_DEBUG=1 adds Python's traceback."""

    def command() -> None:
        message = "odd"
        raise ValueError(message)

    monkeypatch.setenv(DEBUG, "1")
    assert exit_code_of(command) == 3
    assert "ValueError: odd" in capsys.readouterr().err


def test_broken_pipe_within_the_parser_is_no_difference() -> None:
    """Typer exits with 1 where a pipe broke, whatever pipe that was."""

    def command() -> None:
        try:
            raise BrokenPipeError(32, "x")
        except OSError:
            sys.exit(1)

    assert exit_code_of(command) == 3
