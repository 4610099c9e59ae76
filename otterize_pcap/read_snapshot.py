"""Snapshot documents → `Snapshot`: the objects' parts put together."""

from collections import defaultdict
from collections.abc import Iterable

from otterize_pcap.addresses import Network, parse_network
from otterize_pcap.errors import SnapshotError
from otterize_pcap.objects import (
    Item,
    NodeSpec,
    NodeStatus,
    Watch,
    address_of,
    describe,
    time_of,
    typed,
)
from otterize_pcap.read_objects import read_objects
from otterize_pcap.snapshot import Snapshot, Tenure
from otterize_pcap.tenures import observed_stretches, read_pod, tenures_of
from otterize_pcap.virtual_addresses import ServiceReader, slices_by_service

KUBECTL = (
    "kubectl get pods,services,endpointslices,nodes,replicasets,deployments,statefulsets,"
    "daemonsets,jobs,cronjobs -A -o json"
)


def parse_snapshot(documents: Iterable[tuple[str, bytes]]) -> Snapshot:
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
    by_kind: dict[str, list[Item]] = defaultdict(list)
    for item in items.values():
        by_kind[item.kind].append(item)
    if "Pod" not in by_kind and "Service" not in by_kind:
        found = ", ".join(sorted(filter(None, by_kind))) or "nothing"
        message = f"{where}: no Pods or Services (found {found}); take it with `{KUBECTL}`"
        raise SnapshotError(message)
    return _assemble(where, by_kind, watches)


def _assemble(where: str, by_kind: dict[str, list[Item]], watches: list[Watch]) -> Snapshot:
    stretches = observed_stretches(watches, where)
    pods = []
    held: list[tuple[bytes, Tenure]] = []
    for item in by_kind["Pod"]:
        pod, status = read_pod(item, where)
        pods.append(pod)
        held += tenures_of(pod, item, status, stretches, where)
    tenures: dict[bytes, list[Tenure]] = defaultdict(list)
    host_pods: dict[str, list[Tenure]] = defaultdict(list)
    for address, tenure in held:
        if address:
            tenures[address].append(tenure)
        else:
            host_pods[tenure.pod.node].append(tenure)
    reader = ServiceReader(where, slices_by_service(by_kind["EndpointSlice"]), stretches, held)
    for item in by_kind["Service"]:
        reader.add(item)
    nodes, networks = _read_nodes(by_kind["Node"], where)
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
        objects={
            (item.kind, item.metadata.namespace or "", item.metadata.name): item
            for found in by_kind.values()
            for item in found
        },
        kinds={kind: len(found) for kind, found in sorted(by_kind.items()) if found},
        taken_ns=_first(where, (watch.taken_at for watch in watches)),
        watch_start_ns=_first(where, (watch.watch_start for watch in watches)),
        watch_end_ns=_last(where, (watch.watch_end for watch in watches)),
    )


def _by_start(tenures: list[Tenure]) -> tuple[Tenure, ...]:
    return tuple(sorted(tenures, key=lambda tenure: (tenure.start_ns, tenure.pod.uid)))


def _times(where: str, texts: Iterable[str | None]) -> list[int]:
    return [time_of(text, where, "otterize") for text in texts if text]


def _first(where: str, texts: Iterable[str | None]) -> int | None:
    return min(_times(where, texts), default=None)


def _last(where: str, texts: Iterable[str | None]) -> int | None:
    return max(_times(where, texts), default=None)


def _read_nodes(items: list[Item], where: str) -> tuple[dict[bytes, str], tuple[Network, ...]]:
    """Node addresses → names, and the pod ranges of all nodes."""
    nodes: dict[bytes, str] = {}
    networks: list[Network] = []
    for item in items:
        what = describe(item)
        spec = typed(item.spec, NodeSpec, where, what)
        status = typed(item.status, NodeStatus, where, what)
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
