"""`otterize check CAPTURE… --allow intents.yaml`."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from otterize_pcap.cli.comparing import (
    DIFFERENT,
    AllowEmpty,
    ComparisonFormat,
    ExitZero,
    Format,
    Gate,
    Ignore,
    MaxUnresolved,
    RequireNode,
    read_ignore_rules,
    read_thresholds,
    render_findings,
)
from otterize_pcap.cli.document_input import read_allowed, read_observed, read_places
from otterize_pcap.cli.graph_input import summarise
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Captures, Output
from otterize_pcap.cli.side_names import report_sides
from otterize_pcap.cli.terminal import emit
from otterize_pcap.compare.check import check_graph
from otterize_pcap.compare.findings import check_findings
from otterize_pcap.files.object_path import named_path
from otterize_pcap.render.check_text import render_check
from otterize_pcap.render.comparison_json import render_check_json


def register(root: typer.Typer) -> None:
    """Add `check` to the command line."""
    root.command("check")(check)


@selects
def check(  # noqa: PLR0913 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    *,
    allow: Annotated[
        list[Path],
        typer.Option(
            parser=named_path,
            metavar="FILE",
            help="What is declared: ClientIntents, a directory of them, or an earlier capture. "
            "Repeatable.",
        ),
    ],
    unused: Annotated[
        bool, typer.Option("--unused", help="List declared calls that were not seen, too.")
    ] = False,
    format_: Format = None,
    ignore: Ignore = None,
    max_unresolved: MaxUnresolved = None,
    require_node: RequireNode = None,
    allow_empty: AllowEmpty = False,
    exit_zero: ExitZero = False,
    output: Output = None,
) -> None:
    """Check that every observed call is declared.

    Exits 0 where all are, 1 where one is not, and 6 where there is too little to tell.

    Example: otterize check my-capture/ --allow intents.yaml --unused
    """
    form = chosen_form(format_, output, ComparisonFormat.TEXT)
    asked = read_thresholds(max_unresolved, require_node, strict=reporting.strict)
    gate = Gate(asked, allow_empty, exit_zero)
    rules, selection = read_ignore_rules(ignore), selection.by_makers
    observed = read_observed(captures, selection, reporting)
    declared = read_allowed(allow, selection, reporting)
    result = check_graph(observed, declared, rules)
    unmet = gate.unmet((observed,))
    match form:
        case ComparisonFormat.TEXT:
            emit(render_check(result, unused=unused), output)
        case ComparisonFormat.JSON:
            emit(render_check_json(result, unmet), output)
        case _:
            found = check_findings(result, read_places(allow), unused=unused)
            emit(render_findings(replace(found, unmet=unmet), form), output)
    summarise(observed, reporting)
    report_sides(declared, observed, reporting)
    gate.close((observed,))
    if result.violations and not exit_zero:
        raise typer.Exit(DIFFERENT)
