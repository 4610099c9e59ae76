"""What NetworkPolicies mean, a second time: on documents as `kubectl apply` takes them.

Written from the API's documentation alone (the types of networking.k8s.io/v1 and "Network
Policies"), with nothing of the package, so that two readings of it can be held against each other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """Who sends or gets a packet, by an address.

    `namespace` is empty where it is no pod that a policy can select; `node` is the node that a pod
    is on, or whose own address it is. `ports` are (name, protocol, number).
    """

    name: str
    address: str
    node: str = ""
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, str, int], ...] = ()


def meets(selector: Json, labels: dict[str, str]) -> bool:
    """`matchLabels` and `matchExpressions` are ANDed; an empty selector matches all objects."""
    wanted = [
        {"key": key, "operator": "In", "values": [value]}
        for key, value in selector.get("matchLabels", {}).items()
    ] + selector.get("matchExpressions", [])
    for each in wanted:
        has, values = each["key"] in labels, each.get("values", [])
        is_one = has and labels[each["key"]] in values
        holds = {"In": is_one, "NotIn": not is_one, "Exists": has, "DoesNotExist": not has}
        if not holds[each["operator"]]:
            return False
    return True


def is_meant(peer: Json, own: str, other: Host, namespaces: dict[str, dict[str, str]]) -> bool:
    """Whether a peer of a policy in namespace `own` means somebody."""
    if "ipBlock" in peer:
        address, block = ip_address(other.address), peer["ipBlock"]
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(each) for each in block.get("except", [])
        )
    if not other.namespace:
        return False
    if "namespaceSelector" not in peer:
        return other.namespace == own and meets(peer["podSelector"], other.labels)
    name = {"kubernetes.io/metadata.name": other.namespace}
    return meets(peer["namespaceSelector"], namespaces[other.namespace] | name) and meets(
        peer.get("podSelector", {}), other.labels
    )


def is_open(port: Json, protocol: str, number: int, called: Host) -> bool:
    """Whether a port of a rule is the one that is called; names are of the pod that is."""
    if port.get("protocol", "TCP") != protocol:
        return False
    match port.get("port"):
        case None:
            return True
        case str(name):
            return bool(called.namespace) and (name, protocol, number) in called.ports
        case int(first):
            return first <= number <= int(port.get("endPort", first))
        case odd:
            raise ValueError(odd)


def passes(
    policies: Iterable[Json],
    namespaces: dict[str, dict[str, str]],
    client: Host,
    server: Host,
    protocol: str,
    number: int,
) -> bool:
    """Whether a connection comes about: egress at its client and ingress at its server let it."""
    policies = list(policies)
    for direction, own, other, key in (
        ("Egress", client, server, "to"),
        ("Ingress", server, client, "from"),
    ):
        if not own.namespace or (own.namespace, own.name) == (other.namespace, other.name):
            continue  # No policy selects it; or a pod reaches itself.
        if direction == "Ingress" and not other.namespace and other.node == own.node:
            continue  # A pod's own node reaches it.
        isolating = [
            (each["metadata"]["namespace"], each["spec"])
            for each in policies
            if each["metadata"]["namespace"] == own.namespace
            and meets(each["spec"].get("podSelector", {}), own.labels)
            and direction
            in (
                each["spec"].get("policyTypes")
                or ["Ingress", *(["Egress"] if each["spec"].get("egress") else [])]
            )
        ]
        if isolating and not any(
            (
                not rule.get(key)
                or any(is_meant(peer, home, other, namespaces) for peer in rule[key])
            )
            and (
                not rule.get("ports")
                or any(is_open(port, protocol, number, server) for port in rule["ports"])
            )
            for home, spec in isolating
            for rule in spec.get(direction.lower()) or ()
        ):
            return False
    return True
