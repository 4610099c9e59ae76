"""Cilium's policy objects → values, with the meaning that Cilium gives what is left out.

Sources: cilium, pkg/policy/api/rule_validation.go (EnableDefaultDeny), ingress.go and egress.go (an
empty list of peers selects nobody), pkg/k8s/apis/cilium.io/utils (which namespace is meant).
"""

from collections.abc import Collection, Iterator

from otterize_pcap.addresses import parse_network
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.action_rule import (
    ALLOW,
    DENY,
    ActionPeer,
    ActionRule,
    CIDRPeer,
    CiliumPolicy,
    EndpointPeer,
    EntityPeer,
    NamePeer,
    ServicePeer,
    UnjudgedPeer,
)
from otterize_pcap.policies.cilium_identity import (
    NAMESPACE,
    NAMESPACE_LABELS,
    RESERVED,
    split_key,
)
from otterize_pcap.policies.cilium_objects import (
    CiliumPolicyItem,
    EgressCommonRule,
    EgressDenyRule,
    EgressRule,
    IngressRule,
    L7Rules,
    PortDenyRule,
    PortProtocol,
    PortRule,
    RuleObject,
    RuleSpec,
    peer_lists,
    section_of,
    specs_of,
    way_of,
)
from otterize_pcap.policies.network_policy import (
    ANY_PROTOCOL,
    EGRESS,
    INGRESS,
    IPBlock,
    LabelSelector,
    PolicyPort,
)
from otterize_pcap.policies.policy_of_item import Locate, nowhere, selector_of
from otterize_pcap.policies.validate import Path, path_text
from otterize_pcap.snapshot import objects

NODE, OUTSIDE = "node", "outside"
NODE_LABELS = "a rule goes by labels of nodes, which the snapshot does not have"
GROUPS = "a rule goes by groups of a cloud provider, which the snapshot does not have"
CIDR_GROUPS = "a rule goes by a CiliumCIDRGroup, which is not read"
AUTHENTICATION = "a rule asks for authentication, which packets do not show"
REQUIRES = "{} asks for labels beyond those that its rules do"
NO_PORTS = "toPorts without ports"


def cilium_policies(
    item: CiliumPolicyItem,
    namespace: str,
    locate: Locate = nowhere,
    unknown: Collection[Path] = (),
) -> tuple[CiliumPolicy, ...]:
    """The values of a policy object, one a rule specification.

    Args:
        item: One in which `cilium_problems` finds none.
        namespace: Its own, the one that it is applied to where it names none, empty for the whole
            cluster.
        locate: Where its parts stand.
        unknown: The paths of fields that are not known here.
    """
    return tuple(
        _Reader(item, namespace, where, spec, locate, unknown).policy()
        for where, spec in specs_of(item)
    )


class _Reader:
    """Reads one rule specification."""

    def __init__(
        self,
        item: CiliumPolicyItem,
        namespace: str,
        where: Path,
        spec: RuleSpec,
        locate: Locate,
        unknown: Collection[Path],
    ) -> None:
        self._item = item
        self._namespace = namespace
        self._where = where
        self._spec = spec
        self._locate = locate
        self._unknown = [path for path in unknown if path[: len(where)] == where]

    def policy(self) -> CiliumPolicy:
        spec, depth = self._spec, len(self._where)
        of_rules = [path for path in self._unknown if self._is_of_rule(path[depth:])]
        others = [path for path in self._unknown if path not in of_rules]
        selector = spec.endpointSelector
        place = self._locate(self._where if self._where[0] == "specs" else ())
        return CiliumPolicy(
            kind=self._item.kind,
            name=self._item.metadata.name,
            namespace=self._namespace,
            selector=None if selector is None else self._subject(selector_of(selector)),
            policy_types=frozenset(self._default_deny()),
            ingress=tuple(self._rules("ingress", "ingressDeny")),
            egress=tuple(self._rules("egress", "egressDeny")),
            doubt=not_known(others),
            place=place,
        )

    @staticmethod
    def _is_of_rule(path: Path) -> bool:
        return len(path) > 1 and isinstance(path[1], int)

    def _default_deny(self) -> Iterator[str]:
        """The directions of which all is denied that no rule allows."""
        spec, stated = self._spec, self._spec.enableDefaultDeny
        by_rules = bool(spec.ingress or spec.ingressDeny)
        asked = stated.ingress if stated else None
        if by_rules if asked is None else asked:
            yield INGRESS
        by_rules = bool(spec.egress or spec.egressDeny)
        asked = stated.egress if stated else None
        if by_rules if asked is None else asked:
            yield EGRESS

    def _rules(self, *sections: str) -> Iterator[ActionRule]:
        for section in sections:
            for number, rule in enumerate(section_of(self._spec, section)):
                path = (*self._where, section, number)
                place = self._locate(path)
                yield self._rule(section, number, rule, place, path)
                if rule.requires:
                    # What it asks for restricts what all rules allow, and allows nothing itself.
                    doubt = REQUIRES.format(f"{way_of(section)}Requires")
                    yield ActionRule(section, number, DENY, doubt=doubt, place=place)

    def _rule(
        self, section: str, number: int, rule: RuleObject, place: Place | None, path: Path
    ) -> ActionRule:
        unknown = [each for each in self._unknown if each[: len(path)] == path]
        doubt = not_known(unknown)
        given = peer_lists(rule, way_of(section))
        has_peers = any(found is not None for found in given.values())
        of_nobody = any(found == () for found in given.values())
        means_nothing = not has_peers and not rule.toPorts
        if any(not ports.ports for ports in rule.toPorts or ()):
            doubt = doubt or NO_PORTS
        if isinstance(rule, IngressRule | EgressRule) and rule.authentication is not None:
            is_off = rule.authentication.mode == "disabled"
            doubt = doubt or ("" if is_off else AUTHENTICATION)
        return ActionRule(
            section,
            number,
            DENY if section.endswith("Deny") else ALLOW,
            tuple(self._peers(rule, way_of(section))),
            tuple(_ports(rule.toPorts or ())),
            doubt,
            (means_nothing or of_nobody or bool(rule.icmps)) and not unknown,
            place,
        )

    def _peers(self, rule: RuleObject, way: str) -> Iterator[ActionPeer]:
        for selector in rule.endpoints or ():
            yield self._endpoint(selector_of(selector))
        for text in rule.cidrs or ():
            yield CIDRPeer(IPBlock(parse_network(text)))
        for each in rule.cidr_sets or ():
            if each.cidr is None:
                yield UnjudgedPeer(f"{way}CIDRSet by group", CIDR_GROUPS, frozenset((OUTSIDE,)))
            else:
                excepted = tuple(map(parse_network, each.excepted or ()))
                yield CIDRPeer(IPBlock(parse_network(each.cidr), excepted))
        for name in rule.entities or ():
            yield EntityPeer(name)
        for _ in rule.groups or ():
            yield UnjudgedPeer(f"{way}Groups", GROUPS, frozenset((OUTSIDE,)))
        for _ in rule.nodes or ():
            yield UnjudgedPeer(f"{way}Nodes", NODE_LABELS, frozenset((NODE,)))
        if isinstance(rule, EgressRule | EgressDenyRule):
            yield from _services(rule)
        if isinstance(rule, EgressRule):
            for each_name in rule.names or ():
                text = each_name.matchName or each_name.matchPattern or ""
                yield NamePeer(text, pattern=not each_name.matchName)

    def _subject(self, selector: LabelSelector) -> LabelSelector:
        """The pods that a policy is for: one of a namespace does not choose another."""
        labels = tuple(
            (key, value)
            for key, value in selector.match_labels
            if not self._namespace or split_key(key)[1] != NAMESPACE
        )
        return LabelSelector(labels, selector.match_expressions)

    def _endpoint(self, selector: LabelSelector) -> EndpointPeer:
        """Whom a selector means: without a namespace of its own, pods of the policy's."""
        keys = [split_key(key) for key in selector.keys]
        names = [name for source, name in keys if source != RESERVED]
        if len(names) < len(keys) or NAMESPACE in names:
            return EndpointPeer(selector, only_pods=False)
        if not self._namespace:
            return EndpointPeer(selector)
        if any(name.startswith(NAMESPACE_LABELS) for name in names):
            return EndpointPeer(selector, only_pods=False)
        return EndpointPeer(selector, self._namespace)


def not_known(paths: Collection[Path]) -> str:
    """Why nobody can tell what a policy does that has these fields; empty where it has none."""
    if not paths:
        return ""
    return f"{', '.join(map(path_text, paths))}: a field that is not known here"


def _services(rule: EgressCommonRule) -> Iterator[ServicePeer]:
    for service in rule.services or ():
        named, selected = service.k8sService, service.k8sServiceSelector
        if named is not None:
            yield ServicePeer(named.namespace or "", named.serviceName or "")
        if selected is not None:
            selector = selector_of(selected.selector or objects.LabelSelector())
            yield ServicePeer(selected.namespace or "", selector=selector)


def _ports(rules: Collection[PortDenyRule]) -> Iterator[PolicyPort]:
    for rule in rules:
        filtered = _filter(rule) if isinstance(rule, PortRule) else ""
        yield from (_port(port, filtered) for port in rule.ports or ())


def _port(port: PortProtocol, filtered: str) -> PolicyPort:
    text, protocol = port.port, port.protocol or ANY_PROTOCOL
    if not text.isdecimal():
        return PolicyPort(protocol, text.lower(), None, filtered)
    number = int(text)
    if number == 0:
        return PolicyPort(protocol, None, None, filtered)
    last = port.endPort if port.endPort is not None and port.endPort > number else None
    return PolicyPort(protocol, number, last, filtered)


def _filter(rule: PortRule) -> str:
    """What requests must meet at a rule's ports beyond layer 4; empty where that is nothing."""
    if rule.rules is not None:
        return _layer_7(rule.rules)
    if rule.serverNames:
        return "TLS server name"
    return "Envoy listener" if rule.listener is not None else ""


def _layer_7(rules: L7Rules) -> str:
    if rules.dns is not None:
        return "" if any(each.matchPattern == "*" for each in rules.dns) else "DNS"
    if rules.http is not None:
        return "" if {} in rules.http else "HTTP"
    if rules.kafka is not None:
        return "" if {} in rules.kafka else "Kafka"
    return "layer 7" if rules.l7proto or rules.l7 else ""
