"""`otterize graph`."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.document_input import read_either, read_observed
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import AsService, ByPods, Captures, Output
from otterize_pcap.cli.terminal import emit, notice
from otterize_pcap.cli.usage_errors import shown as quoted
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.views import through_services
from otterize_pcap.render.dot import render_dot
from otterize_pcap.render.html import render_html
from otterize_pcap.render.mermaid import render_mermaid
from otterize_pcap.render.page_data import WORDS
from otterize_pcap.render.page_labels import LabelColumn, label_columns
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
    group_by: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="What the page of html opens on: namespace, kind, none, or the key of a label of "
            "pods or namespaces, as team.",
            show_default="namespace",
        ),
    ] = "",
    pods: ByPods = False,
    as_service: AsService = False,
    output: Output = None,
) -> None:
    """Draw who calls whom; html is one page with a map, a matrix and a table to search.

    Example: otterize graph my-capture/ -o calls.html
    """
    form = chosen_form(format_, output, PictureFormat.DOT)
    if group_by and form is not PictureFormat.HTML:
        message = f"--group-by {quoted(group_by)} is for html, and this is {form}; drop it"
        raise UsageError(message)
    selection = selection.by_pods(wanted=pods)
    if form is PictureFormat.HTML:
        selection = selection.behind
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
        text = render_html(picture, origins=origins, group_by=group_by)
    else:
        text = FORMATS[form](picture)
    emit(text, output)
    if group_by not in WORDS and form is PictureFormat.HTML:
        _tell_unknown(label_columns(picture, origins, group_by), group_by)
    report(now, reporting)


def _tell_unknown(columns: Sequence[LabelColumn], key: str) -> None:
    """Say that a page opens on namespaces, since nothing has the label asked for."""
    keys = [printable(column.key) for column in columns]
    if not key or key in (column.key for column in columns):
        return
    there = f"there are {', '.join(keys)}" if keys else "no label puts any of them together"
    missing = f"no workload has the label {quoted(key)}, so the page opens on namespaces"
    notice(f"note: {missing}; {there}")
