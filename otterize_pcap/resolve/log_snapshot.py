"""What flow logs name → a snapshot of it: pods, who made them, which address they had, Services.

A log names a pod when it sees it, so a pod surely had an address from the first time it was seen
there to the last. A pod that a given snapshot knows by name is that one: it says more of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.flow_logs.flow import LoggedEnd, StandsFor
from otterize_pcap.flow_logs.gather_flows import merged_end
from otterize_pcap.flow_logs.judge_flows import LoggedConnection
from otterize_pcap.intervals import ALWAYS, Interval
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.cluster_dns import DNS_LABEL, NAMES, NAMESPACES
from otterize_pcap.snapshot.objects import OwnerReference
from otterize_pcap.snapshot.snapshot import Backend, Pod, ServedPort, Service, Snapshot, Tenure

TOLD_BY_POD = frozenset(("Job", "ReplicaSet"))
"""Kinds of owners that something else makes in turn, of which the log does not tell."""
PodName = tuple[str, str]
"""Namespace and name."""


class _Seen(Struct):
    """A pod as far as a log tells: what it is called, and when it was seen at which address."""

    end: LoggedEnd
    held: dict[bytes, tuple[int, int]]


def with_logged(snapshot: Snapshot, logged: Sequence[LoggedConnection]) -> Snapshot:
    """A snapshot with what the connections of flow logs name, where it does not know that."""
    known = {(pod.namespace, pod.name): pod for pod in snapshot.pods}
    tenures = {address: list(held) for address, held in snapshot.tenures.items()}
    pods: list[Pod] = []
    owners = dict(snapshot.owners)
    for name, seen in sorted(_pods(logged).items()):
        pod = known.get(name)
        if pod is None:
            pod = _pod(seen)
            pods.append(pod)
            for owner in pod.owners:
                if owner.kind not in TOLD_BY_POD:
                    owners.setdefault((owner.kind, pod.namespace, owner.name), ())
        elif any(tenure.pod is pod for held in tenures.values() for tenure in held):
            continue
        for address, (first_ns, last_ns) in seen.held.items():
            interval = Interval(first_ns, last_ns)
            tenures.setdefault(address, []).append(Tenure(pod, interval, interval))
    return replace(
        snapshot,
        pods=(*snapshot.pods, *pods),
        services=(*snapshot.services, *_services(snapshot, logged)),
        tenures={
            address: tuple(sorted(held, key=lambda tenure: tenure.interval))
            for address, held in tenures.items()
        },
        owners=owners,
    )


def named_ends(one: LoggedConnection) -> Iterator[LoggedEnd]:
    """The ends of a connection that the log names as pods of this cluster."""
    for end in (*one.clients, *one.servers):
        if end.pod and end.namespace and end.stands_for is not StandsFor.OTHER_CLUSTER:
            yield end


def _pods(logged: Iterable[LoggedConnection]) -> dict[PodName, _Seen]:
    found: dict[PodName, _Seen] = {}
    for one in logged:
        first, last = one.connection.first_ns, one.connection.last_ns
        for end in named_ends(one):
            seen = found.setdefault((end.namespace, end.pod), _Seen(end, {}))
            seen.end = merged_end(seen.end, end)
            since, until = seen.held.get(end.address, (first, last))
            seen.held[end.address] = min(since, first), max(until, last)
    return found


def _pod(seen: _Seen) -> Pod:
    end = seen.end
    # Cilium and NetObserv name one; a second would be another's word.
    owners = tuple(OwnerReference(kind, name, controller=True) for kind, name in end.owners[:1])
    return Pod(
        uid=f"{end.namespace}/{end.pod}",
        name=end.pod,
        namespace=end.namespace,
        node=end.node,
        host_network=False,
        labels=dict(end.labels),
        annotations={},
        owners=owners,
        images=(),
        ports=frozenset(),
        named_ports={},
        addresses=tuple(sorted(seen.held)),
    )


def _services(snapshot: Snapshot, logged: Iterable[LoggedConnection]) -> Iterator[Service]:
    """The Services that a log names and a snapshot does not know, with the pods behind them."""
    known = {f"{service.name}.{service.namespace}" for service in snapshot.services}
    backends: dict[str, dict[ServedPort, set[Backend]]] = defaultdict(dict)
    for one in logged:
        protocol = PROTOCOL_NAMES[one.connection.protocol]
        last = one.servers[-1]
        asked = [(end.service, end.port) for end in one.servers if end.service]
        asked = asked or [(service, last.port) for service in one.services]
        for service, port in asked:
            behind = backends[service].setdefault((protocol, port), set())
            if last.pod:
                behind.add(Backend(last.address, last.port, ALWAYS, (last.namespace, last.pod)))
        if not snapshot.services and _is_dns(last):
            behind = backends[f"{NAMES[0]}.{NAMESPACES[0]}"].setdefault((protocol, DNS_PORT), set())
            behind.add(Backend(last.address, last.port, ALWAYS, (last.namespace, last.pod)))
    for text, ports in sorted(backends.items()):
        name, _, namespace = text.partition(".")
        if text not in known:
            served = {
                port: tuple(sorted(found, key=lambda backend: (backend.address, backend.port or 0)))
                for port, found in sorted(ports.items())
            }
            yield Service(text, name, namespace, {}, (), served, from_slices=False, interval=ALWAYS)


def _is_dns(end: LoggedEnd) -> bool:
    """Whether a pod is the cluster's DNS, by its namespace and its label or owner (S45)."""
    called = DNS_LABEL in end.labels or any(name in NAMES for _, name in end.owners)
    return bool(end.pod) and end.namespace in NAMESPACES and called
