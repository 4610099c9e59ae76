"""Whom a workload needs → peers of a rule, as the API has them (NetworkPolicyPeer)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import assert_never

from otterize_pcap.addresses import (
    LINK_LOCAL,
    PRIVATE,
    Network,
    format_address,
    in_network,
    parse_network,
)
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.dns_needs import USUAL_LABELS, USUAL_NAMESPACE
from otterize_pcap.policies.needs import (
    AddressPeer,
    ApiServerPeer,
    DnsPeer,
    NeedPeer,
    NodesPeer,
    OutsidePeer,
    PodsPeer,
    PublicPeer,
)
from otterize_pcap.policies.network_policy import ANY_IPV4, ANY_IPV6, IPBlock, LabelSelector, Peer
from otterize_pcap.policies.observation import Observation
from otterize_pcap.policies.selectors import Labels, NoSelector, Selectors
from otterize_pcap.resolve.workload_labels import NAME_LABEL

USUAL_DNS = Peer(LabelSelector(USUAL_LABELS), LabelSelector(((NAME_LABEL, USUAL_NAMESPACE),)))


NOT_PUBLIC = (*PRIVATE, LINK_LOCAL)
"""Ranges that no server on the internet has an address of."""


class PolicyPeers:
    """The peers of policies, by what several captures say.

    Args:
        observations: What the captures say.
        node_ranges: The ranges that nodes have their addresses from, where somebody said them:
            nodes come and go.
    """

    def __init__(
        self, observations: Sequence[Observation], node_ranges: Sequence[Network] = ()
    ) -> None:
        labels: dict[str, dict[Workload, list[Labels]]] = defaultdict(dict)
        self._on_host: dict[Workload, bool] = {}
        for one in observations:
            for workload, pods in one.pods.items():
                own = [pod.labels for pod in pods if not pod.host_network]
                self._on_host[workload] = not own and self._on_host.get(workload, True)
                if own:
                    labels[workload.namespace].setdefault(workload, []).extend(own)
        owners = {
            workload: keys for one in observations for workload, keys in one.selector_keys.items()
        }
        self._selectors = {
            namespace: Selectors(found, owners) for namespace, found in labels.items()
        }
        self._node_ranges = tuple(node_ranges)
        self._nodes = _union(one.node_addresses for one in observations)
        self._api_server = _union(one.api_addresses for one in observations)
        self._dns = sorted({workload for one in observations for workload in one.dns_ports})
        self._dns_caches = _union(one.dns_addresses for one in observations)
        self._pod_networks = sorted({net for one in observations for net in one.pod_networks})

    @property
    def knows_dns(self) -> bool:
        """Whether any capture says where the cluster's DNS is."""
        return bool(self._dns or self._dns_caches)

    def is_on_host(self, workload: Workload) -> bool:
        """Whether all pods of a workload are on their nodes' network, where no policy selects."""
        return self._on_host.get(workload, False)

    def selector(self, workload: Workload) -> LabelSelector | NoSelector:
        """What selects a workload's own pods and nobody else's."""
        found = self._selectors.get(workload.namespace)
        return found.of(workload) if found else NoSelector("no pod of it is in the snapshot")

    def of(self, peer: NeedPeer, namespace: str) -> tuple[Peer, ...]:
        """The peers of a rule in a policy of a namespace."""
        match peer:
            case PodsPeer(workload):
                return (self._pods(workload, namespace),)
            case DnsPeer():
                return tuple(self._dns_peers(namespace))
            case ApiServerPeer():
                return _blocks(_singles(self._api_server))
            case NodesPeer():
                return _blocks(self._node_ranges or _singles(self._nodes))
            case AddressPeer(address):
                return _blocks(_singles([address]))
            case OutsidePeer():
                return tuple(self._outside())
            case PublicPeer():
                return tuple(self._outside(NOT_PUBLIC))
            case _:
                assert_never(peer)

    def remark(self, peer: NeedPeer) -> str:
        """What is to be said of a peer that its rule does not show; empty where nothing is."""
        if isinstance(peer, PodsPeer):
            found = self.selector(peer.workload)
            return (
                f"selects more than these pods: {found.reason}"
                if isinstance(found, NoSelector)
                else ""
            )
        if isinstance(peer, NodesPeer):
            to_come = "" if self._node_ranges else "; those to come need --node-cidr"
            return f"by address: no policy selects nodes, or pods on their network{to_come}"
        if isinstance(peer, DnsPeer) and not self.knows_dns:
            return "not in the snapshot; this is where clusters have it"
        return ""

    def _pods(self, workload: Workload, namespace: str) -> Peer:
        """The pods of a workload, and where nothing tells them from others', those as well.

        A rule that selects too much lets somebody in; one that selects too little cuts off.
        """
        selector = self.selector(workload)
        if isinstance(selector, NoSelector):
            selector = LabelSelector(selector.shared)
        where = LabelSelector(((NAME_LABEL, workload.namespace),))
        return Peer(selector, None if workload.namespace == namespace else where)

    def _outside(self, others: Collection[Network] = ()) -> Iterator[Peer]:
        """All addresses but pods' and `others`, of both families: the next may have either."""
        excepted = sorted({*self._pod_networks, *others})
        for whole in (ANY_IPV4, ANY_IPV6):
            is_ipv4 = IPBlock(whole).is_ipv4
            within = [each for each in excepted if IPBlock(each).is_ipv4 == is_ipv4]
            yield Peer(ip_block=IPBlock(whole, tuple(within)))

    def _dns_peers(self, namespace: str) -> Iterator[Peer]:
        if not self.knows_dns:
            yield USUAL_DNS
        for workload in self._dns:
            if self.is_on_host(workload):
                yield from self.of(NodesPeer(), namespace)
            else:
                yield self._pods(workload, namespace)
        yield from _blocks(_singles(self._dns_caches))


def _union(parts: Iterable[frozenset[bytes]]) -> list[bytes]:
    return sorted({address for part in parts for address in part})


def _singles(addresses: Collection[bytes]) -> tuple[Network, ...]:
    """The ranges that hold these addresses and no other."""
    texts = [format_address(address) for address in sorted(addresses)]
    four = collapse_addresses(IPv4Network(text) for text in texts if ":" not in text)
    six = collapse_addresses(IPv6Network(text) for text in texts if ":" in text)
    return tuple(parse_network(str(each)) for each in (*four, *six))


def _blocks(networks: Iterable[Network]) -> tuple[Peer, ...]:
    return tuple(Peer(ip_block=IPBlock(network)) for network in networks)


def is_public(address: bytes) -> bool:
    """Whether an address is one that a server on the internet can have."""
    return not any(in_network(address, network) for network in NOT_PUBLIC)
