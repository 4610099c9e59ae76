"""`otterize snapshot`: take a snapshot of a cluster, and look at one."""

import typer

from otterize_pcap.cli import snapshot_take


def register(root: typer.Typer) -> None:
    """Add the `snapshot` group to the command line."""
    group = typer.Typer(rich_markup_mode=None)
    snapshot_take.attach(group)
    root.add_typer(group, name="snapshot")
