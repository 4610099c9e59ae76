"""`otterize netpol`: the group."""

import typer

from otterize_pcap.cli.netpol_check import check_network_policies
from otterize_pcap.cli.netpol_export import export_policies


def register(root: typer.Typer) -> None:
    """Add the `netpol` group to the command line."""
    group = typer.Typer(
        help="Make NetworkPolicies of what was observed, or hold them against it.\n\n"
        "Example: otterize netpol export my-capture/",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("export")(export_policies)
    group.command("check")(check_network_policies)
    root.add_typer(group, name="netpol")
