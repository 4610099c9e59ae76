"""Completion in the shells themselves: installed as `--install-completion` does, asked by Tab."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, ROOT

PATIENCE_S = 60
PROMPT = "READY> "
# Each with several answers, so that a shell lists them.
CHECKS = {
    "otterize intents list -n ": ["shop", "tutorial"],
    "otterize explain checkout client": ["client", "client.tutorial"],
    "otterize intents export --api-version v2": ["v2alpha1", "v2beta1"],
    "otterize capture --profile ": ["calls", "full", "headers"],
}
IN_BASH = """
    source ~/.bash_completions/otterize.sh
    IFS=' ' read -ra COMP_WORDS <<< "$1"
    [[ $1 == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    $(complete -p otterize | grep -o '_[a-z_]*') otterize
    printf '%s\\n' "${COMPREPLY[@]}"
"""


class Home:
    """A user's home with `otterize` on the PATH and a capture that is the newest here."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.shell = shell
        self.folder = folder
        program = folder / "bin" / "otterize"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m otterize_pcap "$@"\n')
        program.chmod(0o755)
        captures = folder / "otterize-captures"
        captures.mkdir()
        (captures / "2026-11-23T00-00-00Z").symlink_to(FIXTURES / "tutorial-after")
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
        }

    def run(self, *arguments: str) -> str:
        """What the shell prints."""
        done = subprocess.run(
            [self.shell, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout

    def tab(self, line: str) -> list[str]:
        """What zsh lists for a line when Tab is pressed at its end."""
        terminal, inside = pty.openpty()
        shell = subprocess.Popen(
            [self.shell, "-i"],
            cwd=self.folder,
            env=self.environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        try:
            read_until(terminal, PROMPT)
            # The first one loads the completion, the second one completes.
            os.write(terminal, f"{line}\t\t".encode())
            shown = read_until(terminal, f"\n{PROMPT}")
        finally:
            shell.kill()
            shell.wait()
            os.close(terminal)
            os.close(inside)
        return shown.rpartition(PROMPT)[0].split("\n", 1)[1].split()


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows until some text comes."""
    shown, end = "", time.monotonic() + PATIENCE_S
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"{text!r} never came: {shown!r}"
        shown += os.read(terminal, 1 << 16).decode()
    return shown


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home for a shell, in which completion was installed from that shell."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    found = Home(tmp_path, shell)
    # More than one command: else some shells are no process of their own any more.
    said = found.run("-c", "otterize --install-completion; true")
    assert said.startswith(f"{shell} completion installed in {tmp_path}")
    return found


@pytest.mark.parametrize("home", ["bash"], indirect=True)
def test_bash_completes(home: Home) -> None:
    """The function that was installed for bash gives the names of the newest capture."""
    for line, offered in CHECKS.items():
        assert sorted(home.run("-c", IN_BASH, "bash", line).split()) == offered, line


@pytest.mark.parametrize("home", ["fish"], indirect=True)
def test_fish_completes(home: Home) -> None:
    """Fish lists them, commands with what they do."""
    for line, offered in CHECKS.items():
        listed = home.run("-c", f"complete -C '{line}'").splitlines()
        assert [each.split("\t")[0] for each in listed] == offered, line


@pytest.mark.parametrize("home", ["zsh"], indirect=True)
def test_zsh_completes(home: Home) -> None:
    """Zsh lists them when Tab is pressed."""
    settings = home.folder / ".zshrc"
    settings.write_text(f"{settings.read_text()}\nPROMPT='{PROMPT}'\n")
    for line, offered in CHECKS.items():
        listed = home.tab(line)
        assert [word for word in listed if word in offered] == offered, (line, listed)
