"""Runs of a process that waits are those of one that begins: see `tests/ready_command.py`."""

from pathlib import Path

import pytest

from tests.conftest import FIXTURES, run_otterize
from tests.ready_command import ReadyCommand

CAPTURE = str(FIXTURES / "tutorial-before")


@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        (("intents", "list", CAPTURE), b""),
        (("intents", "export", "--format", "csv", "-"), b'{"kind": "nothing known"}'),
        (("diff", f"{CAPTURE}/../tutorial-after", CAPTURE), b""),
        (("capture", "--duration", "é\udcff"), b""),
        (("--version",), b"nobody reads this" * 100_000),
        (("intents", "list", CAPTURE, "-o", "out/put"), b""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("environment", [{}, {"COLUMNS": "60", "KUBECONFIG": "/absent"}], ids=len)
def test_a_ready_run_is_a_run(
    ready_command: ReadyCommand,
    tmp_path: Path,
    line: tuple[str, ...],
    stdin: bytes,
    environment: dict[str, str],
) -> None:
    """Exit code, output and messages, byte for byte."""
    fresh = run_otterize(tmp_path, line, stdin, environment)
    code, out, error = ready_command.run(tmp_path, list(line), stdin, environment)
    assert (code, out.decode(), error.decode()) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_nothing_is_left_of_a_run(ready_command: ReadyCommand, tmp_path: Path) -> None:
    """Neither its directory nor what it imported is the next one's."""
    (tmp_path / "one").mkdir()
    for _ in range(2):
        code, _, _ = ready_command.run(
            tmp_path / "one", ["intents", "list", CAPTURE, "-o", "here"], b"", {}
        )
        assert code == 0
    code, _, error = ready_command.run(tmp_path, ["intents", "list", "here"], b"", {})
    assert code != 0
    assert b"here" in error
