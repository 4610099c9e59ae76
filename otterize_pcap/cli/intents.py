"""`otterize intents list` and `otterize intents export`."""

from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli import options as opt
from otterize_pcap.cli.graph_input import Selection, read_graph, report
from otterize_pcap.cli.terminal import emit, notice
from otterize_pcap.errors import UsageError
from otterize_pcap.graph import ServiceGraph
from otterize_pcap.identity import ANNOTATIONS

FORMATS = ("yaml", "json", "intents")


def register(root: typer.Typer) -> None:
    """Add the `intents` group to the command line."""
    group = typer.Typer(
        help="List or export who calls whom.\n\nExample: otterize intents list my-capture/",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list")(list_intents)
    group.command("export")(export_intents)
    root.add_typer(group, name="intents")
