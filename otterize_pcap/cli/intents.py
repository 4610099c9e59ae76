"""`otterize intents`: the group, and `otterize intents list`."""

from enum import StrEnum
from typing import Annotated

import typer

from otterize_pcap.cli.document_input import read_observed
from otterize_pcap.cli.export import export_intents
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.name_notes import report_names
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import AsService, ByPods, Captures, Output, Ports
from otterize_pcap.cli.terminal import emit, terminal_width
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.graph_format import encode_graph
from otterize_pcap.graph.views import through_services
from otterize_pcap.render.calls_csv import render_csv
from otterize_pcap.render.calls_json import render_rows
from otterize_pcap.render.list_text import render_list
from otterize_pcap.render.list_wide import render_wide
from otterize_pcap.render.open_metrics import render_open_metrics


class ListFormat(StrEnum):
    """How `list` prints calls."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    GRAPH = "graph"
    OPENMETRICS = "openmetrics"


LIST_FORMATS = {
    ListFormat.JSON: render_rows,
    ListFormat.CSV: render_csv,
    ListFormat.GRAPH: encode_graph,
    ListFormat.OPENMETRICS: render_open_metrics,
}


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


@selects
def list_intents(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    format_: Annotated[
        ListFormat | None,
        typer.Option(
            "--format",
            help="The form; graph is lossless JSON that every command reads.",
            show_default=BY_SUFFIX.format("text"),
        ),
    ] = None,
    wide: Annotated[
        bool,
        typer.Option(
            "--wide",
            help="One line for each port, in columns, with counts; on a terminal those that fit.",
        ),
    ] = False,
    ports: Ports = False,
    pods: ByPods = False,
    as_service: AsService = False,
    output: Output = None,
) -> None:
    """Print who calls whom, a client and its servers a block.

    Example: otterize intents list my-capture/ -n shop --wide
    """
    form = chosen_form(format_, output, ListFormat.TEXT)
    if form != ListFormat.TEXT and (wide or ports):
        message = f"--wide and --ports are for text; {form} always has everything"
        raise UsageError(message)
    selection = selection.by_pods(wanted=pods)
    if form == ListFormat.GRAPH:
        selection = selection.behind
    graph = read_observed(captures, selection, reporting)
    shown = through_services(graph) if as_service else graph
    if form != ListFormat.TEXT:
        text = LIST_FORMATS[form](shown)
    else:
        text = (
            render_wide(shown, terminal_width(output)) if wide else render_list(shown, ports=ports)
        )
    emit(text, output)
    report(graph, reporting)
    if reporting.verbose:
        report_names([graph], reporting)
