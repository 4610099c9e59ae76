"""The `otterize` command: its groups and its exit codes."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from otterize_pcap.cli.commands import OtterizeGroup, dress
from otterize_pcap.cli.last_catch import exit_code_of
from otterize_pcap.cli.terminal import prepare_output
from otterize_pcap.version import __version__

EXIT_CODES = """Exit codes: 0 fine; 1 differences or violations (diff, check, netpol check),
or unknown names (explain); 2 usage;
3 unreadable or broken input; 4 cluster failure; 5 partial capture;
6 a coverage threshold or --strict not met; 130 interrupted."""

# In the order of --help; each is a module of this package.
COMMANDS = (
    "capture",
    "intents",
    "diff",
    "explain",
    "check",
    "netpol",
    "graph",
    "connections",
    "reduce",
    "snapshot",
    "anonymise",
)


class _Root(OtterizeGroup):
    """The commands in their order here, wherever they were registered."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - the parser's own
        super().__init__(**settings)
        self.commands = {name: self.commands[name] for name in COMMANDS if name in self.commands}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"otterize {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def command_line(*commands: str) -> typer.Typer:
    """The command line with some of its commands, or all of them.

    A run needs the modules of one command only: all of them take 50 ms more.
    """
    root = typer.Typer(
        name="otterize",
        help=(
            "Map which Kubernetes workload calls which, from packet captures.\n\n"
            "Example: otterize intents list my-capture/\n\n" + EXIT_CODES
        ),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        callback=_root,
    )
    for command in commands or COMMANDS:
        import_module(f"otterize_pcap.cli.{command}").register(root)
    return dress(root, _Root)


def _called_as() -> str:
    """The program's name in usage lines: as a plugin of kubectl it is two words."""
    return "kubectl otterize" if Path(sys.argv[0]).name.startswith("kubectl-") else "otterize"


def _named(words: list[str]) -> list[str]:
    """The command that a command line begins with; none where all are to be told of."""
    return [word for word in words if word in COMMANDS]


def run() -> int:
    """Run the command line and return the exit code."""
    return exit_code_of(_run)


def _run() -> object:
    prepare_output()
    return command_line(*_named(sys.argv[1:2]))(prog_name=_called_as(), standalone_mode=False)
