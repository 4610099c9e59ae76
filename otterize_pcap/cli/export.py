"""`otterize intents export`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otterize_pcap.cli.completion import complete_version
from otterize_pcap.cli.document_input import read_observed
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import AsService, Captures, Output, Ports
from otterize_pcap.cli.terminal import emit, emit_files, notice
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.graph.views import through_services
from otterize_pcap.intents.versions import TUTORIAL, VERSIONS, find_version

if TYPE_CHECKING:
    from otterize_pcap.render.client_intents import IntentsForm


class ExportFormat(StrEnum):
    """How ClientIntents are written; `intents` is another word for `yaml`."""

    YAML = "yaml"
    JSON = "json"
    INTENTS = "intents"


class OutputType(StrEnum):
    """One file for all clients, or a directory with a file each."""

    SINGLE_FILE = "single-file"
    DIR = "dir"


@selects
def export_intents(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    format_: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            help="The form; `intents` is another word for yaml.",
            show_default=BY_SUFFIX.format("yaml"),
        ),
    ] = None,
    api_version: Annotated[
        str,
        typer.Option(
            metavar="VERSION",
            help=f"The version of ClientIntents: {', '.join(v.name for v in VERSIONS.values())}. "
            "Operators serve all but the tutorial's.",
            autocompletion=complete_version,
        ),
    ] = TUTORIAL.name,
    ports: Ports = False,
    as_service: AsService = False,
    output_type: Annotated[
        OutputType,
        typer.Option(help="One file, or with -o DIR a directory with a file for each client."),
    ] = OutputType.SINGLE_FILE,
    output: Output = None,
) -> None:
    """Write the calls as ClientIntents.

    Example: otterize intents export my-capture/ --api-version v2beta1 -o intents.yaml
    """
    # `intents list` declares these options too, and would wait for all that writing takes.
    from otterize_pcap.render.client_intents import (  # noqa: PLC0415
        IntentsForm,
        render_files,
        render_intents,
        render_intents_json,
    )

    form = IntentsForm(find_version(api_version), ports)
    if output_type == OutputType.DIR and output is None:
        message = "--output-type dir needs a directory to write to; name it with -o DIR"
        raise UsageError(message)
    single = output if output_type == OutputType.SINGLE_FILE else None
    as_json = chosen_form(format_, single, ExportFormat.YAML) == ExportFormat.JSON
    graph = read_observed(captures, selection, reporting)
    shown = through_services(graph) if as_service else graph
    if output_type == OutputType.DIR and output is not None:
        emit_files(render_files(shown, form, as_json=as_json), output)
    else:
        render = render_intents_json if as_json else render_intents
        emit(render(shown, form), output)
    _say_what_was_written(shown, form, None if reporting.quiet else output)
    report(graph, reporting)


def _say_what_was_written(graph: ServiceGraph, form: "IntentsForm", output: Path | None) -> None:
    from otterize_pcap.intents.documents import left_out  # noqa: PLC0415 - see above

    for line in left_out(graph, form.version):
        notice(f"note: {line}")
    if output is not None:
        notice(f"Successfully wrote intents into {output}")
