"""A snapshot taken at the end, from a Kubernetes that does not say when a pod got its address.

Before 1.29 there is no PodReadyToStartContainers. `fresh` is said to have started (`startTime`)
while another pod, `old`, still had the address that it gets in the end: a volume was slow. In that
time `old` calls `sink` and is called by `source`; neither may be given to `fresh`, though its
`startTime` is before. Once its container runs, `fresh` calls `source` and is called by `sink`. One
such pod on each node.

The first two are unresolved: `old` is in no snapshot.
"""

import time
from datetime import UTC, datetime

from cluster import Lab
from objects import Port

_STEP = 3.0
_GONE = "unresolved: the snapshot was taken when this pod was gone"
_SHOWN_BY = "a watch, or a snapshot taken at the start as well"


def record(lab: Lab) -> None:
    """Hand an address to a pod whose volume was slow, on either node."""
    lab.look_without_watch()
    first, second = lab.plan.port(9000), lab.plan.port(9001)
    both = (Port(first), Port(second))
    sides = (("a", "node-a", "node-b"), ("b", "node-b", "node-a"))
    sink, source, old = {}, {}, {}
    for side, here, there in sides:
        sink[side] = lab.deployment(f"sink-{side}", "app", on=(there,), ports=both)
        source[side] = lab.deployment(f"source-{side}", "app", on=(there,), ports=both)
        old[side] = lab.deployment(f"old-{side}", "app", on=(here,), ports=both)

    lab.age(3600)
    lab.start_recording()
    said = time.time()
    time.sleep(_STEP)
    edge = lab.truth.edge
    gone = {"unknown": {"recorded": _GONE, "uplink": _GONE}, "shownBy": _SHOWN_BY}
    for side, _, _ in sides:
        old[side].host.call(sink[side].pod, first)
        source[side].host.call(old[side].pod, first)
        edge(old[side], sink[side], first, uplink="yes", **gone)
        edge(source[side], old[side], first, uplink="yes", **gone)
    time.sleep(_STEP)
    fresh = {}
    for side, here, _ in sides:
        lab.delete_pod(old[side].pod)
        fresh[side] = lab.deployment(
            f"fresh-{side}", "app", on=(here,), ports=both, address_of=old[side].pod
        )
    time.sleep(_STEP)
    for side, _, _ in sides:
        fresh[side].host.call(source[side].pod, second)
        sink[side].host.call(fresh[side].pod, second)
        edge(fresh[side], source[side], second, uplink="yes")
        edge(sink[side], fresh[side], second, uplink="yes")
        as_before_1_29(fresh[side].pod.document, said)
    lab.stop_recording(snapshot=lab.kubectl())


def as_before_1_29(document: dict[str, dict[str, object]], said: float) -> None:
    """Leave out the condition that says when the address was given; the pod started at `said`."""
    status = document["status"]
    moment = datetime.fromtimestamp(int(said), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status["startTime"] = document["metadata"]["creationTimestamp"] = moment
    conditions = status["conditions"]
    assert isinstance(conditions, list)  # noqa: S101 (objects.pod wrote it)
    status["conditions"] = [
        each for each in conditions if each["type"] != "PodReadyToStartContainers"
    ]
