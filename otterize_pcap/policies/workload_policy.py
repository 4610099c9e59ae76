"""What becomes of one workload: its policy and the rules of it, with what was seen of each."""

from msgspec import Struct, field

from otterize_pcap.addresses import format_address
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.flow_ends import outside_text
from otterize_pcap.policies.needs import (
    AddressPeer,
    ApiServerPeer,
    DnsPeer,
    NeedPeer,
    NodesPeer,
    OutsidePeer,
    PodsPeer,
    PublicPeer,
    Sighting,
)
from otterize_pcap.policies.network_policy import LabelSelector, NetworkPolicy, PolicyRule
from otterize_pcap.policies.verdict import Verdict


class AllowedPeer(Struct, frozen=True):
    """One rule of a policy: whom it is for, and what was seen of it; None where nothing was.

    `remarks` say what a reader of the rule must know beyond it.
    """

    direction: str
    peers: tuple[NeedPeer, ...]
    rule: PolicyRule
    seen: Sighting | None
    remarks: tuple[str, ...] = ()


class WorkloadPolicy(Struct, frozen=True):
    """What becomes of one workload: its policy, None where too little was seen, and why."""

    workload: Workload
    name: str
    verdict: Verdict
    selector: LabelSelector | None = None
    allowed: tuple[AllowedPeer, ...] = ()
    policy: NetworkPolicy | None = field(default=None)


def peer_text(peer: NeedPeer) -> str:
    """A peer in words."""
    match peer:
        case PodsPeer(workload):
            return full_name(workload)
        case DnsPeer():
            return "the cluster's DNS"
        case ApiServerPeer():
            return "the API server"
        case NodesPeer():
            return "nodes"
        case AddressPeer(address, name):
            return f"{name} ({format_address(address)})" if name else outside_text(address)
        case OutsidePeer():
            return "anybody outside"
        case PublicPeer():
            return "any public address"
