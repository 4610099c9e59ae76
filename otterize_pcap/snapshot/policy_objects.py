"""NetworkPolicies as Kubernetes spells them (networking.k8s.io/v1); other kinds: `objects`."""

import msgspec

from otterize_pcap.snapshot.objects import Item, LabelSelector


class IPBlock(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 IPBlock."""

    cidr: str
    excepted: tuple[str, ...] | None = msgspec.field(name="except", default=None)


class NetworkPolicyPeer(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicyPeer."""

    podSelector: LabelSelector | None = None
    namespaceSelector: LabelSelector | None = None
    ipBlock: IPBlock | None = None


class NetworkPolicyPort(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicyPort; `port` is a number or the name of a container's."""

    protocol: str | None = None
    port: int | str | None = None
    endPort: int | None = None


class NetworkPolicyIngressRule(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicyIngressRule."""

    peers: tuple[NetworkPolicyPeer, ...] | None = msgspec.field(name="from", default=None)
    ports: tuple[NetworkPolicyPort, ...] | None = None


class NetworkPolicyEgressRule(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicyEgressRule."""

    peers: tuple[NetworkPolicyPeer, ...] | None = msgspec.field(name="to", default=None)
    ports: tuple[NetworkPolicyPort, ...] | None = None


class NetworkPolicySpec(msgspec.Struct, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicySpec."""

    podSelector: LabelSelector | None = None
    policyTypes: tuple[str, ...] | None = None
    ingress: tuple[NetworkPolicyIngressRule, ...] | None = None
    egress: tuple[NetworkPolicyEgressRule, ...] | None = None


class NetworkPolicyItem(Item, frozen=True, gc=False):
    """networking.k8s.io/v1 NetworkPolicy."""

    spec: NetworkPolicySpec | None = None
