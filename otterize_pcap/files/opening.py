"""Files and standard input, opened: what cannot be read is an error that says what to do."""

import sys
from contextlib import ExitStack
from io import BufferedReader
from mmap import ACCESS_READ, mmap
from pathlib import Path

from otterize_pcap.errors import CaptureError, InputError
from otterize_pcap.snapshot.plain_text import DocumentText
from otterize_pcap.system_errors import system_reason

STDIN = Path("-")


def path_text(path: Path | str) -> str:
    """A path as text that any output can hold: bytes that are not UTF-8 become escapes."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_bytes(path: Path) -> bytes:
    """The whole of a file; a missing or unreadable one is an InputError."""
    if path == STDIN:
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(_os_message(path, error)) from error


def map_file(path: Path) -> DocumentText:
    """A file's content, mapped where that is possible, so that big snapshots need not be held."""
    try:
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError):
        return read_bytes(path)


def open_stream(stack: ExitStack, path: Path) -> BufferedReader:
    """A capture file's bytes, as long as the stack lives.

    Raises:
        CaptureError: It is missing or unreadable.
    """
    if path == STDIN:
        return stack.enter_context(open(sys.stdin.fileno(), "rb", closefd=False))
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise CaptureError(_os_message(path, error)) from error


def _os_message(path: Path, error: OSError) -> str:
    return f"{path_text(path)}: {system_reason(error)}; check the path and its permissions"
