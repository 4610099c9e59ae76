"""What the API holds of pods that are over, in the ways that say little of when."""

import time

import objects
from objects import Object

_UNKNOWN = {
    "exitCode": 137,
    "reason": "ContainerStatusUnknown",
    "message": "The container could not be located when the pod was terminated",
    "startedAt": None,
    "finishedAt": None,
}
READY_TO_START = "PodReadyToStartContainers"


def born(document: Object, moment: float) -> None:
    """Have a pod's every time be this one."""
    stamp = objects.whole_seconds(moment)
    document["metadata"]["creationTimestamp"] = document["status"]["startTime"] = stamp
    for condition in document["status"]["conditions"]:
        condition["lastTransitionTime"] = stamp
    for each in document["status"]["containerStatuses"]:
        each["state"] = {"running": {"startedAt": stamp}}


def rebooted(document: Object, moment: float, *, disruption: bool = True) -> None:
    """The node went down: Failed, its containers' fate unknown, no finish time.

    Without `disruption` the kubelet had no time to say so, as in a crash of the node.
    """
    _failed(document, moment)
    status = document["status"]
    for each in status["containerStatuses"]:
        each |= {"ready": False, "state": {"terminated": dict(_UNKNOWN)}}
    if disruption:
        status["reason"] = "Terminated"
        status["message"] = "Pod was terminated in response to imminent node shutdown."
        _disrupted(document, moment, "TerminationByKubelet")


def evicted(document: Object, moment: float) -> None:
    """The node ran out of something: Failed, and no word of the containers."""
    _failed(document, moment)
    status = document["status"]
    del status["containerStatuses"]
    status["reason"], status["message"] = "Evicted", "The node was low on resource: memory. "
    _disrupted(document, moment, "TerminationByKubelet")


def terminating(document: Object, moment: float) -> None:
    """Deleted, but a finalizer that nobody removes keeps the object; still Running."""
    meta = document["metadata"]
    meta["deletionTimestamp"] = objects.whole_seconds(moment)
    meta["deletionGracePeriodSeconds"] = 30
    meta["finalizers"] = ["example.com/never-removed"]


def stopped(document: Object, moment: float) -> None:
    """The sandbox went away, as kubelets say since 1.29; the phase stays as it was."""
    stamp = objects.whole_seconds(moment)
    for condition in document["status"]["conditions"]:
        if condition["type"] != "Initialized":
            condition |= {"status": "False", "lastTransitionTime": stamp}
    for each in document["status"]["containerStatuses"]:
        each |= {"ready": False, "state": {"terminated": dict(_UNKNOWN)}}


def _failed(document: Object, moment: float) -> None:
    """Failed since then, by a kubelet older than PodReadyToStartContainers."""
    stamp = objects.whole_seconds(moment)
    status = document["status"]
    status["phase"] = "Failed"
    status["conditions"] = [
        condition
        if condition["type"] == "Initialized"
        else condition | {"status": "False", "lastTransitionTime": stamp}
        for condition in status["conditions"]
        if condition["type"] != READY_TO_START
    ]


def _disrupted(document: Object, moment: float, reason: str) -> None:
    stamp = objects.whole_seconds(moment)
    document["status"]["conditions"].append(
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "lastTransitionTime": stamp,
        }
    )


def hours_ago(hours: float) -> float:
    """So long before now."""
    return time.time() - 3600 * hours
