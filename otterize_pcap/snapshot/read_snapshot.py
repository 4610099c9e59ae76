"""Snapshot documents → `Snapshot`: the objects' parts put together."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from otterize_pcap.addresses import Network, parse_network
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.objects import (
    EndpointSliceItem,
    Item,
    NodeItem,
    NodeSpec,
    NodeStatus,
    PodItem,
    ServiceItem,
    Watch,
    address_of,
    describe,
    time_of,
)
from otterize_pcap.snapshot.read_objects import DocumentText, read_objects
from otterize_pcap.snapshot.snapshot import Pod, Snapshot, Tenure
from otterize_pcap.snapshot.tenures import Stretches, observed_stretches, read_pod, tenures_of
from otterize_pcap.snapshot.virtual_addresses import ServiceReader, slices_by_service

T = TypeVar("T", bound=Item)

KUBECTL = (
    "kubectl get pods,services,endpointslices,nodes,replicasets,deployments,statefulsets,"
    "daemonsets,jobs,cronjobs -A -o json"
)


def parse_snapshot(documents: Iterable[tuple[str, DocumentText]]) -> Snapshot:
    """Read a snapshot out of one or more documents (name, bytes), JSON or YAML.

    Raises:
        SnapshotError: A document or an object in it is broken, or none holds a Pod or Service.
    """
    names: list[str] = []
    items: dict[tuple[str, str, str, str], Item] = {}
    watches: list[Watch] = []
    for name, document in documents:
        more, more_watches = read_objects(document, name)
        names.append(name)
        watches += more_watches
        for item in more:
            meta = item.metadata
            items[item.kind, meta.namespace or "", meta.name, meta.uid] = item
    where = ", ".join(names)
    kinds: dict[str, int] = defaultdict(int)
    for kind, *_ in items:
        kinds[kind] += 1
    if "Pod" not in kinds and "Service" not in kinds:
        found = ", ".join(sorted(filter(None, kinds))) or "nothing"
        message = f"{where}: no Pods or Services (found {found}); take it with `{KUBECTL}`"
        raise SnapshotError(message)
    return _assemble(where, list(items.values()), kinds, watches)


def _assemble(
    where: str, items: list[Item], kinds: dict[str, int], watches: list[Watch]
) -> Snapshot:
    stretches = observed_stretches(watches, where)
    pods, held = _read_pods(of_type(items, PodItem), stretches, where)
    tenures: dict[bytes, list[Tenure]] = defaultdict(list)
    host_pods: dict[str, list[Tenure]] = defaultdict(list)
    for address, tenure in held:
        if address:
            tenures[address].append(tenure)
        else:
            host_pods[tenure.pod.node].append(tenure)
    reader = ServiceReader(
        where, slices_by_service(of_type(items, EndpointSliceItem)), stretches, held
    )
    for service in of_type(items, ServiceItem):
        reader.add(service)
    nodes, networks = _read_nodes(of_type(items, NodeItem), where)
    return Snapshot(
        where=where,
        pods=tuple(pods),
        services=tuple(reader.services),
        tenures={address: _by_start(found) for address, found in tenures.items()},
        listeners={key: tuple(found) for key, found in reader.listeners.items()},
        node_ports={key: tuple(found) for key, found in reader.node_ports.items()},
        virtual=frozenset(reader.virtual),
        nodes=nodes,
        host_pods={node: _by_start(found) for node, found in host_pods.items()},
        pod_networks=networks,
        owners={
            (item.kind, item.metadata.namespace or "", item.metadata.name): (
                item.metadata.ownerReferences or ()
            )
            for item in items
        },
        kinds=dict(sorted(kinds.items())),
        taken_ns=_first(where, (watch.taken_at for watch in watches)),
        watch_start_ns=_first(where, (watch.watch_start for watch in watches)),
        watch_end_ns=_last(where, (watch.watch_end for watch in watches)),
    )


def _read_pods(
    items: Iterable[PodItem], stretches: Stretches, where: str
) -> tuple[list[Pod], list[tuple[bytes, Tenure]]]:
    """All pods, and what each held when; a hostNetwork pod holds no address."""
    pods = []
    held: list[tuple[bytes, Tenure]] = []
    for item in items:
        pod, status = read_pod(item, where)
        pods.append(pod)
        held += tenures_of(pod, item, status, stretches, where)
    return pods, held


def of_type(items: Iterable[Item], kind: type[T]) -> list[T]:
    """The items of one type."""
    return [item for item in items if isinstance(item, kind)]


def _by_start(tenures: list[Tenure]) -> tuple[Tenure, ...]:
    return tuple(sorted(tenures, key=lambda tenure: (tenure.interval, tenure.pod.uid)))


def _times(where: str, texts: Iterable[str | None]) -> list[int]:
    return [time_of(text, where, "otterize") for text in texts if text]


def _first(where: str, texts: Iterable[str | None]) -> int | None:
    return min(_times(where, texts), default=None)


def _last(where: str, texts: Iterable[str | None]) -> int | None:
    return max(_times(where, texts), default=None)


def _read_nodes(items: list[NodeItem], where: str) -> tuple[dict[bytes, str], tuple[Network, ...]]:
    """Node addresses → names, and the pod ranges of all nodes."""
    nodes: dict[bytes, str] = {}
    networks: list[Network] = []
    for item in items:
        what = describe(item)
        spec, status = item.spec or NodeSpec(), item.status or NodeStatus()
        for entry in status.addresses or ():
            if entry.type in ("InternalIP", "ExternalIP"):
                nodes[address_of(entry.address, where, what)] = item.metadata.name
        for text in spec.podCIDRs or ((spec.podCIDR,) if spec.podCIDR else ()):
            try:
                networks.append(parse_network(text))
            except ValueError as error:
                message = f"{where}: {what}: podCIDR: {error}; take the snapshot again"
                raise SnapshotError(message) from error
    return nodes, tuple(networks)
