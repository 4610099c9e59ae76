"""Parts of policies in words: selectors, peers, ports, rules by their numbers."""

from ipaddress import ip_network

from otterize_pcap.addresses import Network, format_address
from otterize_pcap.policies.network_policy import (
    EGRESS,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.policy_rules import PolicyName
from otterize_pcap.policies.usage import RulePart


def name_of(policy: NetworkPolicy) -> PolicyName:
    """Which object a policy is."""
    return PolicyName(policy.namespace, policy.name)


def selector_text(selector: LabelSelector) -> str:
    """A selector's requirements, as `kubectl get -l` takes them; any labels where it has none."""
    texts = [f"{key}={value}" for key, value in selector.match_labels]
    for each in selector.match_expressions:
        values = ", ".join(each.values)
        match each.operator:
            case "In":
                texts.append(f"{each.key} in ({values})")
            case "NotIn":
                texts.append(f"{each.key} notin ({values})")
            case "Exists":
                texts.append(each.key)
            case _:
                texts.append(f"!{each.key}")
    return ",".join(texts) or "any labels"


def peer_text(peer: Peer) -> str:
    """Whom a peer means."""
    if peer.ip_block is not None:
        excepted = ", ".join(map(network_text, peer.ip_block.excepted))
        return network_text(peer.ip_block.cidr) + (f" except {excepted}" if excepted else "")
    pods = "all pods"
    if peer.pod_selector is not None and peer.pod_selector != LabelSelector():
        pods = f"pods with {selector_text(peer.pod_selector)}"
    if peer.namespace_selector is None:
        return pods
    if peer.namespace_selector == LabelSelector():
        return f"{pods} of all namespaces"
    return f"{pods} of namespaces with {selector_text(peer.namespace_selector)}"


def port_text(port: PolicyPort) -> str:
    """Which ports a rule's entry means."""
    if port.port is None:
        return f"every {port.protocol} port"
    last = "" if port.end_port is None else f"-{port.end_port}"
    return f"{port.protocol} {port.port}{last}"


def network_text(network: Network) -> str:
    """A range as CIDR."""
    value, mask = network
    text = format_address(value.to_bytes(16))
    prefix = mask.bit_count()
    return str(ip_network(f"{text}/{prefix if ':' in text else prefix - 96}"))


def part_text(part: RulePart) -> str:
    """A rule, or a peer or port of it, by number and in words."""
    rule = part.value
    text = f"{part.direction.lower()} rule {part.rule + 1}"
    if part.peer is not None:
        return f"{text}: {_way(part.direction)} {peer_text(rule.peers[part.peer])}"
    if part.port is not None:
        return f"{text}: {port_text(rule.ports[part.port])}"
    return f"{text}: {rule_text(rule, part.direction)}"


def rule_text(rule: PolicyRule, direction: str) -> str:
    """Whom a rule is for, and which ports."""
    peers = " or ".join(map(peer_text, rule.peers)) or "anybody"
    ports = ", ".join(map(port_text, rule.ports)) or "any port"
    return f"{_way(direction)} {peers}, {ports}"


def _way(direction: str) -> str:
    return "to" if direction == EGRESS else "from"
