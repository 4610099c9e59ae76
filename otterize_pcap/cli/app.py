"""The `otterize` command: its groups, and the one place where errors become exit codes."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli import (
    capture,
    check,
    connections,
    diff,
    explain,
    graph,
    intents,
    show_capture,
    snapshot,
)
from otterize_pcap.cli.terminal import complain, prepare_output
from otterize_pcap.errors import OtterizeError, UsageError
from otterize_pcap.version import __version__

EXIT_CODES = """Exit codes: 0 fine; 1 differences or violations (diff, check); 2 usage;
3 unreadable or broken input; 4 cluster failure; 5 partial capture;
6 a coverage threshold or --strict not met; 130 interrupted."""

INTERRUPTED = 130

app = typer.Typer(
    name="otterize",
    help=(
        "Map which Kubernetes workload calls which, from packet captures.\n\n"
        "Example: otterize intents list my-capture/\n\n" + EXIT_CODES
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
capture.register(app, show_capture.show_calls)
intents.register(app)
diff.register(app)
explain.register(app)
check.register(app)
graph.register(app)
connections.register(app)
snapshot.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"otterize {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def _called_as() -> str:
    """The program's name in usage lines: as a plugin of kubectl it is two words."""
    return "kubectl otterize" if Path(sys.argv[0]).name.startswith("kubectl-") else "otterize"


def run() -> int:
    """Run the command line and return the exit code."""
    # A run makes many values, keeps them to its end and makes few cycles: looking for garbage
    # took 40 % of the time after reading (20,000 connections).
    gc.disable()
    prepare_output()
    try:
        app(prog_name=_called_as())
    except OtterizeError as error:
        complain(str(error))
        return error.exit_code
    except UnicodeEncodeError as error:
        message = f"{error.object[:80]!r} is not UTF-8; write it in UTF-8"
        complain(message)
        return UsageError.exit_code
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): nothing is wrong, and nobody listens.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0
