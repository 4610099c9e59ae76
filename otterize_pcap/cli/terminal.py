"""What the CLI knows of the terminal: notices on stderr, results on stdout, colour or not."""

import os
import sys
from pathlib import Path


def complain(message: str) -> None:
    """Say what went wrong, on one line of stderr."""
    print(f"otterize: {message}", file=sys.stderr)  # noqa: T201 - the CLI's own output


def notice(line: str) -> None:
    """Say something beside the result."""
    print(line, file=sys.stderr)  # noqa: T201 - the CLI's own output


def emit(text: str, output: Path | None) -> None:
    """Write a result to stdout, or whole to a file; `-` is stdout too.

    A file appears complete or not at all: it is written beside its place and renamed.
    """
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if output.exists() and not output.is_file():
        output.write_text(text, encoding="utf-8")
        return
    part = output.with_name(output.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(output)


def wants_color() -> bool:
    """Colour only on a terminal, unless NO_COLOR, FORCE_COLOR or TERM=dumb say otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
