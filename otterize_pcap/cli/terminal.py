"""What the CLI knows of the terminal: notices on stderr, results on stdout, colour or not."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOBase, TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from otterize_pcap.errors import InputError
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.writing import ANYBODY, LONGEST_NAME, whole_file, write_all, write_whole
from otterize_pcap.graph.naming import printable
from otterize_pcap.system_errors import system_reason

LINES_AT_ONCE = 1000


def prepare_output() -> None:
    """Make results the same bytes everywhere: UTF-8 and bare newlines, whatever the locale.

    A terminal keeps its own encoding, and shows what that cannot hold as escapes. Where a stream
    was closed, notices go nowhere and results are refused, whoever writes them: so are help,
    version and completion, which libraries print.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the whole run
    if sys.stdout is None:
        sys.stdout = ClosedOutput()
    elif isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = ResultOutput(sys.stdout)
    if isinstance(sys.stderr, TextIOWrapper):
        encoding, newline = _form(sys.stderr)
        sys.stderr.reconfigure(encoding=encoding, newline=newline, errors="backslashreplace")


def _form(stream: TextIO) -> tuple[str, str | None]:
    """Encoding and line ends: a terminal's own, or the same everywhere."""
    return (stream.encoding, None) if stream.isatty() else ("utf-8", "\n")


class ClosedOutput(TextIOBase):
    """In the place of a stdout that was closed: a result is refused, whoever writes it."""

    def write(self, text: str, /) -> int:
        """Refuse all but nothing."""
        if text:
            message = "standard output is closed; write to a file with -o"
            raise InputError(message)
        return 0

    @property
    def buffer(self) -> BinaryIO:
        """No bytes are taken either."""
        self.write("bytes")
        raise AssertionError


class ResultOutput(TextIOWrapper):
    """Stdout, whose failures are what `write_out` makes of them, whoever writes."""

    def __init__(self, stream: TextIOWrapper) -> None:
        encoding, newline = _form(stream)
        super().__init__(
            stream.buffer,
            encoding,
            "backslashreplace",
            newline,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str, /) -> int:
        """As of any text stream; for failures see `arriving`."""
        with arriving():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """As of any text stream; for failures see `arriving`."""
        with arriving():
            super().flush()


@contextmanager
def arriving() -> Iterator[None]:
    """What becomes of a failure to write to stdout.

    A reader that went away (`| head`) is no failure: the exit code is the result's all the same.

    Raises:
        InputError: What stdout leads to is full, or failed otherwise.
    """
    try:
        yield
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        message = f"standard output: {system_reason(error)}; write to a file with -o"
        raise InputError(message) from error


def complain(message: str) -> None:
    """Say what went wrong, on one line of stderr."""
    notice(f"otterize: {message}")


def notice(line: str) -> None:
    """Say something beside the result, on one line of stderr.

    Names in it may be anybody's: nothing in it moves a cursor, begins another line or is a command
    to the system that runs the job (`::error::`).
    """
    with suppress(OSError):
        print(printable(line), file=sys.stderr)  # noqa: T201 - the CLI's own output


def write_error(text: str) -> None:
    """Write our own lines to stderr as they are, such as help that nobody asked for."""
    with suppress(OSError):
        print(text, end="", file=sys.stderr)  # noqa: T201 - the CLI's own output


def write_out(content: str | bytes) -> None:
    """Write to stdout and see that it arrives.

    Raises:
        InputError: As `arriving`, or stdout is closed.
    """
    with arriving():
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
        elif content:
            # Even of nothing a write is an error where a disk is full.
            sys.stdout.write(content)
        sys.stdout.flush()


def close_output() -> None:
    """Leave nothing unwritten that Python would try to write at its end, and fail again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, InputError):
            _discard(stream)


def _discard(stream: TextIO) -> None:
    """Lead a stream to nowhere, with what is unwritten of it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def emit(text: str, output: Path | None) -> None:
    """Write a result to stdout, or whole to a file; `-` is stdout too.

    A file appears complete or not at all: it is written beside its place and renamed.

    Raises:
        InputError: The file cannot be written.
    """
    if output is None or str(output) == "-":
        write_out(text)
        return
    try:
        write_whole(output, text.encode("utf-8", "surrogateescape"), ANYBODY)
    except OSError as error:
        raise InputError(_not_written(output, error)) from error


def emit_lines(lines: Iterable[str], output: Path | None) -> None:
    """Write a result while it is made, some lines at a time; see `emit`.

    Raises:
        InputError: The file cannot be written.
    """
    parts = iter(lines)
    some = iter(lambda: "".join(islice(parts, LINES_AT_ONCE)), "")
    if output is None or str(output) == "-":
        for text in some:
            write_out(text)
        return
    try:
        with whole_file(output, ANYBODY) as file:
            for text in some:
                file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise InputError(_not_written(output, error)) from error


def emit_files(texts: Mapping[str, str], directory: Path) -> None:
    """Write several results into a directory, made where it is missing (mode 0700): all or none.

    Raises:
        InputError: The directory or a file cannot be written.
    """
    contents = {
        _short(name): text.encode("utf-8", "surrogateescape") for name, text in texts.items()
    }
    try:
        write_all(directory, contents)
    except OSError as error:
        raise InputError(_not_written(directory, error)) from error


def _short(name: str) -> str:
    """A file name that file systems take, told from others by a digest where it was too long."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return name
    import hashlib  # noqa: PLC0415 - 4 ms of every start, for what hardly ever happens

    suffix = Path(name).suffix
    digest = hashlib.sha256(encoded).hexdigest()[:12]
    room = LONGEST_NAME - len(digest) - len(suffix) - 1
    return f"{encoded[:room].decode('utf-8', 'ignore')}-{digest}{suffix}"


def _not_written(path: Path, error: OSError) -> str:
    reason = system_reason(error)
    return f"{path_text(path)}: cannot be written ({reason}); choose another path with -o"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at a stream; nobody does where it was closed."""
    return stream is not None and stream.isatty()


def terminal_width(output: Path | None) -> int | None:
    """The columns of the terminal that a result goes to, None where it goes elsewhere."""
    if output is not None or not is_terminal(sys.stdout):
        return None
    return shutil.get_terminal_size().columns


def wants_color() -> bool:
    """Colour only on a terminal, unless NO_COLOR, FORCE_COLOR or TERM=dumb say otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"
