"""The last catch: whatever a command ends with, it is one line and the right exit code.

Exit code 1 means that differences were found. No failure may end with it, so none is left to
Python or to Typer, which both would.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from otterize_pcap.cli import INTERRUPTED
from otterize_pcap.cli.terminal import close_output, complain, write_out
from otterize_pcap.errors import InputError, OtterizeError, UsageError
from otterize_pcap.files.opening import path_text
from otterize_pcap.system_errors import system_reason
from otterize_pcap.threads import ADVICE, is_lack_of_threads

DEBUG = "OTTERIZE_DEBUG"
"""The environment variable that shows where a fault of our own came from."""
PACKAGE = Path(__file__).parent.parent


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command to its end, say what went wrong, and return the exit code."""
    try:
        return _ended(command)
    finally:
        close_output()


def _ended(command: Callable[[], object]) -> int:
    try:
        code = command()
        write_out("")
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        # Typer exits with 1 where a pipe broke.
        if isinstance(stop.__context__, OSError):
            return _code_of(stop.__context__)
        return stop.code if isinstance(stop.code, int) else UsageError.exit_code
    except BaseException as error:  # noqa: BLE001 - there is nobody else
        return _code_of(error)
    return code if isinstance(code, int) else 0


def _code_of(error: BaseException) -> int:
    """The exit code of a failure, which is told on one line."""
    close_output()
    if isinstance(error, typer.Exit):
        return error.exit_code
    message, code = _told(error)
    complain(message)
    return code


def _told(error: BaseException) -> tuple[str, int]:
    """What is said of a failure, and its exit code."""
    code = InputError.exit_code
    if isinstance(error, OtterizeError):
        return str(error), error.exit_code
    if isinstance(error, typer.Abort):
        code = UsageError.exit_code
        message = "the question was not answered; nothing was changed"
    elif isinstance(error, UnicodeEncodeError):
        code = UsageError.exit_code
        message = f"{error.object[:80]!r} is not UTF-8; write it in UTF-8"
    elif isinstance(error, OSError):
        reason = system_reason(error)
        message = f"{_place(error)}: {reason}; check the path, its permissions and the disk"
    elif isinstance(error, MemoryError):
        message = "there is not enough memory; read less at once, or where there is more"
    elif is_lack_of_threads(error):
        message = f"a thread could not be begun; {ADVICE}"
    else:
        name, where = type(error).__name__, _line_of_ours(error)
        message = (
            f"a fault of our own, {name} at {where}; please report it with the command, and what "
            "OTTERIZE_DEBUG=1 adds"
        )
    return message, code


def _place(error: OSError) -> str:
    """The file that the system spoke of."""
    where = error.filename
    if isinstance(where, str | bytes | Path):
        return path_text(os.fsdecode(where))
    return "input or output"


def _line_of_ours(error: BaseException) -> str:
    """The last line of this package that was running; all of the way there if asked."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error, file=sys.stderr)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    if not ours:
        return "the start"
    return f"{Path(ours[-1].filename).relative_to(PACKAGE)}:{ours[-1].lineno}"
