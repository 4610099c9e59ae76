"""Pods → tenures: from when to when each pod held each of its addresses (S10, S11)."""

from collections.abc import Iterable, Sequence

from otterize_pcap.intervals import OPEN, Interval
from otterize_pcap.snapshot.attachments import attached_addresses
from otterize_pcap.snapshot.object_fields import address_of, describe, uid_of
from otterize_pcap.snapshot.objects import (
    DEFAULT_NAMESPACE,
    Container,
    PodItem,
    PodSpec,
    PodStatus,
)
from otterize_pcap.snapshot.pod_hold import (
    deletion_time,
    held_from,
    held_until,
    pod_addresses,
    sandbox_ready,
)
from otterize_pcap.snapshot.snapshot import Pod, Tenure
from otterize_pcap.snapshot.watched_intervals import WatchedInterval, WatchedIntervals

EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - as pods spell it, nothing is bound


def read_pod(item: PodItem, where: str) -> Pod:
    """A pod out of its object."""
    spec = item.spec or PodSpec()
    meta = item.metadata
    containers = (*(spec.containers or ()), *(spec.initContainers or ()))
    return Pod(
        uid=uid_of(item),
        name=meta.name,
        namespace=meta.namespace or DEFAULT_NAMESPACE,
        node=spec.nodeName or "",
        host_network=bool(spec.hostNetwork),
        labels=meta.labels or {},
        annotations=meta.annotations or {},
        owners=meta.ownerReferences or (),
        images=tuple((container.name, container.image) for container in spec.containers or ()),
        ports=_declared_ports(containers, bool(spec.hostNetwork)),
        named_ports=_named_ports(containers),
        addresses=_addresses(item, where),
        generate_name=meta.generateName,
        host_ports={} if spec.hostNetwork else _host_ports(containers),
        service_account=spec.serviceAccountName or "",
        numbers=_numbers(containers),
    )


def _addresses(item: PodItem, where: str) -> tuple[bytes, ...]:
    what = describe(item)
    texts = pod_addresses(item.status or PodStatus())
    own = dict.fromkeys(address_of(text, where, what) for text in texts)
    if item.spec is None or not item.spec.hostNetwork:
        own.update(dict.fromkeys(attached_addresses(item.metadata.annotations or {})))
    return tuple(own)


def _named_ports(containers: Iterable[Container]) -> dict[str, int]:
    """The number of each named port; of several of one name the first container's counts.

    Source: Kubernetes, pkg/api/v1/pod (FindPort).
    """
    found: dict[str, int] = {}
    for container in containers:
        for port in container.ports or ():
            if port.name:
                found.setdefault(port.name, port.containerPort)
    return found


def _numbers(containers: Iterable[Container]) -> dict[tuple[str, str], int]:
    """The same by name and protocol: one name can stand for ports of several protocols."""
    found: dict[tuple[str, str], int] = {}
    for container in containers:
        for port in container.ports or ():
            if port.name:
                found.setdefault((port.name, port.protocol), port.containerPort)
    return found


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


def _host_ports(containers: Iterable[Container]) -> dict[tuple[str, int], int]:
    """The ports that a node gives to a pod; those of one of its addresses alone are left out."""
    return {
        (port.protocol, port.hostPort): port.containerPort
        for container in containers
        for port in container.ports or ()
        if port.hostPort and port.hostIP in EVERY_ADDRESS
    }


def tenures_of(
    pod: Pod, states: Sequence[PodItem], intervals: WatchedIntervals, where: str
) -> list[tuple[bytes, Tenure]]:
    """Every (address, tenure) of one pod by S10; of a hostNetwork pod, one without an address.

    `states` are the pod's, oldest first. Where a watch saw one address held twice, or one that no
    state has any more, its word is all there is.
    """
    seen = intervals.get(pod.uid, {})
    if pod.host_network:
        watched = [interval for held in seen.values() for interval in held]
        return [(b"", _tenure(pod, states, (), watched, where))]
    found: list[tuple[bytes, Tenure]] = []
    had = [*(_addresses(state, where) for state in states[:-1]), pod.addresses]
    # A watch tells of the addresses in `status` alone; those of further networks are as old.
    attached = {
        one for each in states for one in attached_addresses(each.metadata.annotations or {})
    }
    times = [interval for held in seen.values() for interval in held]
    whole = [(min(times, key=_start)[0], max(end for _, end in times))] if times else []
    listed = {address: number for number, held in enumerate(had, 1) for address in held}
    for address in dict.fromkeys((*listed, *seen)):
        observed = seen.get(address, [])
        if not observed and address in attached:
            observed = whole
        if address in listed and len(observed) < 2:
            last = listed[address]
            having = [state for state, held in zip(states, had, strict=True) if address in held]
            found.append((address, _tenure(pod, having, states[last:], observed, where)))
            continue
        begun, _ = held_from(states, where)
        for start, end in observed:
            known = Interval(begun if start is None else start, end)
            found.append((address, Tenure(pod, known, known)))
    return found


def _start(interval: WatchedInterval) -> int:
    return interval[0] or 0


def _tenure(
    pod: Pod,
    having: Sequence[PodItem],
    later: Sequence[PodItem],
    observed: Sequence[WatchedInterval],
    where: str,
) -> Tenure:
    """A pod's hold on an address, by its states that have it and later ones that do not."""
    starts = [start for start, _ in observed if start is not None]
    perhaps, certain = held_from(having, where, min(starts, default=None))
    ends = [
        held_until(having[-1], certain, where),
        # A later state without the address got its next one at a moment, or was over.
        *(sandbox_ready(state, where) for state in later if state.status and state.status.podIP),
        *(held_until(state, certain, where) for state in later),
        deletion_time((*having, *later)[-1], where),
        max((end for _, end in observed), default=None),
    ]
    proven = certain if certain < OPEN else perhaps
    end = max(proven, min((end for end in ends if end is not None), default=OPEN))
    interval = Interval(min(certain, end), end)
    possible = interval if perhaps == interval.start_ns else Interval(perhaps, end)
    return Tenure(pod, interval, possible)
