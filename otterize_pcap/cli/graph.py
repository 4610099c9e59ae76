"""`otterize graph`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.document_input import read_either, read_observed
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.options import AsService, ByPods, Captures, Output, selects
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.terminal import emit
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.views import through_services
from otterize_pcap.render.dot import render_dot
from otterize_pcap.render.html import render_html
from otterize_pcap.render.mermaid import render_mermaid
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import picture_of_diff, picture_of_graph
from otterize_pcap.render.svg import render_svg


class PictureFormat(StrEnum):
    """How `graph` draws."""

    DOT = "dot"
    MERMAID = "mermaid"
    SVG = "svg"
    HTML = "html"


FORMATS = {
    PictureFormat.DOT: render_dot,
    PictureFormat.MERMAID: render_mermaid,
    PictureFormat.SVG: render_svg,
}


def register(root: typer.Typer) -> None:
    """Add `graph` to the command line."""
    root.command("graph")(graph)


@selects
def graph(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    format_: Annotated[
        PictureFormat | None,
        typer.Option(
            "--format",
            help="The form: for Graphviz, for Markdown, a picture or a page.",
            show_default=BY_SUFFIX.format("dot"),
        ),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="OLD",
            help="An earlier capture or export: what was added and removed since is coloured.",
        ),
    ] = None,
    pods: ByPods = False,
    as_service: AsService = False,
    output: Output = None,
) -> None:
    """Draw who calls whom; html is one page with a map, a matrix and a table to search.

    Example: otterize graph my-capture/ -o calls.html
    """
    form = chosen_form(format_, output, PictureFormat.DOT)
    selection = selection.by_pods(wanted=pods)
    now = read_observed(captures, selection, reporting)
    before = None if since is None else read_either(since, selection, reporting)
    shown = through_services(now) if as_service else now
    if before is None:
        picture = picture_of_graph(shown)
        origins = [Origin(now)]
    else:
        earlier = through_services(before) if as_service else before
        picture = picture_of_diff(diff_graphs(earlier, shown))
        origins = [Origin(before, "old"), Origin(now, "new")]
    if form is PictureFormat.HTML:
        text = render_html(picture, origins=origins)
    else:
        text = FORMATS[form](picture)
    emit(text, output)
    report(now, reporting)
