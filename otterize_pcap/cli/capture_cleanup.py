"""What `otterize capture cleanup` does with its options."""

from pathlib import Path

from msgspec import Struct

from otterize_pcap.cli.capture_nodes import confirm
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import ClusterError, PartialCaptureError


class CleanUp(Struct, frozen=True):
    """The options of one `otterize capture cleanup`; `request_timeout` in seconds."""

    job_namespace: str | None
    all_namespaces: bool
    capture_id: str | None
    context: str | None
    kubeconfig: Path | None
    request_timeout: int
    yes: bool


def clean_up(wanted: CleanUp) -> None:
    """Find the Jobs that captures left, ask, and delete them.

    Raises:
        UsageError: Not confirmed.
        ClusterError: The cluster cannot be asked, or the account may not delete them.
        PartialCaptureError: Some could not be deleted; the message has the command that does it.
    """
    from otterize_pcap.cluster.api import access  # noqa: PLC0415 - slow to import
    from otterize_pcap.cluster.api.kubeconfig import connect  # noqa: PLC0415 - slow
    from otterize_pcap.cluster.capture import cleanup  # noqa: PLC0415 - slow

    cluster = connect(wanted.kubeconfig, wanted.context, wanted.request_timeout, notice)
    namespace = None if wanted.all_namespaces else wanted.job_namespace or cluster.namespace
    asked = cleanup.cleanup_permissions(namespace or "")
    access.require_permissions(access.missing_permissions(cluster, asked))
    jobs = cleanup.find_jobs(cluster, namespace, wanted.capture_id)
    if not jobs:
        notice(f"No capture Jobs in {namespace or 'any namespace'}.")
        return
    for job in jobs:
        state = "running" if job.active else "finished"
        notice(f"{job.namespace}/{job.name}  node {job.node}  {state}, created {job.created}")
    confirm(f"Delete {counted(len(jobs), 'Job')}?", yes=wanted.yes)
    try:
        cleanup.delete_jobs(cluster, jobs)
    except ClusterError as error:
        command = cleanup.delete_command(cluster, namespace, wanted.capture_id)
        message = f"not all is deleted: {error}; delete it with: {command}"
        raise PartialCaptureError(message) from error
    notice(f"Deleted {counted(len(jobs), 'capture Job')} and their pods.")
