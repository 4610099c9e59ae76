"""Whether a peer of any kind of rule means an end of a flow, as the filter of one pod sees it."""

import re
from functools import cache

from otterize_pcap.policies.action_rule import (
    ActionPeer,
    CIDRPeer,
    EndpointPeer,
    EntityPeer,
    NamePeer,
    ServicePeer,
    UnjudgedPeer,
)
from otterize_pcap.policies.cilium_identity import (
    Identity,
    identity_of,
    selector_means,
    why_unknown,
)
from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.network_policy import Peer
from otterize_pcap.policies.peers import (
    NAMESPACE_UNKNOWN,
    Known,
    NamespaceLabels,
    address_of,
    peer_matches,
)
from otterize_pcap.resolve.api_server import API_SERVER_NAME
from otterize_pcap.snapshot.snapshot import Pod, Service, Snapshot

NO_NAME = "no answer of DNS tells by which name the server was called"
WHERE_UNKNOWN = "the snapshot does not say whether an address is that of a node, and of which"


class PeerMatcher:
    """Holds peers against ends of one capture's flows.

    Args:
        snapshot: Who is there.
        by_identity: Whether the network goes by identities, as Cilium does: ranges of addresses
            mean no pod and no node then, whoever's policy has them.
    """

    def __init__(self, snapshot: Snapshot, *, by_identity: bool) -> None:
        self.namespaces = NamespaceLabels(snapshot.namespaces)
        self.by_identity = by_identity
        self._nodes = snapshot.nodes
        self._services = snapshot.services
        self._api_servers = frozenset(
            backend.address
            for service in snapshot.services
            if (service.namespace, service.name) == API_SERVER_NAME
            for backends in service.backends.values()
            for backend in backends
        )
        self._behind: dict[ServicePeer, dict[bytes, bool]] = {}

    def matches(self, peer: ActionPeer, own_namespace: str, end: FlowEnd, own: Pod) -> Known:
        """Whether a peer of a policy in `own_namespace` means an end, for the filter of `own`."""
        if isinstance(peer, Peer):
            if peer.ip_block is not None and self.by_identity:
                return self._in_range(CIDRPeer(peer.ip_block), self._identity(end, own))
            return peer_matches(peer, own_namespace, end, self.namespaces)
        if isinstance(peer, UnjudgedPeer):
            return None if _kind(end) in peer.kinds else False
        if isinstance(peer, ServicePeer):
            return self._is_behind(peer, end, own)
        if isinstance(peer, NamePeer):
            return self._has_name(peer, end, own)
        identity = self._identity(end, own)
        if isinstance(peer, EntityPeer):
            return identity.is_entity(peer.name)
        if isinstance(peer, CIDRPeer):
            return self._in_range(peer, identity)
        return self._is_endpoint(peer, identity)

    def why_unknown(self, peer: ActionPeer) -> str:
        """Why nobody may know whether a peer means an end."""
        match peer:
            case UnjudgedPeer(reason=reason):
                return reason
            case NamePeer():
                return NO_NAME
            case EndpointPeer(selector=selector):
                return why_unknown(selector)
            case EntityPeer() | CIDRPeer():
                return WHERE_UNKNOWN
            case Peer(ip_block=block) if block is not None:
                return WHERE_UNKNOWN
        return NAMESPACE_UNKNOWN

    def _identity(self, end: FlowEnd, own: Pod) -> Identity:
        return identity_of(end, own, self._nodes, self._api_servers)

    def _is_endpoint(self, peer: EndpointPeer, identity: Identity) -> Known:
        if peer.only_pods and identity.pod is None:
            return False
        if peer.namespace and identity.pod and identity.pod.namespace != peer.namespace:
            return False
        return selector_means(peer.selector, identity, self.namespaces)

    def _in_range(self, peer: CIDRPeer, identity: Identity) -> Known:
        # Nobody who is no outsider has an address here.
        return identity.is_outside if peer.block.contains(identity.address) else False

    def _has_name(self, peer: NamePeer, end: FlowEnd, own: Pod) -> Known:
        if isinstance(end, OutsideEnd):
            return None if end.name is None else name_matches(peer, end.name)
        return False if self._identity(end, own).is_outside is False else None

    def _is_behind(self, peer: ServicePeer, end: FlowEnd, own: Pod) -> Known:
        """Whether an end is behind a Service; without a selector, that means ranges."""
        found = self._behind.get(peer)
        if found is None:
            found = self._behind[peer] = {
                backend.address: service.has_selector
                for service in self._services
                if _is_service(peer, service)
                for backends in service.backends.values()
                for backend in backends
            }
        address = address_of(end)
        if address not in found:
            return False
        return True if found[address] else self._identity(end, own).is_outside


def _kind(end: FlowEnd) -> str:
    match end:
        case PodEnd():
            return "pod"
        case NodeEnd() | ApiServerEnd():
            return "node"
        case _:
            return "outside"


def _is_service(peer: ServicePeer, service: Service) -> bool:
    if peer.namespace and service.namespace != peer.namespace:
        return False
    if peer.selector is not None:
        return peer.selector.matches(service.labels)
    return service.name == peer.name


def name_matches(peer: NamePeer, name: str) -> bool:
    """Whether a rule means a name of DNS; letters' case and a last dot do not matter."""
    asked, own = peer.name.lower().rstrip("."), name.lower().rstrip(".")
    return _pattern(asked).fullmatch(own) is not None if peer.pattern else asked == own


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """`*` is any characters of one label, alone any name, `**.` before a name all below it."""
    if text == "*":
        return re.compile(r".+", re.DOTALL)
    head = ""
    if text.startswith("**."):
        head, text = r"[-a-z0-9_]+(\.[-a-z0-9_]+)*\.", text[3:]
    parts = (re.escape(part) for part in re.split(r"\*+", text))
    return re.compile(head + "[-a-z0-9_]*".join(parts))
