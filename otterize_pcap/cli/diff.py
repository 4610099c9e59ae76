"""`otterize diff OLD NEW`."""

from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.graph_input import read_either, report
from otterize_pcap.cli.options import Output, Reporting, Selection, selects
from otterize_pcap.cli.terminal import emit, notice, wants_color
from otterize_pcap.diff import diff_graphs
from otterize_pcap.render.diff_text import render_diff

DIFFERENT = 1


def register(root: typer.Typer) -> None:
    """Add `diff` to the command line."""
    root.command("diff")(diff)


@selects
def diff(
    selection: Selection,
    reporting: Reporting,
    old: Annotated[Path, typer.Argument(help="An export (YAML or JSON) or a capture directory.")],
    new: Annotated[Path, typer.Argument(help="The same, of a later state.")],
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 even where there are differences.")
    ] = False,
    output: Output = None,
) -> None:
    """Show which calls were added (+), removed (-) or changed (~).

    Exits 0 where nothing differs and 1 where something does.

    Example: otterize diff monday.json tuesday-capture/
    """
    before, after = read_either(old, selection), read_either(new, selection)
    found = diff_graphs(before, after)
    emit(render_diff(found, color=output is None and wants_color()), output)
    for graph in (before, after):
        report(graph, reporting)
    if not reporting.quiet:
        if found.removed and after.coverage is None:
            notice("note: exports carry no coverage, so a call that is absent counts as removed")
        for gap in found.gaps if found.not_seen else ():
            notice(f"note: calls marked ? are not known to be removed: {gap}")
    if not found.is_empty and not exit_zero:
        raise typer.Exit(DIFFERENT)
