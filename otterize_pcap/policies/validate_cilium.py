"""What Cilium refuses in its own policies.

Source: cilium, pkg/policy/api/rule_validation.go (Rule.Sanitize), fqdn.go.
"""

import re
from collections.abc import Iterator

from otterize_pcap.policies.cilium_identity import ENTITIES
from otterize_pcap.policies.cilium_objects import (
    SECTIONS,
    CiliumPolicyItem,
    DNSRule,
    PortProtocol,
    PortRule,
    RuleObject,
    RuleSpec,
    peer_lists,
    section_of,
    specs_of,
    way_of,
)
from otterize_pcap.policies.validate import (
    HIGHEST_PORT,
    Path,
    Problem,
    is_within,
    no_range,
    range_of,
    selector_problems,
)

PROTOCOLS = ("TCP", "UDP", "SCTP", "ICMP", "ICMPV6", "VRRP", "IGMP", "ANY")
MOST_PORTS = 40
SERVICE_NAME = re.compile(r"(?=.*[a-zA-Z])(?!.*--)[a-zA-Z0-9]([-a-zA-Z0-9]{0,13}[a-zA-Z0-9])?")
"""Names of ports (RFC 6335 5.1)."""
NAME = re.compile(r"[-a-zA-Z0-9_.]+")
PATTERN = re.compile(r"[-a-zA-Z0-9_.*]+")


def cilium_problems(item: CiliumPolicyItem) -> Iterator[Problem]:
    """Why Cilium refuses a policy; nothing where it takes it."""
    specs = specs_of(item)
    if not specs:
        yield (), "it has neither spec nor specs"
    for where, spec in specs:
        yield from _spec(spec, where, is_clusterwide=item.kind == "CiliumClusterwideNetworkPolicy")


def _spec(spec: RuleSpec, where: Path, *, is_clusterwide: bool) -> Iterator[Problem]:
    selectors = [spec.endpointSelector, spec.nodeSelector]
    if selectors.count(None) != 1:
        has = ("neither", "nor") if None in selectors else ("both", "and")
        yield where, f"has {has[0]} endpointSelector {has[1]} nodeSelector"
    if spec.nodeSelector is not None and not is_clusterwide:
        yield (
            (*where, "nodeSelector"),
            "is for CiliumClusterwideNetworkPolicies only",
        )
    for name, selector in zip(("endpointSelector", "nodeSelector"), selectors, strict=True):
        yield from selector_problems(selector, (*where, name))
    for section in SECTIONS:
        for at, rule in enumerate(section_of(spec, section)):
            yield from _rule(rule, (*where, section, at), way_of(section))


def _rule(rule: RuleObject, where: Path, way: str) -> Iterator[Problem]:
    given = [name for name, found in peer_lists(rule, way).items() if found]
    if len(given) > 1:
        yield where, f"has {' and '.join(given)}; Cilium takes one kind of peer a rule"
    if rule.icmps and rule.toPorts:
        yield where, "has icmps and toPorts; Cilium takes one of them a rule"
    for name, selectors in (
        (f"{way}Endpoints", rule.endpoints),
        (f"{way}Requires", rule.requires),
        (f"{way}Nodes", rule.nodes),
    ):
        for at, selector in enumerate(selectors or ()):
            yield from selector_problems(selector, (*where, name, at))
    for at, entity in enumerate(rule.entities or ()):
        if entity not in ENTITIES:
            known = ", ".join(sorted(ENTITIES))
            yield (*where, f"{way}Entities", at), f"{entity!r} is no entity; these are: {known}"
    yield from _ranges(rule, where, way)
    for at, name in enumerate(getattr(rule, "names", None) or ()):
        yield from _name(name, (*where, "toFQDNs", at))
    for at, ports in enumerate(rule.toPorts or ()):
        yield from _ports(ports.ports or (), (*where, "toPorts", at, "ports"))
        if isinstance(ports, PortRule):
            yield from _layer_7(ports, (*where, "toPorts", at), way)


def _ranges(rule: RuleObject, where: Path, way: str) -> Iterator[Problem]:
    for at, text in enumerate(rule.cidrs or ()):
        if range_of(text, needs_prefix=False) is None:
            yield (*where, f"{way}CIDR", at), no_range(text)
    for at, each in enumerate(rule.cidr_sets or ()):
        place: Path = (*where, f"{way}CIDRSet", at)
        if each.cidrGroupRef is not None or each.cidrGroupSelector is not None:
            continue
        whole = None if each.cidr is None else range_of(each.cidr)
        if whole is None:
            yield (*place, "cidr"), no_range(each.cidr or "")
            continue
        for number, text in enumerate(each.excepted or ()):
            inner = range_of(text)
            if inner is None:
                yield (*place, "except", number), no_range(text)
            elif not is_within(inner, whole):
                yield (*place, "except", number), f"{text} does not lie within {each.cidr}"


def _name(name: DNSRule, where: Path) -> Iterator[Problem]:
    if bool(name.matchName) == bool(name.matchPattern):
        yield where, "needs a matchName or a matchPattern, and one of them"
    elif name.matchName and not NAME.fullmatch(name.matchName):
        yield (*where, "matchName"), f"{name.matchName!r} is no name of DNS"
    elif name.matchPattern and not PATTERN.fullmatch(name.matchPattern):
        yield (*where, "matchPattern"), f"{name.matchPattern!r} is no pattern of names"


def _ports(ports: tuple[PortProtocol, ...], where: Path) -> Iterator[Problem]:
    if len(ports) > MOST_PORTS:
        yield where, f"has {len(ports)} ports; Cilium takes {MOST_PORTS}"
    for at, port in enumerate(ports):
        text = port.port
        if not SERVICE_NAME.fullmatch(text) and not (
            text.isascii() and text.isdecimal() and int(text[:9]) <= HIGHEST_PORT and len(text) < 9
        ):
            yield (*where, at, "port"), f"{text!r} is neither a number nor the name of a port"
        if port.protocol and port.protocol not in PROTOCOLS:
            yield (
                (*where, at, "protocol"),
                f"{port.protocol!r} is none of {', '.join(PROTOCOLS)}",
            )
        if port.endPort is not None and not 0 <= port.endPort <= HIGHEST_PORT:
            yield (*where, at, "endPort"), f"{port.endPort} is no port"


def _layer_7(ports: PortRule, where: Path, way: str) -> Iterator[Problem]:
    rules = ports.rules
    if rules is None:
        return
    if rules.dns is not None and way == "from":
        yield (*where, "rules", "dns"), "DNS rules are for egress only"
    given = [
        name
        for name, found in (
            ("http", rules.http),
            ("kafka", rules.kafka),
            ("dns", rules.dns),
            ("l7proto", rules.l7proto),
        )
        if found is not None
    ]
    if len(given) > 1:
        yield (*where, "rules"), f"has {' and '.join(given)}; Cilium takes one of them"
    if given and given != ["dns"]:
        for at, port in enumerate(ports.ports or ()):
            if port.protocol != "TCP":
                yield (*where, "ports", at), "rules of layer 7 but DNS need protocol: TCP"
