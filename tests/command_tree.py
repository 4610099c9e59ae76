"""Every command of the command line, and how to call it: new commands are found by themselves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from otterize_pcap.cli.app import command_line
from otterize_pcap.cli.last_catch import exit_code_of
from tests.conftest import FIXTURES

CAPTURE = FIXTURES / "tutorial-before"
NAMES = ("checkout", "kafka")
"""Two workloads of that capture, the one calling the other."""

Words = tuple[str, ...]
Command = Any  # The parser's classes are not public.


def below(command: Command, words: Words = ()) -> Iterator[tuple[Words, Command]]:
    """A command with its words, and all below it."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from below(inner, (*words, name))


TREE: Command = get_command(command_line())
COMMANDS: dict[Words, Command] = dict(below(TREE))


def takes_path(param: Any) -> bool:  # noqa: ANN401
    """Whether a parameter is a path that is read."""
    return param.type.name in ("path", "file", "named_path") and param.name not in (
        "output",
        "key",
        "kubeconfig",
    )


READERS = {
    words: command
    for words, command in COMMANDS.items()
    if words[:1] != ("capture",)
    and any(takes_path(each) and each.param_type_name == "argument" for each in command.params)
}
"""The commands that read captures or documents; others are of clusters and nodes."""


def call(words: Words, path: object = CAPTURE, output: Path | None = None) -> list[str]:
    """A complete command line: every argument, and the options that it cannot do without."""
    names = iter(NAMES)
    line = list(words)
    for param in COMMANDS[words].params:
        if param.param_type_name == "argument":
            line.append(str(path) if takes_path(param) else next(names))
        elif param.required:
            line += [param.opts[-1], str(path if takes_path(param) else output)]
    return line


def readers() -> list[Any]:
    """A parameter of a test for each command that reads."""
    return [pytest.param(words, id=" ".join(words)) for words in READERS]


def run_here(*line: str) -> int:
    """Run a command line in this process; its output goes where the test captures it."""
    return exit_code_of(lambda: TREE.main(list(line), prog_name="otterize", standalone_mode=False))
