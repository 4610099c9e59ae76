"""Leave nothing behind: Jobs deleted by label, and their pods seen to be gone.

Deletion goes by label rather than by what we remember having created, because the answer to a
create may have been lost on the way.
"""

import time
from dataclasses import dataclass

from otterize_pcap.cluster.api.client import ApiRefusedError, Cluster, Json, retried
from otterize_pcap.cluster.capture.nodes import list_all
from otterize_pcap.cluster.labels import CAPTURE_SELECTOR, ID_LABEL, NODE_ANNOTATION
from otterize_pcap.errors import ClusterError

RETRY_S = 60.0
GONE_S = 45.0
DELETE_OPTIONS: Json = {
    "apiVersion": "v1",
    "kind": "DeleteOptions",
    "propagationPolicy": "Background",
}


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A capture Job that exists; `active` while its pod runs."""

    namespace: str
    name: str
    node: str
    capture_id: str
    created: str
    active: bool


def find_jobs(cluster: Cluster, namespace: str | None, capture_id: str | None) -> list[LeftJob]:
    """All capture Jobs, by name; namespace None is all, capture_id None is every capture's."""
    scope = f"namespaces/{namespace}/" if namespace else ""
    selector = CAPTURE_SELECTOR + (f",{ID_LABEL}={capture_id}" if capture_id else "")
    found = list_all(cluster, f"/apis/batch/v1/{scope}jobs", (("labelSelector", selector),))
    return sorted((_left(job) for job in found), key=lambda job: (job.namespace, job.name))


def delete_jobs(cluster: Cluster, jobs: list[LeftJob]) -> None:
    """Delete Jobs and wait until their pods are gone.

    Raises:
        ClusterError: Some are still there; the message says which and how to remove them.
    """
    for job in jobs:
        retried(RETRY_S, _delete, cluster, job)
    deadline = time.monotonic() + GONE_S
    while left := _pods_left(cluster, jobs):
        if time.monotonic() > deadline:
            message = (
                f"still there {GONE_S:.0f} s after their Jobs were deleted: {', '.join(left)}; "
                "kubectl describe them to see what holds them"
            )
            raise ClusterError(message)
        time.sleep(0.3)


def delete_capture(cluster: Cluster, namespace: str, capture_id: str) -> None:
    """Delete everything that one capture created.

    Raises:
        ClusterError: It could not be done; the message gives the command that does it.
    """
    try:
        jobs = retried(RETRY_S, find_jobs, cluster, namespace, capture_id)
        delete_jobs(cluster, jobs)
    except ClusterError as error:
        message = (
            f"the capture's Jobs could not be deleted: {error}; later run: "
            f"otterize capture cleanup --job-namespace {namespace} --id {capture_id}"
        )
        raise ClusterError(message) from error


def _delete(cluster: Cluster, job: LeftJob) -> None:
    path = f"/apis/batch/v1/namespaces/{job.namespace}/jobs/{job.name}"
    try:
        cluster.delete(path, DELETE_OPTIONS)
    except ApiRefusedError as error:
        if error.status != 404:
            raise


def _pods_left(cluster: Cluster, jobs: list[LeftJob]) -> list[str]:
    names = {job.name for job in jobs}
    left = []
    for namespace in sorted({job.namespace for job in jobs}):
        query = (("labelSelector", CAPTURE_SELECTOR),)
        pods = retried(RETRY_S, list_all, cluster, f"/api/v1/namespaces/{namespace}/pods", query)
        left += [
            f"pod {namespace}/{pod['metadata']['name']}"
            for pod in pods
            if pod["metadata"]["labels"].get("job-name") in names
        ]
    return left


def _left(job: Json) -> LeftJob:
    metadata = job["metadata"]
    return LeftJob(
        metadata["namespace"],
        metadata["name"],
        (metadata.get("annotations") or {}).get(NODE_ANNOTATION, "?"),
        metadata["labels"].get(ID_LABEL, ""),
        metadata["creationTimestamp"],
        bool((job.get("status") or {}).get("active")),
    )
