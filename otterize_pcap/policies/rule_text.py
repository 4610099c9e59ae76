"""Parts of policies in words: selectors, peers, ports, rules by their numbers."""

from ipaddress import ip_network

from otterize_pcap.addresses import Network, format_address
from otterize_pcap.policies.action_rule import (
    ActionPeer,
    ActionRule,
    AdminPolicy,
    AnyPolicy,
    AnyRule,
    CIDRPeer,
    EndpointPeer,
    EntityPeer,
    NamePeer,
    ServicePeer,
    UnjudgedPeer,
)
from otterize_pcap.policies.network_policy import (
    ANY_PROTOCOL,
    EGRESS,
    IPBlock,
    LabelSelector,
    Peer,
    PolicyPort,
)
from otterize_pcap.policies.usage import RulePart


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


def peer_text(peer: ActionPeer) -> str:
    """Whom a peer means."""
    match peer:
        case CIDRPeer(block):
            return f"{_block_text(block)} (no pod, no node)"
        case EntityPeer(name):
            return f"entity {name}"
        case NamePeer(name):
            return name
        case ServicePeer(namespace, name, None):
            return f"Service {namespace}/{name}" if namespace else f"Services {name}"
        case ServicePeer(namespace, _, selector):
            where = f" of {namespace}" if namespace else ""
            return f"Services with {selector_text(selector or LabelSelector())}{where}"
        case UnjudgedPeer(text):
            return text
        case EndpointPeer():
            return _endpoint_text(peer)
        case Peer():
            return _peer_text(peer)


def _endpoint_text(peer: EndpointPeer) -> str:
    text = selector_text(peer.selector)
    if peer.only_pods:
        who = "all pods" if peer.selector == LabelSelector() else f"pods with {text}"
        return who if peer.namespace else f"{who} of all namespaces"
    return f"endpoints with {text}"


def _block_text(block: IPBlock) -> str:
    excepted = ", ".join(map(network_text, block.excepted))
    return network_text(block.cidr) + (f" except {excepted}" if excepted else "")


def _peer_text(peer: Peer) -> str:
    if peer.ip_block is not None:
        return _block_text(peer.ip_block)
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
    is_any = port.protocol == ANY_PROTOCOL
    if port.port is None:
        return "every port" if is_any else f"every {port.protocol} port"
    last = "" if port.end_port is None else f"-{port.end_port}"
    rules = f" by rules of {port.filtered_by}" if port.filtered_by else ""
    return f"{'any protocol, port' if is_any else port.protocol} {port.port}{last}{rules}"


def network_text(network: Network) -> str:
    """A range as CIDR."""
    value, mask = network
    text = format_address(value.to_bytes(16))
    prefix = mask.bit_count()
    return str(ip_network(f"{text}/{prefix if ':' in text else prefix - 96}"))


def part_text(part: RulePart) -> str:
    """A rule, or a peer or port of it, by number and in words."""
    rule = part.value
    text = title_of(part.policy, part.direction, part.rule)
    if part.peer is not None:
        return f"{text}: {_way(part.direction)} {peer_text(rule.peers[part.peer])}"
    if part.port is not None:
        return f"{text}: {port_text(rule.ports[part.port])}"
    return f"{text}: {rule_text(rule, part.direction)}"


def title_of(policy: AnyPolicy, direction: str, number: int) -> str:
    """A rule by its number in its policy, and what it does where it does not allow."""
    rule = policy.rules(direction)[number]
    if not isinstance(rule, ActionRule):
        return f"{direction.lower()} rule {number + 1}"
    action = f" ({rule.action})" if isinstance(policy, AdminPolicy) else ""
    return f"{rule.section} rule {rule.number + 1}{action}"


def rule_text(rule: AnyRule, direction: str) -> str:
    """Whom a rule is for, and which ports."""
    if isinstance(rule, ActionRule) and rule.is_idle:
        return "no call"
    peers = " or ".join(map(peer_text, rule.peers)) or "anybody"
    ports = ", ".join(map(port_text, rule.ports)) or "any port"
    doubt = f" ({rule.doubt})" if isinstance(rule, ActionRule) and rule.doubt else ""
    return f"{_way(direction)} {peers}, {ports}{doubt}"


def _way(direction: str) -> str:
    return "to" if direction == EGRESS else "from"
