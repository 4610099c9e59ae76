"""What the CLI knows of the terminal: notices on stderr, results on stdout, colour or not."""

import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.system_errors import system_reason

# What people of `kubectl` give to -o.
FORMAT_WORDS = frozenset({"yaml", "json", "wide", "csv", "text", "intents"})


def prepare_output() -> None:
    """Make results the same bytes everywhere: UTF-8 and bare newlines, whatever the locale.

    A terminal keeps its own encoding, and shows what that cannot hold as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def complain(message: str) -> None:
    """Say what went wrong, on one line of stderr."""
    print(f"otterize: {message}", file=sys.stderr)  # noqa: T201 - the CLI's own output


def notice(line: str) -> None:
    """Say something beside the result."""
    print(line, file=sys.stderr)  # noqa: T201 - the CLI's own output


def emit(text: str, output: Path | None) -> None:
    """Write a result to stdout, or whole to a file; `-` is stdout too.

    A file appears complete or not at all: it is written beside its place and renamed.

    Raises:
        UsageError: `output` is the word for a format, which `--format` takes.
        InputError: The file cannot be written.
    """
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if str(output) in FORMAT_WORDS:
        message = f"-o names a file; did you mean --format {output}? (or -o out.{output})"
        raise UsageError(message)
    try:
        _write_whole(text, output)
    except OSError as error:
        raise InputError(_not_written(output, error)) from error


def emit_files(texts: Mapping[str, str], directory: Path) -> None:
    """Write several results into a directory, made where it is missing (mode 0700).

    Raises:
        InputError: The directory or a file cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            _write_whole(text, directory / name)
    except OSError as error:
        raise InputError(_not_written(directory, error)) from error


def _write_whole(text: str, path: Path) -> None:
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)


def _not_written(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({system_reason(error)}); choose another path with -o"


def wants_color() -> bool:
    """Colour only on a terminal, unless NO_COLOR, FORCE_COLOR or TERM=dumb say otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
