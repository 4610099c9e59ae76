"""Write the command reference (docs/reference.md) and the man page from the commands themselves."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

WIDTH = "80"
REFERENCE_HEAD = """\
# Reference

What every command prints with `--help`. This page is written by `make reference`, and a test holds
its texts equal to those of the commands.
"""


def root_command() -> Any:  # noqa: ANN401 - typer's command classes are not public
    """The command tree."""
    # Help is wrapped to this width, whatever the terminal.
    os.environ.update(COLUMNS=WIDTH, TERMINAL_WIDTH=WIDTH, NO_COLOR="1")
    from otterize_pcap.cli.app import command_line  # noqa: PLC0415

    return typer.main.get_command(command_line())


def commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    """Every command with its words, parents first, in the order of --help."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def help_text(words: tuple[str, ...]) -> str:
    """What a command prints with --help."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        root_command().main([*words[1:], "--help"], prog_name=words[0], standalone_mode=False)
    return printed.getvalue()


def reference() -> str:
    """The page of the site: the help of every command."""
    parts = [REFERENCE_HEAD]
    for words, _ in commands(root_command(), ("otterize",)):
        parts.append(f"## {' '.join(words)}\n\n```text\n{help_text(words).strip()}\n```\n")
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Text for roff: no line starts a request, no backslash or hyphen is changed."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def man_paragraphs(text: str) -> Iterator[str]:
    """Help text as roff paragraphs."""
    for number, paragraph in enumerate(filter(None, re.split(r"\n\s*\n", text.strip()))):
        if number:
            yield ".PP"
        yield escaped(" ".join(paragraph.split()))


def man_parameter(parameter: Any) -> Iterator[str]:  # noqa: ANN401
    """One option or argument as a tagged paragraph."""
    from otterize_pcap.cli.help_page import argument_name, described, value_name  # noqa: PLC0415

    if parameter.param_type_name == "argument":
        tag = f"\\fI{escaped(argument_name(parameter))}\\fR"
    else:
        names = sorted(parameter.opts, key=len)
        tag = ", ".join(f"\\fB{escaped(name)}\\fR" for name in names)
        if not getattr(parameter, "is_flag", False):
            tag += f" \\fI{escaped(value_name(parameter))}\\fR"
    yield from (".TP", tag, escaped(described(parameter)))


def man_page(version: str) -> str:
    """otterize(1), in the man macros."""
    tree = root_command()
    lines = [
        f'.TH OTTERIZE 1 "" "otterize {version}" "User Commands"',
        ".SH NAME",
        "otterize \\- map which Kubernetes workload calls which, from packet captures",
        ".SH SYNOPSIS",
        "\\fBotterize\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        *man_paragraphs(tree.help),
        ".SH COMMANDS",
    ]
    for words, command in commands(tree, ("otterize",)):
        if command is tree:
            continue
        lines += [f".SS {escaped(' '.join(words))}", *man_paragraphs(command.help)]
        for parameter in command.params:
            if not parameter.hidden:
                lines += man_parameter(parameter)
    lines += [".SH FILES", ".TP", "\\fI./otterize\\-captures/\\fR"]
    lines.append("Where captures are written, and looked for by default.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the reference to the first path given and the man page to the second."""
    from otterize_pcap.version import __version__  # noqa: PLC0415

    for place, text in zip(sys.argv[1:], (reference(), man_page(__version__)), strict=True):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
