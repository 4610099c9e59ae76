"""One capture from the first Job to a closed capture directory.

Order matters here: the snapshot begins before the first packet and ends after the last, files are
on disk before the Jobs that hold them are deleted, and deleting happens whatever else went wrong.
"""

import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from otterize_pcap.capture_dir import (
    MANIFEST_VERSION,
    Manifest,
    NodeCapture,
    encode_manifest,
    manifest_path,
    pcap_dir,
    snapshot_path,
)
from otterize_pcap.cluster.api import ApiRefusedError, Cluster, Json, retried
from otterize_pcap.cluster.capture_job import JobPlan, fill_job, job_name, load_template
from otterize_pcap.cluster.cleanup import delete_capture
from otterize_pcap.cluster.collect import (
    Collector,
    NodeResult,
    is_partial,
    manifest_entry,
    sync_directory,
)
from otterize_pcap.cluster.follow import Follower, NodeJob
from otterize_pcap.cluster.interrupts import Interrupts
from otterize_pcap.cluster.nodes import NodeChoice
from otterize_pcap.cluster.progress_table import ProgressTable
from otterize_pcap.cluster.snapshot_owners import add_custom_owners
from otterize_pcap.cluster.snapshot_watch import SnapshotWatch
from otterize_pcap.errors import ClusterError
from otterize_pcap.version import __version__

CREATORS = 8
PULLERS = 4
CREATE_RETRY_S = 20.0


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """What to capture and where to put it."""

    plan: JobPlan
    nodes: tuple[NodeChoice, ...]
    directory: Path
    server_version: str
    namespaces: tuple[str, ...]
    pod_selector: str
    keep: bool


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """How it went; `abandoned` where the user gave up and no directory was closed."""

    manifest: Manifest
    partial: bool
    abandoned: bool
    left_behind: str | None


def run_capture(
    cluster: Cluster, order: CaptureOrder, interrupts: Interrupts, board: ProgressTable
) -> CaptureResult:
    """Record all nodes of an order, pull them and delete what was created.

    Raises:
        ClusterError: The snapshot could not be taken; nothing is left on the cluster.
    """
    snapshot = SnapshotWatch(cluster)
    jobs = [
        NodeJob(choice.name, job_name(order.plan.capture_id, choice.name))
        for choice in order.nodes
        if choice.skipped is None
    ]
    left_behind = None
    results: dict[str, NodeResult] = {}
    try:
        snapshot.start()
        for note in snapshot.unreadable:
            board.say(f"not in the snapshot: {note}")
        add_custom_owners(cluster, snapshot)
        results = _record(cluster, order, jobs, interrupts, board)
    finally:
        snapshot.stop()
        if order.keep:
            left_behind = f"the Jobs are kept; remove them with: {_cleanup_command(order)}"
        else:
            left_behind = _delete(cluster, order)
    if interrupts.abandon.is_set():
        discard(order.directory)
        return CaptureResult(
            _manifest(cluster, order, jobs, results, snapshot), True, True, left_behind
        )
    add_custom_owners(cluster, snapshot)
    _write(snapshot_path(order.directory), snapshot.document())
    manifest = _manifest(cluster, order, jobs, results, snapshot)
    _write(manifest_path(order.directory), encode_manifest(manifest))
    sync_directory(order.directory)
    partial = any(choice.missing for choice in order.nodes) or any(
        is_partial(node, results[node.name].state if node.name in results else None)
        for node in manifest.nodes
        if node.status != "skipped"
    )
    return CaptureResult(manifest, partial, False, left_behind)


def _record(
    cluster: Cluster,
    order: CaptureOrder,
    jobs: list[NodeJob],
    interrupts: Interrupts,
    board: ProgressTable,
) -> dict[str, NodeResult]:
    """Create the Jobs, follow them, pull each node as it finishes."""
    collector = Collector(cluster, order.plan, order.directory, interrupts.abandon)
    pulls: dict[str, Future[NodeResult]] = {}
    with ThreadPoolExecutor(PULLERS, thread_name_prefix="pull") as pool:

        def ready(job: NodeJob) -> None:
            pulls[job.node] = pool.submit(collector.collect, job)
            pulls[job.node].add_done_callback(lambda _: interrupts.wake())

        created = threading.Thread(
            target=_create_jobs, args=(cluster, order.plan, jobs, interrupts), daemon=True
        )
        created.start()
        Follower(cluster, order.plan, interrupts, ready, board.show).follow(jobs)
        created.join()
    return {node: pull.result() for node, pull in pulls.items()}


def _create_jobs(
    cluster: Cluster, plan: JobPlan, jobs: list[NodeJob], interrupts: Interrupts
) -> None:
    template = load_template()
    with ThreadPoolExecutor(CREATORS, thread_name_prefix="create") as pool:

        def create(job: NodeJob) -> None:
            if interrupts.stop.is_set():
                job.fail("stopped before its Job was created")
                return
            job.since = time.monotonic()
            try:
                retried(CREATE_RETRY_S, _create_job, cluster, fill_job(template, plan, job.node))
            except ClusterError as error:
                job.fail(str(error))

        list(pool.map(create, jobs))


def _create_job(cluster: Cluster, job: Json) -> None:
    path = f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/jobs"
    try:
        cluster.post(path, job)
    except ApiRefusedError as error:
        # The name is ours alone: it exists because an earlier answer was lost.
        if error.status != 409:
            raise


def _delete(cluster: Cluster, order: CaptureOrder) -> str | None:
    """Delete the capture's Jobs; returns what a person must do where that failed."""
    try:
        delete_capture(cluster, order.plan.namespace, order.plan.capture_id)
    except ClusterError as error:
        return str(error)
    return None


def _cleanup_command(order: CaptureOrder) -> str:
    plan = order.plan
    return f"otterize capture cleanup --job-namespace {plan.namespace} --id {plan.capture_id}"


def _manifest(
    cluster: Cluster,
    order: CaptureOrder,
    jobs: list[NodeJob],
    results: dict[str, NodeResult],
    snapshot: SnapshotWatch,
) -> Manifest:
    entries = [manifest_entry(job, results.get(job.node), order.plan) for job in jobs]
    entries += [
        NodeCapture(choice.name, "skipped", choice.skipped)
        for choice in order.nodes
        if choice.skipped is not None
    ]
    starts = [entry.start for entry in entries if entry.start is not None]
    ends = [entry.end for entry in entries if entry.end is not None]
    plan = order.plan
    return Manifest(
        version=MANIFEST_VERSION,
        tool=f"otterize-pcap {__version__}",
        start=min(starts, default=snapshot.started),
        end=max(ends, default=snapshot.ended or snapshot.started),
        nodes=tuple(sorted(entries, key=lambda entry: entry.name)),
        cluster=cluster.name,
        server_version=order.server_version,
        profile=plan.profile,
        filter=plan.filter or None,
        snaplen=plan.snaplen,
        interface=plan.interface,
        namespaces=order.namespaces,
        pod_selector=order.pod_selector or None,
    )


def _write(path: Path, document: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(document)
    part.replace(path)


def discard(directory: Path) -> None:
    """Remove what an abandoned capture wrote; the directory goes only if that was all."""
    for folder in (pcap_dir(directory), directory / "node"):
        shutil.rmtree(folder, ignore_errors=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def prepare_directory(directory: Path) -> None:
    """Make the capture directory; its pcap folder must not hold another capture.

    Raises:
        ClusterError: It cannot be written, or is not empty.
    """
    try:
        if directory.exists() and any(directory.iterdir()):
            message = f"{directory} is not empty; give another directory with -o"
            raise ClusterError(message)
        pcap_dir(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{directory}: {error.strerror}; give another directory with -o"
        raise ClusterError(message) from error
