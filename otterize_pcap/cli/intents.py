"""`otterize intents list` and `otterize intents export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.graph_input import read_graph, report
from otterize_pcap.cli.options import Captures, Output, Reporting, Selection, selects
from otterize_pcap.cli.terminal import emit, notice
from otterize_pcap.render.client_intents import render_json, render_yaml
from otterize_pcap.render.list_text import render_list


class ExportFormat(StrEnum):
    """How ClientIntents are written; `intents` is another word for `yaml`."""

    YAML = "yaml"
    JSON = "json"
    INTENTS = "intents"


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


def show_calls(directory: Path) -> None:
    """Print the calls in a capture directory, as `intents list` does without options."""
    graph = read_graph([directory], Selection())
    emit(render_list(graph), None)
    report(graph, Reporting())


@selects
def list_intents(
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
) -> None:
    """Print who calls whom, a client and its servers a block.

    Example: otterize intents list my-capture/ -n shop
    """
    graph = read_graph(captures, selection)
    emit(render_list(graph), None)
    report(graph, reporting)


@selects
def export_intents(
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    format_: Annotated[
        ExportFormat,
        typer.Option("--format", help="The form; `intents` is another word for yaml."),
    ] = ExportFormat.YAML,
    output: Output = None,
) -> None:
    """Write the calls as ClientIntents.

    Example: otterize intents export my-capture/ --format json -o intents.json
    """
    graph = read_graph(captures, selection)
    render = render_json if format_ == ExportFormat.JSON else render_yaml
    emit(render(graph), output)
    if output is not None and not reporting.quiet:
        notice(f"Successfully wrote intents into {output}")
    report(graph, reporting)
