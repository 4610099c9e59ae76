"""The kinds of objects that are policies: how each is read, checked and made a value."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct

from otterize_pcap.compare.findings import Rule
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.admin_objects import (
    GROUP,
    AdminItem,
    AdminSpec,
    BaselineItem,
    BaselineSpec,
)
from otterize_pcap.policies.admin_of_item import admin_policy
from otterize_pcap.policies.cilium_objects import (
    SECTIONS,
    CiliumPolicyItem,
    RuleSpec,
    peer_lists,
    section_of,
    specs_of,
    way_of,
)
from otterize_pcap.policies.cilium_of_item import cilium_policies
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.policy_of_item import Locate, policy_of
from otterize_pcap.policies.policy_rules import (
    EMPTY_LIST,
    EMPTY_PEERS,
    NO_TYPE,
    UNJUDGED_FIELD,
    UNKNOWN_FIELD,
)
from otterize_pcap.policies.validate import Path, Problem, problems_of, rules_of, unknown_fields
from otterize_pcap.policies.validate_admin import admin_problems
from otterize_pcap.policies.validate_cilium import cilium_problems
from otterize_pcap.snapshot.objects import Item
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem, NetworkPolicySpec

Slip = tuple[Rule, Path, str]
UNKNOWN = "means nothing to the API server"
UNJUDGED = "is not known here: what it may change is not judged"
CILIUM_GROUP = "cilium.io"


class PolicyKind(Struct, frozen=True):
    """A kind of policy: `shape` is its object's type, `specs` where it has fields of which type."""

    kind: str
    group: str
    shape: type[Item]
    specs: Mapping[str, type]
    problems: Callable[[Any], Iterator[Problem]]
    slips: Callable[[Any], Iterator[Slip]]
    policies: Callable[[Any, str, Locate, Collection[Path]], tuple[AnyPolicy, ...]]
    is_namespaced: bool = True
    unknown_rule: Rule = UNJUDGED_FIELD
    unknown_text: str = UNJUDGED

    def unknown_fields(self, fields: Mapping[str, Any]) -> Iterator[Path]:
        """The paths of fields that its type has not."""
        for name, shape in self.specs.items():
            yield from unknown_fields(fields.get(name), shape, (name,))


def _network_problems(item: NetworkPolicyItem) -> Iterator[Problem]:
    return problems_of(item.spec or NetworkPolicySpec())


def _network_slips(item: NetworkPolicyItem) -> Iterator[Slip]:
    """What the API server takes, and means something else than it looks like."""
    spec = item.spec or NetworkPolicySpec()
    for rule in rules_of(spec):
        if rule.peers == ():
            text = f"`{rule.field}: []` allows everybody; leave the rule out to allow nobody"
            yield EMPTY_PEERS, (*rule.path, rule.field), text
    for type_, rules in ((INGRESS, spec.ingress), (EGRESS, spec.egress)):
        if rules and spec.policyTypes and type_ not in spec.policyTypes:
            text = f"its rules of {type_.lower()} mean nothing without policyTypes: {type_}"
            yield NO_TYPE, ("spec", type_.lower()), text


def _network_policies(
    item: NetworkPolicyItem, namespace: str, locate: Locate, _: Collection[Path]
) -> tuple[AnyPolicy, ...]:
    return (policy_of(item, namespace, locate),)


def _cilium_slips(item: CiliumPolicyItem) -> Iterator[Slip]:
    """Empty lists, which say nothing to Cilium where they say much in a NetworkPolicy."""
    for where, spec in specs_of(item):
        for section in SECTIONS:
            if getattr(spec, section) == ():
                text = f"`{section}: []` isolates nobody; `{section}: [{{}}]` does"
                yield EMPTY_LIST, (*where, section), text
            for at, rule in enumerate(section_of(spec, section)):
                for name, found in peer_lists(rule, way_of(section)).items():
                    if found == ():
                        text = f"`{name}: []` means nobody, so that its rule says nothing"
                        yield EMPTY_LIST, (*where, section, at, name), text


def _no_slips(_: Item) -> Iterator[Slip]:
    return iter(())


def _admin_policies(
    item: AdminItem | BaselineItem, _: str, locate: Locate, unknown: Collection[Path]
) -> tuple[AnyPolicy, ...]:
    return (admin_policy(item, locate, unknown),)


def _cilium_kind(kind: str, *, is_namespaced: bool) -> PolicyKind:
    return PolicyKind(
        kind,
        CILIUM_GROUP,
        CiliumPolicyItem,
        {"spec": RuleSpec, "specs": RuleSpec},
        cilium_problems,
        _cilium_slips,
        cilium_policies,
        is_namespaced,
    )


def _admin_kind(kind: str, shape: type[Item], spec: type) -> PolicyKind:
    return PolicyKind(
        kind,
        GROUP,
        shape,
        {"spec": spec},
        admin_problems,
        _no_slips,
        _admin_policies,
        is_namespaced=False,
    )


_KINDS = (
    PolicyKind(
        "NetworkPolicy",
        "",
        NetworkPolicyItem,
        {"spec": NetworkPolicySpec},
        _network_problems,
        _network_slips,
        _network_policies,
        unknown_rule=UNKNOWN_FIELD,
        unknown_text=UNKNOWN,
    ),
    _cilium_kind("CiliumNetworkPolicy", is_namespaced=True),
    _cilium_kind("CiliumClusterwideNetworkPolicy", is_namespaced=False),
    _admin_kind("AdminNetworkPolicy", AdminItem, AdminSpec),
    _admin_kind("BaselineAdminNetworkPolicy", BaselineItem, BaselineSpec),
)
POLICY_KINDS = {(each.kind, each.group): each for each in _KINDS}
"""By kind and group; Kubernetes' own groups are empty."""
