"""policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy and its baseline, as the API has them.

Source: network-policy-api, apis/v1alpha1 (adminnetworkpolicy_types.go, shared_types.go).
"""

import msgspec

from otterize_pcap.snapshot.objects import Item, LabelSelector

GROUP = "policy.networking.k8s.io"


class NamespacedPod(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.NamespacedPod."""

    namespaceSelector: LabelSelector | None = None
    podSelector: LabelSelector | None = None


class Subject(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicySubject."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPod | None = None


class IngressPeer(Subject, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicyIngressPeer."""


class EgressPeer(Subject, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicyEgressPeer."""

    nodes: LabelSelector | None = None
    networks: tuple[str, ...] | None = None
    domainNames: tuple[str, ...] | None = None


class Port(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.Port."""

    protocol: str | None = None
    port: int | None = None


class PortRange(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.PortRange."""

    protocol: str | None = None
    start: int | None = None
    end: int | None = None


class AdminPort(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicyPort."""

    portNumber: Port | None = None
    namedPort: str | None = None
    portRange: PortRange | None = None


class IngressRule(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicyIngressRule."""

    name: str | None = None
    action: str | None = None
    peers: tuple[IngressPeer, ...] | None = msgspec.field(name="from", default=None)
    ports: tuple[AdminPort, ...] | None = None


class EgressRule(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicyEgressRule."""

    name: str | None = None
    action: str | None = None
    peers: tuple[EgressPeer, ...] | None = msgspec.field(name="to", default=None)
    ports: tuple[AdminPort, ...] | None = None


class BaselineSpec(msgspec.Struct, frozen=True, gc=False):
    """v1alpha1.BaselineAdminNetworkPolicySpec."""

    subject: Subject | None = None
    ingress: tuple[IngressRule, ...] | None = None
    egress: tuple[EgressRule, ...] | None = None


class AdminSpec(BaselineSpec, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicySpec."""

    priority: int | None = None


class BaselineItem(Item, frozen=True, gc=False):
    """v1alpha1.BaselineAdminNetworkPolicy."""

    spec: BaselineSpec | None = None


class AdminItem(Item, frozen=True, gc=False):
    """v1alpha1.AdminNetworkPolicy."""

    spec: AdminSpec | None = None


AnyItem = BaselineItem | AdminItem
RuleObject = IngressRule | EgressRule


def rules_of(spec: BaselineSpec, section: str) -> tuple[RuleObject, ...]:
    """The rules of `ingress` or `egress`."""
    rules: tuple[RuleObject, ...] | None = spec.ingress if section == "ingress" else spec.egress
    return rules or ()
