"""The rule that would allow a call, by labels that select the other side's pods alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from otterize_pcap.addresses import ALL
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.evaluate import Side
from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, PodEnd, ServiceEnd
from otterize_pcap.policies.network_policy import (
    INGRESS,
    NAME_LABEL,
    IPBlock,
    LabelSelector,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.selectors import Labels, NoSelector, Selectors, selector_keys_of
from otterize_pcap.resolve.map_capture import MappedCapture


class Suggestions:
    """Makes rules for what policies deny."""

    def __init__(self, captures: Iterable[MappedCapture]) -> None:
        pods: dict[str, dict[Workload, list[Labels]]] = defaultdict(lambda: defaultdict(list))
        keys: dict[Workload, frozenset[str]] = {}
        for mapped in captures:
            keys |= selector_keys_of(mapped.snapshot)
            for pod in mapped.snapshot.pods:
                if not pod.host_network:
                    workload = mapped.identities.of(pod).workload
                    pods[pod.namespace][workload].append(pod.labels)
        self._selectors = {namespace: Selectors(found, keys) for namespace, found in pods.items()}

    def rule(self, denied: Iterable[tuple[PodFlow, Side]]) -> PolicyRule:
        """The rule that policies lack for some flows between two, one side of which denies them."""
        peers: dict[Peer, None] = {}
        ports: dict[PolicyPort, None] = {}
        for flow, side in denied:
            is_ingress = side.direction == INGRESS
            other: FlowEnd = flow.source if is_ingress else flow.destination
            peers.update(dict.fromkeys(self._peers(other, side.pod.namespace)))
            port = flow.server_port if is_ingress else flow.port
            ports[PolicyPort(flow.protocol, port)] = None
        return PolicyRule(tuple(peers), tuple(ports))

    def _peers(self, end: FlowEnd, own_namespace: str) -> Iterator[Peer]:
        match end:
            case PodEnd(pod=pod, workload=workload):
                selector = self._selectors[pod.namespace].of(workload)
                if isinstance(selector, NoSelector):
                    selector = LabelSelector(selector.shared)
                where = LabelSelector(((NAME_LABEL, pod.namespace),))
                yield Peer(selector, None if pod.namespace == own_namespace else where)
            case ServiceEnd(ends=ends):
                for each in ends:
                    yield from self._peers(each, own_namespace)
            case ApiServerEnd(addresses=addresses):
                yield from map(_block, addresses)
            case _:
                yield _block(end.address)


def _block(address: bytes) -> Peer:
    return Peer(ip_block=IPBlock((int.from_bytes(address), ALL)))
