"""Command line: one module per command group.

The only package that prints, exits or reads the environment.
"""

import gc
import os
import sys

# What `signal` itself is made of: it imports `enum`, 10 ms in which Ctrl-C was a traceback.
from _signal import SIGINT, default_int_handler, getsignal
from _signal import signal as set_signal

INTERRUPTED = 130


def main() -> None:
    """Run `otterize`; every `OtterizeError` ends here as one line on stderr and its exit code."""
    # A shell's background job ignores Ctrl-C, and so does this then.
    heard = getsignal(SIGINT) is default_int_handler
    if heard:
        # While modules are imported and while the interpreter ends nothing could catch it.
        set_signal(SIGINT, _end_at_once)
    if sys.argv[1:] == ["--version"] and _told_version():
        os._exit(0)
    # A run makes many values, keeps them to its end and makes few cycles: looking for garbage
    # took 40 % of the time after reading (20,000 connections), and 10 ms of importing.
    gc.disable()
    try:
        _begin_ahead(sys.argv[1:])
        from otterize_pcap.cli.app import run  # noqa: PLC0415

        if heard:
            set_signal(SIGINT, default_int_handler)
        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ImportError as error:
        # Python would end with 1, which means differences.
        code = _broken_installation(error.name)
    finally:
        if heard:
            set_signal(SIGINT, _end_at_once)
    # All is written. Python would give back every value by itself, which takes it 40 ms after a
    # small capture; the system takes back all at once.
    os._exit(code)


def _begin_ahead(words: list[str]) -> None:
    """Have a second processor hash what is large while the first one imports the command.

    It is a guess: whatever it fails of, a name that no file can have or a directory without rights,
    the command meets again, and says.
    """
    from contextlib import suppress  # noqa: PLC0415 - 10 ms, and `--version` needs none

    with suppress(Exception):
        # Here, so that what fails of their imports fails of the guess alone.
        from otterize_pcap.cli.ahead import directory_to_hash  # noqa: PLC0415

        directory = directory_to_hash(words)
        if directory is not None:
            from otterize_pcap.files.hashed_ahead import hash_ahead  # noqa: PLC0415

            hash_ahead(directory)


def _told_version() -> bool:
    """Answer before anything else is imported: in 20 ms instead of 200; False where that failed."""
    from otterize_pcap.version import __version__  # noqa: PLC0415

    if sys.stdout is None:
        return False
    try:
        print(f"otterize {__version__}", flush=True)  # noqa: T201 - the CLI is where output happens
    except OSError:
        return False
    return True


def _broken_installation(name: str | None) -> int:
    message = f"otterize: {name or 'a part'} is missing or broken; install otterize-pcap again"
    print(message, file=sys.stderr)  # noqa: T201 - nothing else is there that could
    return 3


def _end_at_once(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)
