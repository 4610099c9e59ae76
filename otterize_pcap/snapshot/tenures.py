"""Pods → tenures: from when to when each pod held each of its addresses (S10, S11)."""

from collections.abc import Iterable, Mapping

from otterize_pcap.intervals import OPEN, Interval
from otterize_pcap.snapshot.objects import (
    Container,
    PodItem,
    PodSpec,
    PodStatus,
    Watch,
    address_of,
    describe,
    time_of,
)
from otterize_pcap.snapshot.snapshot import Pod, Tenure

READY_TO_START = "PodReadyToStartContainers"

Stretches = Mapping[str, Mapping[bytes, list[tuple[int | None, int]]]]


def observed_stretches(watches: Iterable[Watch], where: str) -> Stretches:
    """What watches saw: object uid → address → stretches of (start or None, end or OPEN) in ns."""
    seen: dict[str, dict[bytes, list[tuple[int | None, int]]]] = {}
    for watch in watches:
        for observed in watch.observed:
            what = f"observed {observed.kind} {observed.uid}"
            address = address_of(observed.ip, where, what)
            start = _time(observed.start, where, what)
            end = time_of(observed.end, where, what) if observed.end else OPEN
            seen.setdefault(observed.uid, {}).setdefault(address, []).append((start, end))
    return seen


def read_pod(item: PodItem, where: str) -> tuple[Pod, PodStatus]:
    """A pod and its status out of its object."""
    what = describe(item)
    spec, status = item.spec or PodSpec(), item.status or PodStatus()
    meta = item.metadata
    containers = (*(spec.containers or ()), *(spec.initContainers or ()))
    texts = [entry.ip for entry in status.podIPs or ()] or [status.podIP or ""]
    pod = Pod(
        uid=meta.uid or f"{meta.namespace}/{meta.name}",
        name=meta.name,
        namespace=meta.namespace or "default",
        node=spec.nodeName or "",
        host_network=bool(spec.hostNetwork),
        labels=meta.labels or {},
        annotations=meta.annotations or {},
        owners=meta.ownerReferences or (),
        images=tuple((container.name, container.image) for container in spec.containers or ()),
        ports=_declared_ports(containers, bool(spec.hostNetwork)),
        named_ports={
            port.name: port.containerPort
            for container in containers
            for port in container.ports or ()
            if port.name
        },
        addresses=tuple(address_of(text, where, what) for text in texts if text),
    )
    return pod, status


def _declared_ports(
    containers: Iterable[Container], host_network: bool
) -> frozenset[tuple[str, int]]:
    ports: set[tuple[str, int]] = set()
    for container in containers:
        for port in container.ports or ():
            ports.add((port.protocol, port.containerPort))
            if host_network and port.hostPort:
                ports.add((port.protocol, port.hostPort))
    return frozenset(ports)


def tenures_of(
    pod: Pod, item: PodItem, status: PodStatus, stretches: Stretches, where: str
) -> list[tuple[bytes, Tenure]]:
    """Every (address, tenure) of one pod by S10; of a hostNetwork pod, one without an address.

    The start is the moment the sandbox was ready, or an earlier one at which a watch saw the
    address; failing both, the pod's start or creation. The end is the sandbox's, the containers'
    if the pod is over, or the deletion that a watch saw; OPEN otherwise. A crash-looping pod has
    terminated containers and keeps its address, which is why the phase is asked.
    """
    what = describe(item)
    seen = stretches.get(pod.uid, {})
    fallback = _time(status.startTime or item.metadata.creationTimestamp, where, what) or 0
    ready = _condition(status, "True", where, what)
    end = _end(status, where, what)
    if pod.host_network:
        watched = [stretch for held in seen.values() for stretch in held]
        last = max((stop for _, stop in watched), default=OPEN)
        return [(b"", Tenure(pod, Interval(fallback, last if end is None else end)))]
    found: list[tuple[bytes, Tenure]] = []
    for address in dict.fromkeys((*pod.addresses, *seen)):
        held = seen.get(address, [])
        if address not in pod.addresses or len(held) > 1:
            found += [
                (address, Tenure(pod, Interval(start or fallback, stop))) for start, stop in held
            ]
            continue
        known = [time for time in (ready, *(start for start, _ in held)) if time is not None]
        start = min(known, default=fallback)
        stop = end if end is not None else max((stop for _, stop in held), default=OPEN)
        found.append((address, Tenure(pod, Interval(start, max(start, stop)))))
    return found


def _condition(status: PodStatus, wanted: str, where: str, what: str) -> int | None:
    for condition in status.conditions or ():
        if condition.type == READY_TO_START and condition.status == wanted:
            return _time(condition.lastTransitionTime, where, what)
    return None


def _time(text: str | None, where: str, what: str) -> int | None:
    return time_of(text, where, what) if text else None


def _end(status: PodStatus, where: str, what: str) -> int | None:
    lost = _condition(status, "False", where, what)
    if lost is not None and status.phase != "Pending":
        return lost
    if status.phase not in ("Succeeded", "Failed"):
        return None
    finished = [
        time_of(entry.state.terminated.finishedAt, where, what)
        for entry in status.containerStatuses or ()
        if entry.state and entry.state.terminated and entry.state.terminated.finishedAt
    ]
    return max(finished, default=None)
