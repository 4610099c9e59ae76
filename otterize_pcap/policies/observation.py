"""One capture → what it says of every workload, small enough to keep beside many others."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from otterize_pcap.addresses import Network
from otterize_pcap.graph.service_graph import ATTEMPTED, NEVER_CALLS, Workload
from otterize_pcap.policies.dns_needs import cache_addresses
from otterize_pcap.policies.exposure import Exposure, Opening
from otterize_pcap.policies.flow_ends import ApiServerEnd, PodEnd, ServiceEnd, end_text
from otterize_pcap.policies.needs import Needs, needs_of
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.pod_flows import PodFlow, PodFlows, UndecidedFlow, pod_flows
from otterize_pcap.policies.recorded_times import (
    RecordedNodes,
    Span,
    joined,
    lifetimes,
    overlap,
)
from otterize_pcap.policies.selectors import selector_keys_of
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import API_SERVER
from otterize_pcap.snapshot.snapshot import Pod, ServedPort


class PodFacts(Struct, frozen=True):
    """What policies ask of one pod: `exposed` are its ports that are open to the outside."""

    labels: Mapping[str, str]
    ports: frozenset[ServedPort]
    named_ports: Mapping[str, int]
    host_network: bool
    exposed: Mapping[ServedPort, Opening]


class WorkloadCoverage(Struct, frozen=True):
    """How much of a workload one capture could show.

    `spans` are when one of its pods was on a node that was recorded; `nodes` are those that its
    pods were on meanwhile, and `lacks` what was missed of these. `started`: a pod of it began on a
    recorded node meanwhile. `looked_up` are workloads whose Services it asked DNS for and did not
    call. `undecided` counts connections that may be its own, by direction and in words, `in_vain`
    those of them that nobody answered and that its own pods made.
    `from_outside` are the ports at which clients outside came, which a node's probes do not show.
    """

    spans: tuple[Span, ...] = ()
    nodes: frozenset[str] = frozenset()
    lacks: tuple[str, ...] = ()
    started: bool = False
    looked_up: frozenset[Workload] = frozenset()
    undecided: tuple[tuple[str, str, int], ...] = ()
    in_vain: tuple[tuple[str, int], ...] = ()
    from_outside: frozenset[ServedPort] = frozenset()


class Observation(Struct, frozen=True):
    """What one capture says. Addresses are of nodes, of the API server and of the cluster's DNS.

    `attempts` came to nothing: what would be needs, had they been answered.
    `unread` counts packets that may have been of calls, by why they were not read.
    `selector_keys` are the labels by which workloads select their own pods.
    """

    needs: Needs
    attempts: Needs
    pods: Mapping[Workload, tuple[PodFacts, ...]]
    coverage: Mapping[Workload, WorkloadCoverage]
    dns_ports: Mapping[Workload, frozenset[int]] = field(default_factory=dict)
    dns_addresses: frozenset[bytes] = frozenset()
    node_addresses: frozenset[bytes] = frozenset()
    api_addresses: frozenset[bytes] = frozenset()
    pod_networks: tuple[Network, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    selector_keys: Mapping[Workload, frozenset[str]] = field(default_factory=dict)


def observe(mapped: MappedCapture, *, attempts: bool = False) -> Observation:
    """What one capture says of every workload; `attempts`: what was only tried is needed, too."""
    flows = pod_flows(mapped)
    lookup = mapped.lookup
    snapshot, dns = lookup.snapshot, lookup.cluster_dns
    pods: dict[Workload, list[Pod]] = defaultdict(list)
    for pod in snapshot.pods:
        pods[lookup.identities.of(pod).workload].append(pod)
    exposure = Exposure(snapshot)

    def is_need(flow: PodFlow) -> bool:
        return attempts or flow.status != ATTEMPTED

    return Observation(
        needs=needs_of((each for each in flows.flows if is_need(each)), lookup),
        attempts=needs_of((each for each in flows.flows if not is_need(each)), lookup),
        pods={
            workload: tuple(_facts(pod, exposure) for pod in held)
            for workload, held in pods.items()
        },
        coverage=_coverage(mapped, flows, pods, exposure, attempts=attempts),
        dns_ports={workload: frozenset(ports) for workload, ports in dns.ports.items()},
        dns_addresses=cache_addresses(mapped, flows.flows),
        node_addresses=frozenset(lookup.own_of_nodes),
        api_addresses=_api_addresses(flows.flows),
        pod_networks=snapshot.pod_networks,
        selector_keys=selector_keys_of(snapshot),
        unread={
            reason: count
            for reason, count in lookup.contents.skipped.items()
            if count and not reason.startswith(NEVER_CALLS)
        },
    )


def _facts(pod: Pod, exposure: Exposure) -> PodFacts:
    return PodFacts(pod.labels, pod.ports, pod.named_ports, pod.host_network, exposure.of(pod))


def _api_addresses(flows: Iterable[PodFlow]) -> frozenset[bytes]:
    return frozenset(
        address
        for flow in flows
        for end in (flow.server, flow.client)
        if isinstance(end, ApiServerEnd)
        for address in end.addresses
    )


def _coverage(
    mapped: MappedCapture,
    flows: PodFlows,
    pods: Mapping[Workload, Iterable[Pod]],
    exposure: Exposure,
    *,
    attempts: bool,
) -> dict[Workload, WorkloadCoverage]:
    recorded, lived = RecordedNodes(mapped.lookup.contents), lifetimes(mapped.snapshot)
    looked_up, undecided = _looked_up(mapped, flows.flows), _undecided(flows.undecided)
    in_vain = _in_vain(flows.undecided)
    outside: dict[Workload, set[ServedPort]] = defaultdict(set)
    for flow in flows.flows:
        if attempts or flow.status != ATTEMPTED:
            for called, served in exposure.from_outside(flow):
                outside[called].add(served)
    found = {}
    for workload, held in pods.items():
        spans: list[Span] = []
        lacks: dict[str, None] = {}
        nodes: set[str] = set()
        started = False
        for pod in held:
            life = lived.get(pod)
            if life is None or overlap(life, recorded.lasted) is None:
                continue
            record = recorded.of(pod.node)
            nodes.add(pod.node)
            lacks.update(dict.fromkeys(record.lacks))
            seen = overlap(life, record.recorded)
            if seen is not None:
                spans.append(seen)
                started |= seen[0] == life.start_ns
        found[workload] = WorkloadCoverage(
            joined(spans),
            frozenset(nodes - {""}),
            tuple(lacks),
            started,
            frozenset(looked_up.get(workload, ())),
            tuple(sorted(undecided.get(workload, ()))),
            tuple(sorted(in_vain.get(workload, {}).items())),
            frozenset(outside.get(workload, ())),
        )
    return found


def _looked_up(mapped: MappedCapture, flows: Iterable[PodFlow]) -> dict[Workload, set[Workload]]:
    """For each workload those whose Services it asked for (S42) but was not seen to call."""
    called = {pair for flow in flows for pair in _pairs(flow)}
    found: dict[Workload, set[Workload]] = defaultdict(set)
    for lookup in mapped.lookups:
        client = lookup.client.workload
        if (client, lookup.server) not in called and client != lookup.server:
            found[client].add(lookup.server)
    return found


def _pairs(flow: PodFlow) -> Iterator[tuple[Workload, Workload]]:
    if not isinstance(flow.client, PodEnd):
        return
    client, server = flow.client.workload, flow.server
    for end in server.ends if isinstance(server, ServiceEnd) else (server,):
        match end:
            case ApiServerEnd():
                yield client, API_SERVER
            case PodEnd(workload=workload):
                yield client, workload


def _undecided(
    flows: Iterable[UndecidedFlow],
) -> dict[Workload, list[tuple[str, str, int]]]:
    """What may be each workload's own, as (direction, in words, how many connections)."""
    counts: dict[Workload, Counter[tuple[str, str]]] = defaultdict(Counter)
    for flow in flows:
        if flow.status == ATTEMPTED:
            continue
        text = _undecided_text(flow)
        for direction, workloads in ((EGRESS, flow.callers), (INGRESS, flow.called)):
            for workload in workloads:
                counts[workload][direction, text] += flow.connections
    return {
        workload: [(*key, count) for key, count in found.items()]
        for workload, found in counts.items()
    }


def _undecided_text(flow: UndecidedFlow) -> str:
    what = f"{flow.protocol} {flow.port}"
    return f"{end_text(flow.client)} -> {end_text(flow.server)} {what}: {flow.fate}"


def _in_vain(flows: Iterable[UndecidedFlow]) -> dict[Workload, Counter[str]]:
    """What nobody answered at an address of which nobody knows whose it is, by who called."""
    found: dict[Workload, Counter[str]] = defaultdict(Counter)
    for flow in flows:
        if flow.status == ATTEMPTED and isinstance(flow.client, PodEnd):
            found[flow.client.workload][_undecided_text(flow)] += flow.connections
    return found
