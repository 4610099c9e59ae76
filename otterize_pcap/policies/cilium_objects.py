"""cilium.io/v2 CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, as the API has them.

Source: cilium, pkg/policy/api (rule.go, ingress.go, egress.go, l4.go, l7.go, cidr.go, fqdn.go,
service.go). What is of layer 7, and what only the cluster can tell, is taken as it is.
"""

from typing import Any

import msgspec

from otterize_pcap.snapshot.objects import Item, LabelSelector


class CIDRRule(msgspec.Struct, frozen=True, gc=False):
    """api.CIDRRule."""

    cidr: str | None = None
    excepted: tuple[str, ...] | None = msgspec.field(name="except", default=None)
    cidrGroupRef: str | None = None
    cidrGroupSelector: LabelSelector | None = None


class PortProtocol(msgspec.Struct, frozen=True, gc=False):
    """api.PortProtocol: `port` is a number or a name, as text."""

    port: str = ""
    endPort: int | None = None
    protocol: str | None = None


class DNSRule(msgspec.Struct, frozen=True, gc=False):
    """api.FQDNSelector and api.PortRuleDNS."""

    matchName: str | None = None
    matchPattern: str | None = None


class L7Rules(msgspec.Struct, frozen=True, gc=False):
    """api.L7Rules."""

    http: tuple[dict[str, Any], ...] | None = None
    kafka: tuple[dict[str, Any], ...] | None = None
    dns: tuple[DNSRule, ...] | None = None
    l7proto: str | None = None
    l7: Any = None


class PortDenyRule(msgspec.Struct, frozen=True, gc=False):
    """api.PortDenyRule."""

    ports: tuple[PortProtocol, ...] | None = None


class PortRule(PortDenyRule, frozen=True, gc=False):
    """api.PortRule."""

    rules: L7Rules | None = None
    serverNames: tuple[str, ...] | None = None
    listener: Any = None
    terminatingTLS: Any = None
    originatingTLS: Any = None


class Authentication(msgspec.Struct, frozen=True, gc=False):
    """api.Authentication."""

    mode: str | None = None


class K8sServiceNamespace(msgspec.Struct, frozen=True, gc=False):
    """api.K8sServiceNamespace."""

    serviceName: str | None = None
    namespace: str | None = None


class K8sServiceSelectorNamespace(msgspec.Struct, frozen=True, gc=False):
    """api.K8sServiceSelectorNamespace."""

    selector: LabelSelector | None = None
    namespace: str | None = None


class Service(msgspec.Struct, frozen=True, gc=False):
    """api.Service."""

    k8sService: K8sServiceNamespace | None = None
    k8sServiceSelector: K8sServiceSelectorNamespace | None = None


class IngressCommonRule(msgspec.Struct, frozen=True, gc=False):
    """api.IngressCommonRule, with `icmps`, which those that allow and that deny have alike."""

    endpoints: tuple[LabelSelector, ...] | None = msgspec.field(name="fromEndpoints", default=None)
    requires: tuple[LabelSelector, ...] | None = msgspec.field(name="fromRequires", default=None)
    cidrs: tuple[str, ...] | None = msgspec.field(name="fromCIDR", default=None)
    cidr_sets: tuple[CIDRRule, ...] | None = msgspec.field(name="fromCIDRSet", default=None)
    entities: tuple[str, ...] | None = msgspec.field(name="fromEntities", default=None)
    groups: tuple[Any, ...] | None = msgspec.field(name="fromGroups", default=None)
    nodes: tuple[LabelSelector, ...] | None = msgspec.field(name="fromNodes", default=None)
    icmps: tuple[Any, ...] | None = None


class IngressRule(IngressCommonRule, frozen=True, gc=False):
    """api.IngressRule."""

    toPorts: tuple[PortRule, ...] | None = None
    authentication: Authentication | None = None


class IngressDenyRule(IngressCommonRule, frozen=True, gc=False):
    """api.IngressDenyRule."""

    toPorts: tuple[PortDenyRule, ...] | None = None


class EgressCommonRule(msgspec.Struct, frozen=True, gc=False):
    """api.EgressCommonRule, with `icmps`, which those that allow and that deny have alike."""

    endpoints: tuple[LabelSelector, ...] | None = msgspec.field(name="toEndpoints", default=None)
    requires: tuple[LabelSelector, ...] | None = msgspec.field(name="toRequires", default=None)
    cidrs: tuple[str, ...] | None = msgspec.field(name="toCIDR", default=None)
    cidr_sets: tuple[CIDRRule, ...] | None = msgspec.field(name="toCIDRSet", default=None)
    entities: tuple[str, ...] | None = msgspec.field(name="toEntities", default=None)
    services: tuple[Service, ...] | None = msgspec.field(name="toServices", default=None)
    groups: tuple[Any, ...] | None = msgspec.field(name="toGroups", default=None)
    nodes: tuple[LabelSelector, ...] | None = msgspec.field(name="toNodes", default=None)
    icmps: tuple[Any, ...] | None = None


class EgressRule(EgressCommonRule, frozen=True, gc=False):
    """api.EgressRule."""

    toPorts: tuple[PortRule, ...] | None = None
    names: tuple[DNSRule, ...] | None = msgspec.field(name="toFQDNs", default=None)
    authentication: Authentication | None = None


class EgressDenyRule(EgressCommonRule, frozen=True, gc=False):
    """api.EgressDenyRule."""

    toPorts: tuple[PortDenyRule, ...] | None = None


AnyIngress = IngressRule | IngressDenyRule
AnyEgress = EgressRule | EgressDenyRule
RuleObject = AnyIngress | AnyEgress


class DefaultDenyConfig(msgspec.Struct, frozen=True, gc=False):
    """api.DefaultDenyConfig."""

    ingress: bool | None = None
    egress: bool | None = None


class RuleSpec(msgspec.Struct, frozen=True, gc=False):
    """api.Rule."""

    endpointSelector: LabelSelector | None = None
    nodeSelector: LabelSelector | None = None
    ingress: tuple[IngressRule, ...] | None = None
    ingressDeny: tuple[IngressDenyRule, ...] | None = None
    egress: tuple[EgressRule, ...] | None = None
    egressDeny: tuple[EgressDenyRule, ...] | None = None
    enableDefaultDeny: DefaultDenyConfig | None = None
    labels: Any = None
    description: str | None = None
    log: Any = None


class CiliumPolicyItem(Item, frozen=True, gc=False):
    """v2.CiliumNetworkPolicy and v2.CiliumClusterwideNetworkPolicy."""

    spec: RuleSpec | None = None
    specs: tuple[RuleSpec, ...] | None = None


SECTIONS = ("ingress", "ingressDeny", "egress", "egressDeny")


def specs_of(item: CiliumPolicyItem) -> list[tuple[tuple[str | int, ...], RuleSpec]]:
    """The rule specifications of an object, each with its path."""
    found: list[tuple[tuple[str | int, ...], RuleSpec]] = []
    if item.spec is not None:
        found.append((("spec",), item.spec))
    found += [(("specs", at), spec) for at, spec in enumerate(item.specs or ())]
    return found


def section_of(spec: RuleSpec, name: str) -> tuple[RuleObject, ...]:
    """The rules of one section."""
    rules: tuple[RuleObject, ...] | None = getattr(spec, name)
    return rules or ()


def way_of(section: str) -> str:
    """How the fields of a section's peers begin."""
    return "from" if section.startswith("ingress") else "to"


def peer_lists(rule: RuleObject, way: str) -> dict[str, tuple[Any, ...] | None]:
    """The lists of peers of a rule, by the names of their fields; None where there is none."""
    found: dict[str, tuple[Any, ...] | None] = {
        f"{way}Endpoints": rule.endpoints,
        f"{way}CIDR": rule.cidrs,
        f"{way}CIDRSet": rule.cidr_sets,
        f"{way}Entities": rule.entities,
        f"{way}Groups": rule.groups,
        f"{way}Nodes": rule.nodes,
    }
    if isinstance(rule, EgressRule | EgressDenyRule):
        found["toServices"] = rule.services
    if isinstance(rule, EgressRule):
        found["toFQDNs"] = rule.names
    return found
