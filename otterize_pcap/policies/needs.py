"""What workloads need of a network: what their pods were seen to send and get, by workload.

A need is what one rule of a policy allows. Needs of several captures add up: nothing that was
needed once is taken away because a later capture did not show it.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.graph.service_graph import Evidence, Workload
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.policies.exposure import Exposure
from otterize_pcap.policies.flow_ends import (
    ApiServerEnd,
    CallerEnd,
    FlowEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
)
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.resolve.capture_lookup import CaptureLookup
from otterize_pcap.resolve.use_tally import is_earlier
from otterize_pcap.snapshot.snapshot import ServedPort


class PodsPeer(Struct, frozen=True, order=True):
    """The pods of a workload."""

    workload: Workload


class DnsPeer(Struct, frozen=True, order=True):
    """The cluster's DNS: its pods, and caches on nodes."""


class ApiServerPeer(Struct, frozen=True, order=True):
    """The API server's endpoints."""


class NodesPeer(Struct, frozen=True, order=True):
    """The nodes of the cluster, and with them pods on their network."""


class AddressPeer(Struct, frozen=True, order=True):
    """One address outside the cluster, and the name by which the client knew it, if any."""

    address: bytes
    name: str = ""


class OutsidePeer(Struct, frozen=True, order=True):
    """Whoever is outside the cluster: clients of what is exposed to them."""


class PublicPeer(Struct, frozen=True, order=True):
    """Any public address outside the cluster: of servers whose addresses change."""


NeedPeer = PodsPeer | DnsPeer | ApiServerPeer | NodesPeer | AddressPeer | OutsidePeer | PublicPeer
PEER_ORDER: tuple[type[NeedPeer], ...] = (
    PodsPeer,
    DnsPeer,
    ApiServerPeer,
    NodesPeer,
    AddressPeer,
    OutsidePeer,
    PublicPeer,
)


class Need(Struct, frozen=True):
    """A workload sends to a peer at a port (`EGRESS`), or gets from one at its own (`INGRESS`)."""

    workload: Workload
    direction: str
    peer: NeedPeer
    protocol: str
    port: int


class Sighting(Struct, frozen=True):
    """The connections that show a need; times are ns since the epoch, evidence is the earliest."""

    connections: int
    first_ns: int
    last_ns: int
    services: frozenset[str]
    evidence: Evidence


Needs = Mapping[Need, Sighting]


def need_order(need: Need) -> tuple[object, ...]:
    """What puts needs of one workload in order: direction, kind of peer, peer, protocol, port."""
    rank = PEER_ORDER.index(type(need.peer))
    return (need.direction, rank, need.peer, need.protocol, need.port)


def needs_of(flows: Iterable[PodFlow], lookup: CaptureLookup) -> dict[Need, Sighting]:
    """What the flows of one capture show workloads to need."""
    ends = _Ends(lookup)
    found: dict[Need, Sighting] = {}
    for flow in flows:
        seen = Sighting(
            flow.connections,
            flow.first_ns,
            flow.last_ns,
            frozenset(flow.services),
            flow.evidence,
        )
        # A Service's backends, and what a node changed, can make one need twice.
        for need in set(ends.needs(flow)):
            found[need] = add_sightings(found[need], seen) if need in found else seen
    return found


def merge_needs(parts: Iterable[Needs]) -> dict[Need, Sighting]:
    """The needs of several captures as one."""
    found: dict[Need, Sighting] = {}
    for needs in parts:
        for need, seen in needs.items():
            found[need] = add_sightings(found[need], seen) if need in found else seen
    return found


def add_sightings(one: Sighting, other: Sighting) -> Sighting:
    """Both as one."""
    return replace(
        one,
        connections=one.connections + other.connections,
        first_ns=min(one.first_ns, other.first_ns),
        last_ns=max(one.last_ns, other.last_ns),
        services=one.services | other.services,
        evidence=other.evidence if is_earlier(other.evidence, one.evidence) else one.evidence,
    )


class _Ends:
    """Tells which peers the ends of one capture's flows are."""

    def __init__(self, lookup: CaptureLookup) -> None:
        self._dns = lookup.cluster_dns
        self._nodes = lookup.nodes
        self._exposure = Exposure(lookup.snapshot)

    def needs(self, flow: PodFlow) -> Iterator[Need]:
        """What a flow shows; a pod needs nothing to reach itself.

        What a node changed on the way is needed both ways: once a pod is on another node, its
        filter sees the same call before that, or after.
        """
        if isinstance(flow.client, PodEnd):
            reached = {(flow.destination, flow.port), (flow.server, flow.server_port)}
            for end, port in reached:
                for peer in self._called(flow.client, end, port):
                    yield Need(flow.client.workload, EGRESS, peer, flow.protocol, port)
        servers = flow.server.ends if isinstance(flow.server, ServiceEnd) else (flow.server,)
        for server in servers:
            if not isinstance(server, PodEnd):
                continue
            for caller in {flow.source, flow.client}:
                # By another node's NodePort, a pod comes to itself as that node.
                if not _is_one_pod(caller, server):
                    peer = self._caller(caller, server, (flow.protocol, flow.server_port))
                    yield Need(server.workload, INGRESS, peer, flow.protocol, flow.server_port)

    def _called(self, client: PodEnd, end: FlowEnd, port: int) -> Iterator[NeedPeer]:
        match end:
            case ServiceEnd(ends=ends):
                for one in ends:
                    yield from self._called(client, one, port)
            case PodEnd(workload=workload):
                if not _is_one_pod(client, end):
                    is_dns = port in self._dns.ports.get(workload, ())
                    yield DnsPeer() if is_dns else PodsPeer(workload)
            case NodeEnd(address=address):
                yield self._node(address, port)
            case ApiServerEnd():
                yield ApiServerPeer()
            case OutsideEnd(address, name):
                is_dns = port == DNS_PORT and self._dns.answers_from(address)
                yield DnsPeer() if is_dns else AddressPeer(address, name or "")

    def _node(self, address: bytes, port: int) -> NeedPeer:
        if port == DNS_PORT and self._dns.answers_from(address):
            return DnsPeer()
        # What each node has alike is no node's own address.
        return NodesPeer() if len(self._nodes.get(address, ())) == 1 else AddressPeer(address)

    def _caller(self, end: CallerEnd, server: PodEnd, served: ServedPort) -> NeedPeer:
        match end:
            case PodEnd(workload=workload):
                return PodsPeer(workload)
            case NodeEnd():
                return NodesPeer()
            case ApiServerEnd():
                return ApiServerPeer()
            case OutsideEnd(address):
                is_open = self._exposure.has(server.pod, server.address, served)
                return OutsidePeer() if is_open else AddressPeer(address)


def _is_one_pod(client: FlowEnd, server: FlowEnd) -> bool:
    return (
        isinstance(client, PodEnd)
        and isinstance(server, PodEnd)
        and client.pod.uid == server.pod.uid
    )
