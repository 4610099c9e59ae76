"""`otterize snapshot`: take a snapshot of a cluster, and look at one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli import snapshot_take
from otterize_pcap.cli.inputs import newest_capture
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.shared_options import Output
from otterize_pcap.cli.terminal import emit
from otterize_pcap.files.object_path import named_path
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.inspect_snapshot import inspect_snapshot
from otterize_pcap.render.inspection import render_inspection, render_inspection_json


class InspectFormat(StrEnum):
    """How an inspection is written."""

    TEXT = "text"
    JSON = "json"


def register(root: typer.Typer) -> None:
    """Add the `snapshot` group to the command line."""
    group = typer.Typer(rich_markup_mode=None)
    snapshot_take.attach(group)
    group.command("inspect")(inspect)
    root.add_typer(group, name="snapshot")


def inspect(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=named_path,
            metavar="FILE",
            help="Snapshot files, directories of them, capture directories, or reduced captures. "
            "Default: the newest directory under ./otterize-captures/.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        InspectFormat | None,
        typer.Option("--format", help="The form.", show_default=BY_SUFFIX.format("text")),
    ] = None,
    output: Output = None,
) -> None:
    """Say what a snapshot holds, what it lacks for the rules, and the time it speaks for.

    Example: otterize snapshot inspect my-capture/
    """
    form = chosen_form(format_, output, InspectFormat.TEXT)
    found = inspect_snapshot(load_snapshot(files or [newest_capture()]))
    render = render_inspection_json if form == InspectFormat.JSON else render_inspection
    emit(render(found), output)
