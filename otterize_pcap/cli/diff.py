"""`otterize diff OLD NEW`."""

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
from otterize_pcap.cli.document_input import read_either, read_places
from otterize_pcap.cli.graph_input import summarise
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Output
from otterize_pcap.cli.side_names import report_sides
from otterize_pcap.cli.terminal import emit, notice, wants_color
from otterize_pcap.compare.diff import GraphDiff, diff_graphs, without_ignored
from otterize_pcap.compare.findings import diff_findings
from otterize_pcap.errors import UsageError
from otterize_pcap.files.object_path import named_path
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.render.comparison_json import render_diff_json
from otterize_pcap.render.diff_text import render_diff


def register(root: typer.Typer) -> None:
    """Add `diff` to the command line."""
    root.command("diff")(diff)


@selects
def diff(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    old: Annotated[
        Path,
        typer.Argument(
            parser=named_path, help="An export (YAML, JSON, graph JSON, a directory), or a capture."
        ),
    ],
    new: Annotated[Path, typer.Argument(parser=named_path, help="The same, of a later state.")],
    format_: Format = None,
    changes_only: Annotated[
        bool, typer.Option("--changes-only", help="Leave out clients without a difference.")
    ] = False,
    ignore: Ignore = None,
    max_unresolved: MaxUnresolved = None,
    require_node: RequireNode = None,
    allow_empty: AllowEmpty = False,
    exit_zero: ExitZero = False,
    output: Output = None,
) -> None:
    """Show which calls were added (+), removed (-) or changed (~).

    Exits 0 where nothing differs, 1 where something does, and 6 where there is too little to tell.

    Example: otterize diff monday.json tuesday-capture/
    """
    form = chosen_form(format_, output, ComparisonFormat.TEXT)
    if changes_only and form != ComparisonFormat.TEXT:
        message = f"--changes-only is for text; {form} says of each call whether it changed"
        raise UsageError(message)
    asked = read_thresholds(max_unresolved, require_node, strict=reporting.strict)
    gate = Gate(asked, allow_empty, exit_zero)
    rules, selection = read_ignore_rules(ignore), selection.by_makers
    before, after = (read_either(side, selection, reporting) for side in (old, new))
    found = without_ignored(diff_graphs(before, after), rules)
    unmet = gate.unmet((before, after))
    match form:
        case ComparisonFormat.TEXT:
            color = output is None and wants_color()
            emit(render_diff(found, color=color, changes_only=changes_only), output)
        case ComparisonFormat.JSON:
            emit(render_diff_json(found, unmet), output)
        case _:
            findings = replace(diff_findings(found, read_places([new])), unmet=unmet)
            emit(render_findings(findings, form), output)
    _report(before, after, found, reporting)
    gate.close((before, after))
    if not found.is_empty and not exit_zero:
        raise typer.Exit(DIFFERENT)


def _report(
    before: ServiceGraph, after: ServiceGraph, found: GraphDiff, reporting: Reporting
) -> None:
    """What both sides rest on, how they differ, and what to know about calls that are absent."""
    for label, graph in (("old: ", before), ("new: ", after)):
        summarise(graph, reporting, label)
    if not reporting.quiet:
        notice(_counts(found))
    report_sides(before, after, reporting)
    if reporting.quiet:
        return
    if found.removed and after.coverage is None:
        notice("note: exports carry no coverage, so a call that is absent counts as removed")
    for reason in dict.fromkeys(why for entry in found.not_seen for why in entry.reasons):
        notice(f"note: calls marked ? are not known to be removed: {reason}")


def _counts(found: GraphDiff) -> str:
    """How many calls there are of each kind."""
    kinds = {
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "not known to be removed": found.not_seen,
        "unchanged": found.unchanged,
    }
    return f"calls: {', '.join(f'{len(calls):,} {kind}' for kind, calls in kinds.items())}"
