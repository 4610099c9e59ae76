"""Completion in bash, zsh and fish: the shell itself is asked what it would complete."""

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

GROUPS = {"intents"}
IN_INTENTS = {"list", "export"}


def needs(shell: str) -> pytest.MarkDecorator:
    """Skip where a shell is not installed."""
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def environment(installed: Path) -> dict[str, str]:
    """What a shell needs to find the command, and nothing of this user's configuration."""
    return {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(installed), "TERM": "dumb"}


def script(installed: Path, shell: str) -> Path:
    """The completion script that the command prints for a shell."""
    done = subprocess.run(
        [installed / "otterize"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(installed) | {"_OTTERIZE_COMPLETE": f"source_{shell}"},
    )
    path = installed / f"complete.{shell}"
    path.write_text(done.stdout)
    return path


@needs("bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param(["int"], GROUPS, id="command"),
        pytest.param(["intents", ""], IN_INTENTS, id="subcommand"),
        pytest.param(["intents", "list", "--as-k"], {"--as-kubernetes-service"}, id="option"),
    ],
)
def test_bash(words: list[str], offered: set[str], installed: Path) -> None:
    """Bash's own completion function offers the commands and options."""
    line = " ".join(f"'{word}'" for word in ["otterize", *words])
    ask = (
        f"source {script(installed, 'bash')}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        "answer=$(complete -p otterize | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); $answer otterize; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask],
        capture_output=True,
        text=True,
        check=True,
        env=environment(installed),
    )
    assert set(done.stdout.split()) == offered, done.stderr


@needs("fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("otterize int", GROUPS, id="command"),
        pytest.param("otterize intents ", IN_INTENTS, id="subcommand"),
        pytest.param("otterize intents list --as-k", {"--as-kubernetes-service"}, id="option"),
    ],
)
def test_fish(line: str, offered: set[str], installed: Path) -> None:
    """Fish offers the commands and options."""
    done = subprocess.run(
        ["fish", "-N", "-c", f"source {script(installed, 'fish')}; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env=environment(installed),
    )
    assert {found.split("\t")[0] for found in done.stdout.splitlines()} == offered, done.stderr


@needs("zsh")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("otterize int", "otterize intents ", id="command"),
        pytest.param("otterize intents exp", "otterize intents export ", id="subcommand"),
        pytest.param(
            "otterize intents list --as-k",
            "otterize intents list --as-kubernetes-service ",
            id="option",
        ),
    ],
)
def test_zsh(typed: str, offered: str, installed: Path) -> None:
    """Zsh completes the line when Tab is pressed."""
    (installed / ".zshrc").write_text(
        "PROMPT='ready> '\nautoload -U compinit\ncompinit -u\n"
        f"source {script(installed, 'zsh')}\nunsetopt zle_bracketed_paste\n"
    )
    process, keys = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-i"], environment(installed))  # noqa: S606 - no shell wanted
    try:
        read_until(keys, "ready> ")
        os.write(keys, typed.encode() + b"\t")
        assert offered in read_until(keys, offered)
    finally:
        os.close(keys)
        os.waitpid(process, 0)


def read_until(keys: int, expected: str) -> str:
    """What a terminal shows, until it shows what is expected or ten seconds are over."""
    shown = ""
    deadline = time.monotonic() + 10
    while expected not in shown and time.monotonic() < deadline:
        if select.select([keys], [], [], 0.2)[0]:
            shown += os.read(keys, 4096).decode(errors="replace")
    return shown
