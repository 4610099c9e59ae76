"""The part of `otterize snapshot` that talks to a cluster: `otterize snapshot -o FILE`.

`attach` makes it the callback of the `snapshot` group, so that `otterize snapshot inspect FILE`
and others can live beside it.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otterize_pcap.cli.output_form import chosen_form
from otterize_pcap.cli.quantities import Mode, parse_duration, parse_mode
from otterize_pcap.cli.terminal import notice, write_out
from otterize_pcap.errors import ClusterError, UsageError
from otterize_pcap.files.writing import PRIVATE, write_whole
from otterize_pcap.system_errors import system_reason

if TYPE_CHECKING:
    from otterize_pcap.cluster.api.client import Cluster


class SnapshotForm(StrEnum):
    """How a snapshot is written."""

    JSON = "json"


def attach(group: typer.Typer) -> None:
    """Make taking a snapshot what the `snapshot` group does when no subcommand is given."""

    @group.callback(invoke_without_command=True)
    def snapshot(
        context_: typer.Context,
        output: Annotated[
            Path | None,
            typer.Option(
                "-o",
                "--output",
                metavar="FILE",
                help="File to write, - for stdout.",
                show_default=False,
            ),
        ] = None,
        watch: Annotated[
            str | None,
            typer.Option(
                metavar="DURATION",
                help="Watch for so long, so that pods that come and go are known.",
                show_default="a single point in time",
            ),
        ] = None,
        context: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="Context of the kubeconfig.", show_default=False),
        ] = None,
        kubeconfig: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Kubeconfig file.", show_default=False)
        ] = None,
        request_timeout: Annotated[
            str,
            typer.Option(
                metavar="DURATION",
                help="How long the API server may take to answer, with all tries.",
            ),
        ] = "30s",
        mode: Mode = "0600",
    ) -> None:
        """Save which pod, Service and node holds which address, for use with any tcpdump.

        Reads pods, services, endpointslices, nodes, pods' owners, namespaces and network policies;
        never Secrets or ConfigMaps.

        Example: otterize snapshot -o snapshot.json --watch 2m
        """
        if context_.invoked_subcommand is not None:
            return
        if output is None:
            message = "otterize snapshot needs -o FILE to write to (- for stdout)"
            raise UsageError(message)
        chosen_form(None, output, SnapshotForm.JSON)
        rights = parse_mode(mode)
        seconds = 0 if watch is None else parse_duration(watch, "--watch")
        from otterize_pcap.cluster.api.kubeconfig import connect  # noqa: PLC0415 - slow to import

        limit = parse_duration(request_timeout, "--request-timeout")
        cluster = connect(kubeconfig, context, limit, notice)
        document = take_snapshot(cluster, seconds)
        write_snapshot(document, output, rights)


def take_snapshot(cluster: "Cluster", seconds: int) -> bytes:
    """The snapshot document, after watching for so many seconds (0: listing once).

    Ctrl-C ends the watch early and keeps what it saw.

    Raises:
        ClusterError: The cluster cannot be read.
    """
    from otterize_pcap.cluster.api import access  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.interrupts import Interrupts  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.snapshot.owners import add_custom_owners  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.snapshot.permissions import snapshot_permissions  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.snapshot.watch import SnapshotWatch  # noqa: PLC0415 - slow

    access.server_version(cluster)
    missing = access.missing_permissions(cluster, snapshot_permissions())
    for note in access.require_permissions(missing):
        notice(f"note: {note}")
    taken = SnapshotWatch(cluster)
    # Ctrl-C ends the first lists; after them it ends the watch, and what was seen is kept.
    taken.start(watch=seconds > 0)
    with Interrupts() as interrupts:
        try:
            lacking = add_custom_owners(cluster, taken)
            for note in (*taken.unreadable, *lacking):
                notice(f"not in the snapshot: {note}")
            if seconds:
                interrupts.stop.wait(seconds)
        finally:
            taken.stop()
    if seconds:
        add_custom_owners(cluster, taken)
    return taken.document()


def write_snapshot(document: bytes, output: Path, mode: int = PRIVATE) -> None:
    """Write a snapshot whole or not at all, with these rights; `-` is stdout.

    Raises:
        ClusterError: The file cannot be written.
    """
    if str(output) == "-":
        write_out(document)
        return
    try:
        write_whole(output, document, mode)
    except OSError as error:
        message = f"{output}: {system_reason(error)}; give another file with -o"
        raise ClusterError(message) from error
    notice(f"snapshot: {output}")
