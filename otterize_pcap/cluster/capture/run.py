"""One capture from the first Job to a closed capture directory.

Order matters here: the snapshot begins before the first packet and ends after the last, files are
on disk before the Jobs that hold them are deleted, and deleting happens whatever else went wrong.
All else goes side by side: creating, following, pulling, deleting, and the snapshot's last lists.
"""

import time
from concurrent.futures import Future
from pathlib import Path

from msgspec import Struct

from otterize_pcap.capture_dir import MANIFEST_VERSION, Manifest, NodeCapture
from otterize_pcap.cluster.api.client import Cluster, Json, retried
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.api.waiting import side_by_side
from otterize_pcap.cluster.capture.cleanup import delete_capture, delete_finished
from otterize_pcap.cluster.capture.collect import Collector
from otterize_pcap.cluster.capture.directory import close_directory, discard
from otterize_pcap.cluster.capture.follow import Follower, NodeJob
from otterize_pcap.cluster.capture.job import JobPlan, fill_job, job_name, load_template
from otterize_pcap.cluster.capture.manifest_entries import NodeResult, is_partial, manifest_entry
from otterize_pcap.cluster.capture.nodes import NodeChoice
from otterize_pcap.cluster.capture.progress_table import ProgressTable
from otterize_pcap.cluster.interrupts import Interrupts
from otterize_pcap.cluster.snapshot.owners import add_custom_owners
from otterize_pcap.cluster.snapshot.watch import SnapshotWatch
from otterize_pcap.crew import Crew
from otterize_pcap.errors import ClusterError
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.threads import begin_thread
from otterize_pcap.version import __version__

CREATORS = 8
PULLERS = 4
CREATE_RETRY_S = 20.0


class CaptureOrder(Struct, frozen=True):
    """What to capture and where to put it; `reducer` is a program to copy to nodes."""

    plan: JobPlan
    nodes: tuple[NodeChoice, ...]
    directory: Path
    server_version: str
    namespaces: tuple[str, ...]
    pod_selector: str
    keep: bool
    reducer: Path | None = None


class CaptureResult(Struct, frozen=True):
    """How it went.

    `reduced` are bytes of packets that nodes reduced, 0 where they did not, and of what was pulled.
    `abandoned` where a signal ended it, whether or not there was anything to keep. `kept` and
    `left_behind` say what is on the cluster still: because it was asked for, and because it could
    not be deleted.
    """

    manifest: Manifest
    partial: bool
    abandoned: bool
    kept: str | None
    left_behind: str | None
    reduced: tuple[int, int] = (0, 0)


def begin_snapshot(cluster: Cluster, order: CaptureOrder, progress: ProgressTable) -> SnapshotWatch:
    """Begin to watch; nothing is on the cluster yet, and a failure leaves nothing here either.

    Raises:
        ClusterError: The snapshot cannot be taken.
    """
    snapshot = SnapshotWatch(cluster)
    try:
        snapshot.start()
        for note in (*snapshot.unreadable, *add_custom_owners(cluster, snapshot)):
            progress.say(f"not in the snapshot: {note}")
    except BaseException:
        # Ctrl-C too.
        discard(order.directory)
        raise
    return snapshot


def run_capture(
    cluster: Cluster,
    order: CaptureOrder,
    snapshot: SnapshotWatch,
    interrupts: Interrupts,
    progress: ProgressTable,
) -> CaptureResult:
    """Record all nodes of an order, pull them and delete what was created.

    Args:
        cluster: The API server.
        order: What to capture.
        snapshot: What `begin_snapshot` began; ended here.
        interrupts: Stops it early, or abandons it.
        progress: Shows how far it is.

    Raises:
        ClusterError: The directory could not be closed; nothing is left on the cluster.
    """
    jobs = [
        NodeJob(choice.name, job_name(order.plan.capture_id, choice.name))
        for choice in order.nodes
        if choice.skipped is None
    ]
    results: dict[str, NodeResult] = {}
    left_behind: list[str | None] = []
    try:
        results = _record(cluster, order, jobs, interrupts, progress)
    finally:
        # The deletion is first: it is what is waited for, whatever becomes of the other.
        ending = (lambda: left_behind.append(_delete(cluster, order, progress)), snapshot.stop)
        side_by_side(ending, len(ending))
    kept = f"the Jobs are kept; remove them with: {_cleanup_command(order)}" if order.keep else None
    abandoned = interrupts.abandon.is_set()
    if not abandoned:
        add_custom_owners(cluster, snapshot)
    for job in jobs:
        # Without effect where it is over.
        job.fail("ended by a signal before its recording did")
    manifest = _manifest(cluster, order, jobs, results, snapshot)
    # Pcap files come at the end, all within a moment; tables came all the time.
    keeps = interrupts.keeps and order.plan.reduce is not None
    if abandoned and not (keeps and any(node.files for node in manifest.nodes)):
        discard(order.directory)
        return CaptureResult(manifest, True, True, kept, left_behind[0])
    close_directory(order.directory, snapshot.document(), manifest)
    partial = any(choice.missing for choice in order.nodes) or any(
        is_partial(node, results[node.name].state if node.name in results else None)
        for node in manifest.nodes
        if node.status is not NodeStatus.SKIPPED
    )
    packets = sum(result.packet_bytes for result in results.values())
    pulled = sum(file.bytes for node in manifest.nodes for file in node.files)
    return CaptureResult(manifest, partial, abandoned, kept, left_behind[0], (packets, pulled))


def _record(
    cluster: Cluster,
    order: CaptureOrder,
    jobs: list[NodeJob],
    interrupts: Interrupts,
    progress: ProgressTable,
) -> dict[str, NodeResult]:
    """Create the Jobs, follow them, pull each node as it finishes and delete its Job."""
    collector = Collector(cluster, order.plan, order.directory, interrupts.abandon, order.reducer)
    pulls: dict[str, Future[NodeResult]] = {}

    def collect(job: NodeJob) -> NodeResult:
        result = collector.collect(job)
        if not order.keep:
            # Pods take a second or two to go: the first ones go while others are being pulled.
            delete_finished(cluster, order.plan.namespace, job.name)
        return result

    with Crew(PULLERS, "pull") as crew:

        def ready(job: NodeJob) -> None:
            pulls[job.node] = crew.submit(collect, job)
            pulls[job.node].add_done_callback(lambda _: interrupts.wake())

        creating = (cluster, order.plan, jobs, interrupts)
        created = begin_thread(_create_jobs, *creating)
        if created is None:
            _create_jobs(*creating)

        def look(shown: list[NodeJob]) -> None:
            progress.show(shown)
            if collector.reducing is not None:
                collector.reducing.look(shown)

        Follower(cluster, order.plan, interrupts, ready, look).follow(jobs)
        if created is not None:
            created.join()
    if collector.reducing is not None:
        collector.reducing.end()
    came = {job.node: collector.what_came(job) for job in jobs if job.node not in pulls}
    return came | {node: pull.result() for node, pull in pulls.items()}


def _create_jobs(
    cluster: Cluster, plan: JobPlan, jobs: list[NodeJob], interrupts: Interrupts
) -> None:
    template = load_template()
    with Crew(CREATORS, "create") as crew:

        def create(job: NodeJob) -> None:
            if interrupts.stop.is_set():
                job.fail("stopped before its Job was created")
                return
            job.since = time.monotonic()
            try:
                filled = fill_job(template, plan, job.node)
                retried(CREATE_RETRY_S, cluster, _create_job, filled)
            except ClusterError as error:
                job.fail(str(error))

        crew.map(create, jobs)


def _create_job(cluster: Cluster, job: Json) -> None:
    path = f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/jobs"
    try:
        cluster.post(path, job)
    except ApiRefusedError as error:
        # The name is ours alone: it exists because an earlier answer was lost.
        if error.status != 409:
            raise


def _delete(cluster: Cluster, order: CaptureOrder, progress: ProgressTable) -> str | None:
    """Delete the capture's Jobs; returns what a person must do where that failed."""
    if order.keep:
        return None
    try:
        delete_capture(cluster, order.plan.namespace, order.plan.capture_id)
    except ClusterError as error:
        # Here too: whatever else goes wrong on the way out, this must be known.
        progress.say(f"warning: {error}")
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
        NodeCapture(choice.name, NodeStatus.SKIPPED, choice.skipped)
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
