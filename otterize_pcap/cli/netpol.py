"""`otterize netpol`: the group."""

import typer

from otterize_pcap.cli.netpol_check import check_network_policies


def register(root: typer.Typer) -> None:
    """Add the `netpol` group to the command line."""
    group = typer.Typer(
        help="Hold NetworkPolicies against what was observed.\n\n"
        "Example: otterize netpol check k8s/ my-capture/",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("check")(check_network_policies)
    root.add_typer(group, name="netpol")
