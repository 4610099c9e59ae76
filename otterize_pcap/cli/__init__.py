"""Command line: one module per command group.

The only package that prints, exits or reads the environment.
"""

import gc
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run `otterize`; every `OtterizeError` ends here as one line on stderr and its exit code."""
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: 20 ms instead of 200.
        from otterize_pcap.version import __version__  # noqa: PLC0415

        try:
            print(f"otterize {__version__}", flush=True)  # noqa: T201 - the CLI is where output happens
        except OSError:
            # Whatever stdout leads to is full or gone; Python would try again at its end.
            os._exit(3)
        return
    import signal  # noqa: PLC0415 - `--version` needs none

    # A shell's background job ignores Ctrl-C, and so does this then.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        # While modules are imported and while the interpreter ends nothing could catch it.
        signal.signal(signal.SIGINT, _end_at_once)
    # A run makes many values, keeps them to its end and makes few cycles: looking for garbage
    # took 40 % of the time after reading (20,000 connections), and 10 ms of importing.
    gc.disable()
    from otterize_pcap.cli.app import run  # noqa: PLC0415

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        if heard:
            signal.signal(signal.SIGINT, _end_at_once)
    sys.exit(code)


def _end_at_once(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)
