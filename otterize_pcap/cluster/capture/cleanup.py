"""Leave nothing behind: Jobs deleted by label, and their pods seen to be gone.

Deletion goes by label rather than by what we remember having created, because the answer to a
create may have been lost on the way. What cannot be deleted is told with the kubectl command that
does it.
"""

import time
from functools import partial
from http import HTTPStatus

from msgspec import Struct

from otterize_pcap.cluster.api.access import Permission
from otterize_pcap.cluster.api.client import Cluster, Json, retried
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.api.waiting import side_by_side
from otterize_pcap.cluster.capture.nodes import list_all
from otterize_pcap.cluster.labels import CAPTURE_SELECTOR, ID_LABEL, NODE_ANNOTATION
from otterize_pcap.errors import ClusterError

RETRY_S = 60.0
GONE_S = 45.0
GONE_POLL_S = 0.2
DELETERS = 8
DELETE_OPTIONS: Json = {
    "apiVersion": "v1",
    "kind": "DeleteOptions",
    "propagationPolicy": "Background",
}


class LeftJob(Struct, frozen=True):
    """A capture Job that exists; `active` while its pod runs."""

    namespace: str
    name: str
    node: str
    capture_id: str
    created: str
    active: bool


def cleanup_permissions(namespace: str) -> list[Permission]:
    """What finding Jobs, deleting them and seeing their pods go needs; "" is all namespaces."""
    return [
        Permission(verb, group, what, namespace, required=True)
        for verb, group, what in (
            ("list", "batch", "jobs"),
            ("delete", "batch", "jobs"),
            ("list", "", "pods"),
        )
    ]


def find_jobs(cluster: Cluster, namespace: str | None, capture_id: str | None) -> list[LeftJob]:
    """All capture Jobs, by name; namespace None is all, capture_id None is every capture's."""
    scope = f"namespaces/{namespace}/" if namespace else ""
    query = (("labelSelector", _selector(capture_id)),)
    found = list_all(cluster, f"/apis/batch/v1/{scope}jobs", query)
    return sorted((_left(job) for job in found), key=lambda job: (job.namespace, job.name))


def delete_jobs(cluster: Cluster, jobs: list[LeftJob]) -> None:
    """Delete Jobs and wait until their pods are gone.

    Raises:
        ClusterError: Some are still there; the message says which and the command that helps.
    """
    _delete_all(cluster, jobs)
    names = {job.name for job in jobs}
    for namespace in sorted({job.namespace for job in jobs}):
        _wait_until_gone(cluster, namespace, _selector(None), names)


def delete_capture(cluster: Cluster, namespace: str, capture_id: str) -> None:
    """Delete everything that one capture created.

    Raises:
        ClusterError: It could not be done; the message gives the command that does it.
    """
    try:
        _delete_all(cluster, retried(RETRY_S, cluster, find_jobs, namespace, capture_id))
        # Also of Jobs that were deleted before.
        _wait_until_gone(cluster, namespace, _selector(capture_id), None)
    except ClusterError as error:
        command = delete_command(cluster, namespace, capture_id)
        message = f"the capture's Jobs could not be deleted: {error}; delete them with: {command}"
        raise ClusterError(message) from error


def _delete_all(cluster: Cluster, jobs: list[LeftJob]) -> None:
    tries = (partial(_trouble_deleting, cluster, job) for job in jobs)
    troubles = [trouble for trouble in side_by_side(tries, DELETERS) if trouble is not None]
    if troubles:
        raise ClusterError("; ".join(troubles))


def _wait_until_gone(
    cluster: Cluster, namespace: str, selector: str, jobs: set[str] | None
) -> None:
    """Wait for the pods of a namespace and selector, of these Jobs or of all, to be gone."""
    deadline = time.monotonic() + GONE_S
    path, query = f"/api/v1/namespaces/{namespace}/pods", (("labelSelector", selector),)
    while True:
        pods = retried(RETRY_S, cluster, list_all, path, query)
        left = [
            str(pod["metadata"]["name"])
            for pod in pods
            if jobs is None or pod["metadata"]["labels"].get("job-name") in jobs
        ]
        if not left:
            return
        if time.monotonic() > deadline:
            command = f"{cluster.kubectl} delete pod -n {namespace} --force --grace-period=0"
            message = (
                f"pods are still there {GONE_S:.0f} s after their Jobs were deleted: "
                f"{', '.join(left)}; if their nodes are gone for good: {command} {' '.join(left)}"
            )
            raise ClusterError(message)
        time.sleep(GONE_POLL_S)


def delete_finished(cluster: Cluster, namespace: str, name: str) -> None:
    """Begin to delete a Job that is no longer needed; `delete_capture` sees to the rest."""
    try:
        _delete(cluster, namespace, name)
    except ClusterError:
        return


def delete_command(cluster: Cluster, namespace: str | None, capture_id: str | None) -> str:
    """The kubectl command that deletes what `find_jobs` finds, and its pods."""
    scope = f"-n {namespace}" if namespace else "-A"
    return f"{cluster.kubectl} delete jobs {scope} -l {_selector(capture_id)}"


def _selector(capture_id: str | None) -> str:
    return CAPTURE_SELECTOR + (f",{ID_LABEL}={capture_id}" if capture_id else "")


def _trouble_deleting(cluster: Cluster, job: LeftJob) -> str | None:
    """Why a Job cannot be deleted; None where it was, so that the others are tried too."""
    try:
        retried(RETRY_S, cluster, _delete, job.namespace, job.name)
    except ClusterError as error:
        return str(error)
    return None


def _delete(cluster: Cluster, namespace: str, name: str) -> None:
    try:
        cluster.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}", DELETE_OPTIONS)
    except ApiRefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


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
