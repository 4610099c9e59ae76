"""What `otterize capture` says once it is over, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from otterize_pcap.capture_dir import manifest_path
from otterize_pcap.cli import INTERRUPTED
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import ClusterError, OtterizeError, PartialCaptureError
from otterize_pcap.files.opening import path_text
from otterize_pcap.node_status import NodeStatus

if TYPE_CHECKING:
    from otterize_pcap.cluster.capture.run import CaptureOrder, CaptureResult


def report(
    order: "CaptureOrder", result: "CaptureResult", show_calls: Callable[[Path], None]
) -> None:
    """Say where the capture is, what it shows and what is missing, if anything was kept.

    Raises:
        typer.Exit: It was abandoned: by the user, or by a signal.
        ClusterError: No node was captured.
        PartialCaptureError: Something is missing, or was left on the cluster.
    """
    if result.kept is not None:
        notice(f"warning: {result.kept}")
    if result.abandoned:
        kept = manifest_path(order.directory).exists()
        what = f"what had come until then is kept in {path_text(order.directory)}"
        notice(f"abandoned: {what if kept else 'nothing was kept'}")
        raise typer.Exit(INTERRUPTED)
    nodes = result.manifest.nodes
    for node in nodes:
        if node.reason is not None:
            notice(f"{node.name}: {node.status}: {node.reason}")
    captured = [node for node in nodes if node.status is NodeStatus.CAPTURED]
    notice(f"capture: {order.directory} ({len(captured)} of {len(nodes)} nodes)")
    packets, pulled = result.reduced
    if packets:
        notice(f"reduced on the nodes: {counted(packets, 'byte')} of packets; pulled {pulled:,}")
    if any(node.files for node in nodes):
        try:
            show_calls(order.directory)
        except OtterizeError as error:
            # What still runs on the cluster matters more than a recording that cannot be read.
            if result.left_behind is None:
                raise
            notice(f"warning: {error}")
    else:
        reasons = "; ".join(sorted({node.reason or node.status for node in nodes}))
        message = f"no node was captured: {reasons}"
        if result.left_behind is None:
            raise ClusterError(message)
        notice(message)
    if result.left_behind is not None:
        raise PartialCaptureError(result.left_behind)
    if result.partial:
        missing = ", ".join(node.name for node in nodes if node.status is not NodeStatus.CAPTURED)
        message = (
            f"{order.directory} is not complete ({missing or 'a recording ended early'}); "
            "its manifest.json says what is missing"
        )
        raise PartialCaptureError(message)
