"""The rule that would allow a call, by labels that select the other side's pods alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from otterize_pcap.addresses import ALL
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.action_rule import (
    ALLOW,
    ActionPeer,
    ActionRule,
    AnyRule,
    CIDRPeer,
    CiliumPolicy,
    EndpointPeer,
    EntityPeer,
)
from otterize_pcap.policies.cilium_identity import (
    API_SERVER,
    HOST,
    KUBERNETES,
    NAMESPACE,
    REMOTE_NODE,
)
from otterize_pcap.policies.flow_ends import (
    ApiServerEnd,
    FlowEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
)
from otterize_pcap.policies.judgement import Side
from otterize_pcap.policies.network_policy import (
    INGRESS,
    IPBlock,
    LabelSelector,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.selectors import (
    LabelSet,
    NoSelector,
    Selectors,
    lasting,
    selector_keys_of,
)
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.workload_labels import NAME_LABEL
from otterize_pcap.snapshot.snapshot import Pod


class Suggestions:
    """Makes rules for what policies deny, by the labels that pods had in any of several captures.

    Of each capture that is looked at it keeps these labels, without those that are of one pod.
    """

    def __init__(self) -> None:
        self._labels: dict[str, dict[Workload, dict[LabelSet, None]]] = {}
        self._keys: dict[Workload, frozenset[str]] = {}

    def look_at(self, mapped: MappedCapture) -> None:
        """Look at the pods of one capture more."""
        self._keys |= selector_keys_of(mapped.snapshot)
        for pod in mapped.snapshot.pods:
            if not pod.host_network:
                workload = mapped.identities.of(pod).workload
                of_namespace = self._labels.setdefault(pod.namespace, {})
                of_namespace.setdefault(workload, {})[lasting(pod.labels)] = None

    @cached_property
    def _selectors(self) -> dict[str, Selectors]:
        """What selects each workload of a namespace, of all captures together."""
        return {
            namespace: Selectors(
                {workload: list(map(dict, sets)) for workload, sets in found.items()}, self._keys
            )
            for namespace, found in self._labels.items()
        }

    def rules(self, denied: Sequence[tuple[PodFlow, Side]]) -> Iterator[AnyRule]:
        """The rules that policies lack for some flows between two, one side of which denies them.

        One of NetworkPolicy; or of Cilium's policies where these isolate the pod, one for each kind
        of peer.
        """
        if any(isinstance(each, CiliumPolicy) for _, side in denied for each in side.policies):
            yield from self._cilium_rules(denied)
            return
        peers: dict[Peer, None] = {}
        for flow, side in denied:
            peers.update(dict.fromkeys(self._peers(_other(flow, side), side.pod.namespace)))
        yield PolicyRule(tuple(peers), _ports(denied))

    def _cilium_rules(self, denied: Sequence[tuple[PodFlow, Side]]) -> Iterator[ActionRule]:
        by_kind: dict[type, dict[ActionPeer, None]] = defaultdict(dict)
        for flow, side in denied:
            for peer in self._cilium_peers(_other(flow, side), side.pod):
                by_kind[type(peer)][peer] = None
        for peers in by_kind.values():
            direction = denied[0][1].direction
            yield ActionRule(direction.lower(), 0, ALLOW, tuple(peers), _ports(denied))

    def _peers(self, end: FlowEnd, own_namespace: str) -> Iterator[Peer]:
        match end:
            case PodEnd(pod=pod, workload=workload):
                where = LabelSelector(((NAME_LABEL, pod.namespace),))
                selector = self._selector(pod, workload)
                yield Peer(selector, None if pod.namespace == own_namespace else where)
            case ServiceEnd(ends=ends):
                for each in ends:
                    yield from self._peers(each, own_namespace)
            case ApiServerEnd(addresses=addresses):
                yield from map(_block, addresses)
            case _:
                yield _block(end.address)

    def _cilium_peers(self, end: FlowEnd, own: Pod) -> Iterator[ActionPeer]:
        match end:
            case PodEnd(pod=pod, workload=workload):
                selector = self._selector(pod, workload)
                if pod.namespace == own.namespace:
                    yield EndpointPeer(selector, own.namespace)
                    return
                labels = ((f"{KUBERNETES}:{NAMESPACE}", pod.namespace), *selector.match_labels)
                named = LabelSelector(labels, selector.match_expressions)
                yield EndpointPeer(named, only_pods=False)
            case ServiceEnd(ends=ends):
                for each in ends:
                    yield from self._cilium_peers(each, own)
            case ApiServerEnd():
                yield EntityPeer(API_SERVER)
            case NodeEnd(names=names):
                yield from (EntityPeer(name) for name in _node_entities(names, own))
            case OutsideEnd(address=address):
                yield CIDRPeer(IPBlock((int.from_bytes(address), ALL)))

    def _selector(self, pod: Pod, workload: Workload) -> LabelSelector:
        found = self._selectors[pod.namespace].of(workload)
        return LabelSelector(found.shared) if isinstance(found, NoSelector) else found


def _other(flow: PodFlow, side: Side) -> FlowEnd:
    """Whom one side's filter takes for the other one."""
    return flow.source if side.direction == INGRESS else flow.destination


def _ports(denied: Iterable[tuple[PodFlow, Side]]) -> tuple[PolicyPort, ...]:
    ports = (
        PolicyPort(flow.protocol, flow.server_port if side.direction == INGRESS else flow.port)
        for flow, side in denied
    )
    return tuple(dict.fromkeys(ports))


def _node_entities(names: tuple[str, ...], own: Pod) -> tuple[str, ...]:
    """What a node is to Cilium: the pod's own, another, or perhaps either."""
    found = tuple(sorted({HOST if name == own.node else REMOTE_NODE for name in names}))
    return found if found and own.node else (HOST, REMOTE_NODE)


def _block(address: bytes) -> Peer:
    return Peer(ip_block=IPBlock((int.from_bytes(address), ALL)))
