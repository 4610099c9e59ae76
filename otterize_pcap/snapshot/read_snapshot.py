"""Snapshot documents → `Snapshot`: the objects' parts put together."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence

from msgspec.structs import replace

from otterize_pcap.api_groups import group_of, qualified_kind
from otterize_pcap.errors import InputError, SnapshotError
from otterize_pcap.intervals import ALWAYS, OPEN, Interval
from otterize_pcap.snapshot.endpoints import EndpointsItem, with_mirrored
from otterize_pcap.snapshot.kinds import KUBECTL
from otterize_pcap.snapshot.nodes import node_addresses, pod_networks
from otterize_pcap.snapshot.object_fields import time_of
from otterize_pcap.snapshot.objects import (
    EndpointSliceItem,
    Item,
    LabelSelector,
    NodeItem,
    OwnerReference,
    PodItem,
    ServiceItem,
    Watch,
    WorkloadItem,
    WorkloadSpec,
)
from otterize_pcap.snapshot.odd_fields import OddFields, sound_item, sound_watch
from otterize_pcap.snapshot.plain_text import DocumentText
from otterize_pcap.snapshot.pod_table import NO_NODES, at_nodes
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem
from otterize_pcap.snapshot.read_objects import Part, read_objects
from otterize_pcap.snapshot.snapshot import Pod, Snapshot, Tenure
from otterize_pcap.snapshot.states import ObjectStates
from otterize_pcap.snapshot.succession import with_successors
from otterize_pcap.snapshot.tenures import read_pod, tenures_of
from otterize_pcap.snapshot.virtual_addresses import ServiceReader, slices_by_service
from otterize_pcap.snapshot.watched_intervals import WatchedIntervals, watched_intervals

MOST_NAMED = 8


def parse_snapshot(
    documents: Iterable[tuple[str, DocumentText | InputError]], foreign: Container[str] = ()
) -> Snapshot:
    """Read a snapshot out of one or more documents (name, bytes), in any order.

    Args:
        documents: JSON, YAML or kubectl's tables; an error stands for one that could not be read.
        foreign: Names of those that may hold something else, or nothing: files that lie in a
            directory. They are left out then, with a note.

    Raises:
        SnapshotError: A document is broken, or none holds a Pod or Service.
    """
    names: list[str] = []
    tried: list[str] = []
    states = ObjectStates()
    watches: list[Watch] = []
    odd = OddFields()
    bare: list[tuple[PodItem, str | None]] = []
    for name, document in documents:
        try:
            for part in _parts(document, name, odd):
                watches += part.watches
                for item in part.items:
                    if part.is_table and isinstance(item, PodItem):
                        bare.append((item, part.view))
                    else:
                        states.add(item, part.view)
        except InputError as error:
            if name not in foreign:
                raise
            odd.files.add(str(error).partition(";")[0])
            tried.append(name)
        else:
            names.append(name)
    _add_bare(bare, states, odd)
    where = _listed(names or tried)
    kinds = states.counts()
    if "Pod" not in kinds and "Service" not in kinds:
        found = ", ".join(filter(None, kinds)) or "nothing"
        left_out = filter(str.isprintable, sorted(odd.fields | odd.files))
        found += next((f"; left out: {reason}" for reason in left_out), "")
        message = f"{where}: no Pods or Services (found {found}); take it with `{KUBECTL}`"
        raise SnapshotError(message)
    try:
        return _assemble(where, states, watches, odd)
    except SnapshotError:
        # Some field is no address or time. To look at all of them first would take a third longer.
        states.correct(lambda item: sound_item(item, odd))
        watches = [sound_watch(watch, odd) for watch in watches]
        return _assemble(where, states, watches, odd)


def _add_bare(
    bare: Sequence[tuple[PodItem, str | None]], states: ObjectStates, odd: OddFields
) -> None:
    """Take in the pods of tables for people, which only nodes tell to be in their networks."""
    nodes = [node for found in states.of_type(NodeItem, "") for node in found]
    if bare and not nodes:
        odd.files.add(NO_NODES)
    for pod, (_, view) in zip(at_nodes([pod for pod, _ in bare], nodes), bare, strict=True):
        states.add(pod, view)


def _listed(names: Sequence[str]) -> str:
    """Files by name, of a directory with many the first."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _parts(document: DocumentText | InputError, name: str, odd: OddFields) -> list[Part]:
    if isinstance(document, InputError):
        raise document
    return read_objects(document, name, odd)


def _assemble(where: str, states: ObjectStates, watches: list[Watch], odd: OddFields) -> Snapshot:
    intervals = watched_intervals(watches, where)
    pods, held = _pods(where, states, intervals, odd)
    tenures: dict[bytes, list[Tenure]] = defaultdict(list)
    host_pods: dict[str, list[Tenure]] = defaultdict(list)
    for address, tenure in held:
        if address:
            tenures[address].append(tenure)
        else:
            host_pods[tenure.pod.node].append(tenure)
    slices = with_mirrored(
        (state for found in states.of_type(EndpointSliceItem, where) for state in found),
        (state for found in states.of_type(EndpointsItem, where) for state in found),
    )
    reader = ServiceReader(where, slices_by_service(slices), intervals, held)
    for service_states in states.of_type(ServiceItem, where):
        reader.add(service_states)
    return Snapshot(
        where=where,
        pods=tuple(pods),
        services=tuple(reader.services),
        tenures={
            address: _by_start(with_successors(found, states)) for address, found in tenures.items()
        },
        listeners={key: tuple(found) for key, found in reader.listeners.items()},
        node_ports={key: tuple(found) for key, found in reader.node_ports.items()},
        virtual=frozenset(reader.virtual),
        nodes=node_addresses(states, pods, tenures, where),
        host_pods={node: _by_start(found) for node, found in host_pods.items()},
        pod_networks=pod_networks(states, where),
        owners=_owners(states, where),
        kinds=states.counts(),
        namespaces=_namespaces(states, where),
        selector_keys=_selector_keys(states, where),
        policies=tuple(found[-1] for found in states.of_type(NetworkPolicyItem, where)),
        taken_ns=_first(where, (watch.taken_at for watch in watches)),
        watch_start_ns=_first(where, (watch.watch_start for watch in watches)),
        watch_end_ns=_last(where, (watch.watch_end for watch in watches)),
        watches=_intervals(where, watches),
        left_out=(*sorted(odd.fields), *sorted(odd.files)),
    )


def _pods(
    where: str, states: ObjectStates, intervals: WatchedIntervals, odd: OddFields
) -> tuple[list[Pod], list[tuple[bytes, Tenure]]]:
    """All pods, and which of them held which address when; those of a node's own have none."""
    pods: list[Pod] = []
    held: list[tuple[bytes, Tenure]] = []
    for pod_states in states.of_type(PodItem, where):
        pods.append(read_pod(pod_states[-1], where))
        own = tenures_of(pods[-1], pod_states, intervals, where)
        held += _in_doubt(own) if pods[-1].uid in odd.doubtful else own
    return pods, held


def _in_doubt(tenures: Iterable[tuple[bytes, Tenure]]) -> Iterator[tuple[bytes, Tenure]]:
    """Holds of a pod that lost what says when it had its addresses: perhaps always."""
    never = Interval(OPEN, OPEN)
    return ((address, replace(held, interval=never, possible=ALWAYS)) for address, held in tenures)


def _owners(
    states: ObjectStates, where: str
) -> dict[tuple[str, str, str], tuple[OwnerReference, ...]]:
    """Each object's owners; of several objects that had one name in turn, the youngest's."""
    youngest: dict[tuple[str, str, str], Item] = {}
    for item in states.newest(where):
        kind = qualified_kind(item.kind, group_of(item.apiVersion))
        key = (kind, item.metadata.namespace or "", item.metadata.name)
        other = youngest.setdefault(key, item)
        if _birth(item) > _birth(other):
            youngest[key] = item
    return {key: item.metadata.ownerReferences or () for key, item in youngest.items()}


def _namespaces(states: ObjectStates, where: str) -> dict[str, dict[str, str]]:
    """The labels of each namespace."""
    return {
        item.metadata.name: item.metadata.labels or {}
        for item in states.newest(where)
        if item.kind == "Namespace" and not group_of(item.apiVersion)
    }


def _selector_keys(states: ObjectStates, where: str) -> dict[tuple[str, str, str], frozenset[str]]:
    """The labels by which each Deployment, StatefulSet and DaemonSet selects its pods."""
    found = {}
    for item_states in states.of_type(WorkloadItem, where):
        item = item_states[-1]
        selector = (item.spec or WorkloadSpec()).selector or LabelSelector()
        keys = [
            *(selector.matchLabels or ()),
            *(each.key for each in selector.matchExpressions or ()),
        ]
        if keys:
            place = (item.kind, item.metadata.namespace or "", item.metadata.name)
            found[place] = frozenset(keys)
    return found


def _birth(item: Item) -> tuple[str, str]:
    return item.metadata.creationTimestamp or "", item.metadata.uid


def _by_start(tenures: list[Tenure]) -> tuple[Tenure, ...]:
    def order(tenure: Tenure) -> tuple[Interval, Interval, str]:
        return tenure.possible, tenure.interval, tenure.pod.uid

    return tuple(sorted(tenures, key=order))


def _times(where: str, texts: Iterable[str | None]) -> list[int]:
    return [time_of(text, where, "otterize") for text in texts if text]


def _intervals(where: str, watches: Iterable[Watch]) -> tuple[Interval, ...]:
    """When each watch lasted, the first first."""
    bounds = (_times(where, (watch.watch_start, watch.watch_end)) for watch in watches)
    return tuple(sorted({Interval(*both) for both in bounds if len(both) == 2}))


def _first(where: str, texts: Iterable[str | None]) -> int | None:
    return min(_times(where, texts), default=None)


def _last(where: str, texts: Iterable[str | None]) -> int | None:
    return max(_times(where, texts), default=None)
