"""What `otterize capture` does with its options: preflight, capture, report.

The cluster package is imported inside the functions: it brings the Kubernetes client along, which
no other command must pay for.
"""

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.cli import INTERRUPTED
from otterize_pcap.cli.capture_reduce import ReduceWish
from otterize_pcap.cli.capture_report import report
from otterize_pcap.cli.terminal import is_terminal, notice, write_out
from otterize_pcap.counted import counted
from otterize_pcap.errors import UsageError

if TYPE_CHECKING:
    from otterize_pcap.cluster.api.client import Cluster
    from otterize_pcap.cluster.capture.job import JobPlan
    from otterize_pcap.cluster.capture.nodes import NodeChoice
    from otterize_pcap.cluster.capture.run import CaptureOrder, CaptureResult

SMALLEST_BYTES = 1024 * 1024
INTERFACE = re.compile(r"[A-Za-z0-9_.][-A-Za-z0-9_.:@]{0,14}\Z")


class CaptureRequest(Struct, frozen=True):
    """The options of one `otterize capture`; seconds and bytes."""

    nodes: tuple[str, ...]
    node_selector: str
    namespaces: tuple[str, ...]
    pod_selector: str
    seconds: int
    profile: str
    snaplen: int | None
    max_bytes: int
    reduce: ReduceWish | None
    filter: str
    interface: str
    image: str | None
    image_pull_secrets: tuple[str, ...]
    job_namespace: str | None
    pending_seconds: int
    kubeconfig: Path | None
    context: str | None
    request_timeout: int
    directory: Path
    dry_run: bool
    keep: bool
    yes: bool


def default_directory() -> Path:
    """Where a capture goes when no one says: by UTC time, so that names sort."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return Path("otterize-captures") / stamp


def confirm(question: str, *, yes: bool) -> None:
    """Ask, where there is someone to ask.

    Raises:
        UsageError: The answer was no, or there is no terminal and no --yes.
    """
    if yes:
        return
    if not is_terminal(sys.stdin):
        message = "this needs a confirmation and stdin is no terminal; add --yes"
        raise UsageError(message)
    if not typer.confirm(question, err=True):
        message = "not confirmed; nothing was changed"
        raise UsageError(message)


def capture_nodes(request: CaptureRequest, show_calls: Callable[[Path], None]) -> None:
    """Run one capture and print where it is and what it holds.

    Raises:
        UsageError: An option makes no sense.
        ClusterError: The cluster cannot be used, or nothing was captured.
        PartialCaptureError: Some nodes are missing; the directory is there all the same.
        typer.Exit: The user abandoned it.
    """
    _check_request(request)
    from otterize_pcap.cluster.interrupts import (  # noqa: PLC0415 - slow
        ending_as_interrupted,
        ending_at_once,
    )

    with ending_at_once(INTERRUPTED):
        prepared = _prepare(request)
    if prepared is None:
        return
    cluster, plan, nodes, version = prepared
    with ending_as_interrupted():
        order = _order(request, plan, nodes, version)
        result = _run(cluster, order)
        report(order, result, show_calls)


def _prepare(
    request: CaptureRequest,
) -> "tuple[Cluster, JobPlan, list[NodeChoice], str] | None":
    """The preflight: cluster, plan, nodes and version; None where that was all (--dry-run)."""
    from otterize_pcap.cluster.api.access import server_version  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.api.kubeconfig import connect  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.nodes import NodeWish, choose_nodes  # noqa: PLC0415 - slow

    cluster = connect(request.kubeconfig, request.context, request.request_timeout, notice)
    version = server_version(cluster)
    plan = _plan(request, request.job_namespace or cluster.namespace)
    _check_permissions(cluster, plan.namespace)
    wish = NodeWish(request.nodes, request.node_selector, request.namespaces, request.pod_selector)
    nodes = choose_nodes(cluster, wish)
    if request.reduce is not None:
        plan = _reducing(cluster, plan, request.reduce, nodes)
    _check_cluster(cluster, plan, nodes, request)
    return None if request.dry_run else (cluster, plan, nodes, version)


def _check_request(request: CaptureRequest) -> None:
    from otterize_pcap.capture_dir import PROFILES  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.preflight import check_filter  # noqa: PLC0415 - slow

    if request.profile not in PROFILES:
        message = f"--profile {request.profile!r} is none of {', '.join(PROFILES)}"
        raise UsageError(message)
    if request.max_bytes < SMALLEST_BYTES:
        message = "--max-size is smaller than 1Mi, which ends a capture at once"
        raise UsageError(message)
    if not INTERFACE.match(request.interface):
        message = f"--interface {request.interface!r} is no interface name"
        raise UsageError(message)
    if request.reduce is not None and request.profile == "full":
        message = (
            "--profile full keeps packets whole, and --reduce keeps none; use --profile headers"
        )
        raise UsageError(message)
    check_filter(request.filter)


def _plan(request: CaptureRequest, namespace: str) -> "JobPlan":
    from otterize_pcap.capture_dir import PROFILES  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.job import JobPlan  # noqa: PLC0415 - slow

    return JobPlan(
        capture_id=os.urandom(4).hex(),
        namespace=namespace,
        seconds=request.seconds,
        profile=request.profile,
        snaplen=request.snaplen or PROFILES[request.profile],
        max_bytes=request.max_bytes,
        filter=request.filter,
        interface=request.interface,
        image=request.image,
        image_pull_secrets=request.image_pull_secrets,
        pending_seconds=request.pending_seconds,
    )


def _reducing(
    cluster: "Cluster", plan: "JobPlan", wish: ReduceWish, nodes: "list[NodeChoice]"
) -> "JobPlan":
    """The plan with how it is reduced.

    Raises:
        UsageError: The binary does not run on a node.
    """
    from otterize_pcap.cluster.capture.job import ReducePlan  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.nodes import node_addresses  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.preflight import check_architecture  # noqa: PLC0415 - slow

    if wish.binary is not None:
        check_architecture(wish.binary, nodes)
    ends = node_addresses(cluster)
    return replace(plan, reduce=ReducePlan(wish.sha256, wish.disk_bytes, ends))


def _check_permissions(cluster: "Cluster", namespace: str) -> None:
    from otterize_pcap.cluster.api import access  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.preflight import capture_permissions  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.snapshot.permissions import snapshot_permissions  # noqa: PLC0415 - slow

    wanted = snapshot_permissions() + capture_permissions(namespace)
    for note in access.require_permissions(access.missing_permissions(cluster, wanted)):
        notice(f"note: {note}")


def _check_cluster(
    cluster: "Cluster", plan: "JobPlan", nodes: "list[NodeChoice]", request: CaptureRequest
) -> None:
    """The rest of the preflight; with --dry-run, the manifests on stdout."""
    from otterize_pcap.cluster.api import access  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture import preflight  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.job import (  # noqa: PLC0415 - slow
        fill_job,
        load_template,
        manifest_text,
    )

    for choice in nodes:
        if choice.skipped is not None:
            notice(f"note: {choice.name} is not captured: {choice.skipped}")
    architectures = sorted({choice.architecture for choice in nodes if choice.skipped is None})
    if len(architectures) > 1:
        said = f"nodes are {' and '.join(architectures)}; the image must be built for each"
        notice(f"note: {said}")
    template = load_template()
    jobs = [fill_job(template, plan, choice.name) for choice in nodes if choice.skipped is None]
    if request.dry_run:
        write_out(manifest_text(jobs))
    preflight.check_pod_security(cluster, plan.namespace)
    if access.is_allowed(
        cluster, access.Permission("create", "", "pods", plan.namespace, required=False)
    ):
        preflight.dry_run_pod(cluster, jobs[0])
    if not request.dry_run and not request.yes and is_terminal(sys.stdin):
        confirm(
            f"Capture {counted(len(jobs), 'node')} for {plan.seconds} s, at most "
            f"{plan.max_bytes // 1024} KiB on each, by Jobs in namespace {plan.namespace}?",
            yes=False,
        )


def _order(
    request: CaptureRequest, plan: "JobPlan", nodes: "list[NodeChoice]", version: str
) -> "CaptureOrder":
    from otterize_pcap.cluster.capture.directory import prepare_directory  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.run import CaptureOrder  # noqa: PLC0415 - slow

    prepare_directory(request.directory)
    return CaptureOrder(
        plan=plan,
        nodes=tuple(nodes),
        directory=request.directory,
        server_version=version,
        namespaces=request.namespaces,
        pod_selector=request.pod_selector,
        keep=request.keep,
        reducer=None if request.reduce is None else request.reduce.binary,
    )


def _run(cluster: "Cluster", order: "CaptureOrder") -> "CaptureResult":
    from otterize_pcap.cluster.capture.progress_table import ProgressTable  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture.run import begin_snapshot, run_capture  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.interrupts import Interrupts  # noqa: PLC0415 - slow

    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    color = "NO_COLOR" not in os.environ
    with ProgressTable(live=live, color=color) as progress:
        cluster.waiting.say = progress.say
        # Until something is on the cluster Ctrl-C just ends it.
        snapshot = begin_snapshot(cluster, order, progress)
        with Interrupts() as interrupts:
            return run_capture(cluster, order, snapshot, interrupts, progress)
