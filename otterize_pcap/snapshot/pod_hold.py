"""From when to when a pod held its addresses, by what its own object says (S10).

The one place of this rule: reading a snapshot and watching a cluster both ask here. Times are
nanoseconds since the epoch.
"""

from collections.abc import Iterable, Iterator, Sequence

from otterize_pcap.intervals import OPEN
from otterize_pcap.snapshot.object_fields import describe, time_of
from otterize_pcap.snapshot.objects import (
    ContainerState,
    ContainerStatus,
    PodItem,
    PodStatus,
)

READY_TO_START = "PodReadyToStartContainers"
# True only while the pod has an address, False at the latest when its node gave it up.
RUNNING_SIGNS = ("Ready", "ContainersReady")
DISRUPTED = "DisruptionTarget"
FINAL_PHASES = ("Succeeded", "Failed")


def pod_addresses(status: PodStatus) -> tuple[str, ...]:
    """A pod's addresses as text."""
    texts = (*(entry.ip for entry in status.podIPs or ()), status.podIP or "")
    return tuple(dict.fromkeys(filter(None, texts)))


def sandbox_ready(item: PodItem, where: str) -> int | None:
    """When the pod got its network, where it says so (Kubernetes 1.29 and later)."""
    return _turned(item, READY_TO_START, "True", where)


def held_from(states: Sequence[PodItem], where: str, seen_ns: int | None = None) -> tuple[int, int]:
    """From when a pod perhaps held its addresses, and from when it certainly did.

    Both are the same where the pod says when its network was ready. Where it does not, a started
    container, a condition that needs one, and a watch that saw the address at `seen_ns` each prove
    that it had it; before that, since its start, it perhaps had. Nothing proves it of a pod that
    is pending; of one that is not and that says nothing more, its start is all there is.

    Raises:
        SnapshotError: A time is none.
    """
    seen = () if seen_ns is None else (seen_ns,)
    ready = [*filter(None, (sandbox_ready(state, where) for state in states))]
    if ready:
        certain = min((*ready, *seen))
        return certain, certain
    begun = min(filter(None, (_begun(state, where) for state in states)), default=None)
    proofs = [proof for state in states for proof in _proofs(state, where)]
    pending = all(state.status and state.status.phase == "Pending" for state in states)
    certain = min((*proofs, *seen), default=OPEN if pending else begun or 0)
    return certain if begun is None else min(begun, certain), certain


def held_until(item: PodItem, since_ns: int, where: str) -> int | None:
    """When a pod gave its addresses up, by its status; None while it holds them.

    `since_ns` is from when it certainly held them. A crash-looping pod has containers that
    finished and keeps its address, which is why the phase is asked.

    Raises:
        SnapshotError: A time is none.
    """
    status = item.status or PodStatus()
    lost = _turned(item, READY_TO_START, "False", where)
    # A pending pod has no sandbox yet.
    if lost is not None and status.phase != "Pending":
        return lost
    if status.phase not in FINAL_PHASES:
        return None
    finished = list(_finished(item, where))
    if finished and not any(map(_end_unknown, _containers(status))):
        return max(finished)
    # Its node rebooted, or it was evicted: nobody saw some container end, but it did.
    signs = [
        *(_turned(item, sign, "False", where) for sign in RUNNING_SIGNS),
        _turned(item, DISRUPTED, "True", where),
        deletion_time(item, where),
    ]
    # What was so from its start on is no sign of its end.
    ended = [sign for sign in signs if sign is not None and sign > since_ns]
    return max([*finished, *([min(ended)] if ended else ())], default=since_ns)


def deletion_time(item: PodItem, where: str) -> int | None:
    """When a pod that is being deleted is dead at the latest: its grace period is over then."""
    return _time(item, item.metadata.deletionTimestamp, where)


def latest_time(item: PodItem, where: str) -> int:
    """The latest time that a pod's conditions and containers name."""
    conditions = (item.status or PodStatus()).conditions or ()
    named = [_time(item, condition.lastTransitionTime, where) for condition in conditions]
    return max([*filter(None, named), *_started(item, where), *_finished(item, where)], default=0)


def _time(item: PodItem, text: str | None, where: str) -> int | None:
    """A time of a pod; runtimes write the epoch's first second for what never was."""
    return (time_of(text, where, describe(item)) or None) if text else None


def _begun(item: PodItem, where: str) -> int | None:
    started = item.status.startTime if item.status else None
    return _time(item, started or item.metadata.creationTimestamp, where)


def _proofs(item: PodItem, where: str) -> Iterator[int]:
    """Times at which a pod must have had its address."""
    yield from _started(item, where)
    yield from filter(None, (_turned(item, sign, "True", where) for sign in RUNNING_SIGNS))


def _turned(item: PodItem, name: str, status: str, where: str) -> int | None:
    for condition in (item.status or PodStatus()).conditions or ():
        if condition.type == name and condition.status == status:
            return _time(item, condition.lastTransitionTime, where)
    return None


def _containers(status: PodStatus) -> Iterator[ContainerStatus]:
    yield from status.initContainerStatuses or ()
    yield from status.containerStatuses or ()


def _states(item: PodItem) -> Iterator[ContainerState]:
    for container in _containers(item.status or PodStatus()):
        yield from filter(None, (container.state, container.lastState))


def _started(item: PodItem, where: str) -> Iterable[int]:
    for state in _states(item):
        for run in (state.running, state.terminated):
            started = _time(item, run.startedAt, where) if run else None
            if started is not None:
                yield started


def _finished(item: PodItem, where: str) -> Iterable[int]:
    for state in _states(item):
        finished = _time(item, state.terminated.finishedAt, where) if state.terminated else None
        if finished is not None:
            yield finished


def _end_unknown(container: ContainerStatus) -> bool:
    """Whether a container ran to an end that nobody saw."""
    state = container.state
    if state is None:
        return False
    return state.running is not None or (
        state.terminated is not None and not state.terminated.finishedAt
    )
