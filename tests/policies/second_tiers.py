"""What Cilium's and administrators' policies mean, a second time: on documents.

Written from Cilium's documentation ("Policy Enforcement Modes", "Layer 3 Policies", "Layer 4
Policies", "Deny Policies", "Using Kubernetes Constructs In Policy") and the types of the project
network-policy-api alone, with nothing of the package: to hold two readings against each other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tests.policies.second_evaluator import Host, Json, is_meant, is_open, meets, passes

NAMESPACE = "io.kubernetes.pod.namespace"
OF_NAMESPACE = "io.cilium.k8s.namespace.labels."
Namespaces = dict[str, dict[str, str]]


def identity(host: Host, own: Host, namespaces: Namespaces) -> dict[str, str]:
    """The labels that Cilium knows somebody by, seen from a pod; each under all names it has."""
    if not host.namespace:
        entity = "world" if not host.node else "host" if host.node == own.node else "remote-node"
        return {f"reserved:{entity}": ""}
    labels = dict(host.labels)
    labels[NAMESPACE] = host.namespace
    of_namespace = {**namespaces[host.namespace], "kubernetes.io/metadata.name": host.namespace}
    labels |= {f"{OF_NAMESPACE}{key}": value for key, value in of_namespace.items()}
    return {
        f"{source}{key}": value for key, value in labels.items() for source in ("", "k8s:", "any:")
    }


def selects(selector: Json, found: dict[str, str], home: str) -> bool:
    """A selector of peers: of the policy's own namespace unless it names one."""
    keys = [
        *selector.get("matchLabels", {}),
        *(each["key"] for each in selector.get("matchExpressions", [])),
    ]
    if any(key.startswith("reserved:") for key in keys):
        return meets(selector, found)
    if any(key.split(":")[-1] == NAMESPACE for key in keys):
        return meets(selector, found)
    if not home:
        return NAMESPACE in found and meets(selector, found)
    if any(key.split(":")[-1].startswith(OF_NAMESPACE) for key in keys):
        return meets(selector, found)
    return found.get(NAMESPACE) == home and meets(selector, found)


def is_peer(rule: Json, way: str, found: dict[str, str], address: str, home: str) -> bool | None:
    """Whether a rule's peers mean somebody; None where it has none."""
    lists = {key: value for key, value in rule.items() if key.startswith(way) and key != "toPorts"}
    if not lists:
        return None
    ((key, peers),) = lists.items()
    if key.endswith("Endpoints"):
        return any(selects(peer, found, home) for peer in peers)
    if key.endswith("Entities"):
        cluster = {"reserved:host", "reserved:remote-node", NAMESPACE}
        return any(
            each == "all"
            or f"reserved:{each}" in found
            or (each == "cluster" and not cluster.isdisjoint(found))
            for each in peers
        )
    if "reserved:world" not in found:
        return False
    blocks = [{"cidr": peer} if isinstance(peer, str) else peer for peer in peers]
    return any(
        ip_address(address) in ip_network(block["cidr"])
        and not any(ip_address(address) in ip_network(out) for out in block.get("except", []))
        for block in blocks
    )


def has_port(rules: list[Json], protocol: str, number: int, called: Host) -> bool:
    """Whether `toPorts` has what is called; names are of the pod that is."""
    for each in (port for rule in rules for port in rule["ports"]):
        if each.get("protocol", "ANY") not in ("ANY", protocol):
            continue
        if not each["port"].isdigit():
            if (each["port"], protocol, number) in called.ports:
                return True
            continue
        first = int(each["port"])
        if first == 0 or first <= number <= max(first, each.get("endPort", 0)):
            return True
    return False


@dataclass(frozen=True)
class Way:
    """One direction of a call, as the filter of `own` sees it; `called` is whose port it is."""

    direction: str
    way: str
    own: Host
    other: Host
    called: Host
    protocol: str
    number: int


def ways(client: Host, server: Host, protocol: str, number: int) -> Iterator[Way]:
    """The filters that a call passes: of pods, but for what a pod sends to itself."""
    for direction, way, own, other in (
        ("egress", "to", client, server),
        ("ingress", "from", server, client),
    ):
        if own.namespace and (own.namespace, own.name) != (other.namespace, other.name):
            yield Way(direction, way, own, other, server, protocol, number)


def applies(rule: Json, seen: Way, home: str, namespaces: Namespaces) -> bool:
    """Whether a rule of Cilium means a call."""
    known = identity(seen.other, seen.own, namespaces)
    peer = is_peer(rule, seen.way, known, seen.other.address, home)
    if peer is False or (peer is None and not rule.get("toPorts")):
        return False
    ports = rule.get("toPorts")
    return not ports or has_port(ports, seen.protocol, seen.number, seen.called)


def isolating(natives: Iterable[Json], seen: Way) -> list[Json]:
    """The NetworkPolicies that select a pod for a direction."""
    return [
        each
        for each in natives
        if each["metadata"]["namespace"] == seen.own.namespace
        and meets(each["spec"].get("podSelector", {}), seen.own.labels)
        and seen.direction.capitalize()
        in (
            each["spec"].get("policyTypes")
            or ["Ingress", *(["Egress"] if each["spec"].get("egress") else [])]
        )
    ]


def allows(policy: Json, seen: Way, namespaces: Namespaces) -> bool:
    """Whether a NetworkPolicy allows a call, as Cilium has it: no ipBlock means a pod or a node."""
    home, is_outside = (
        policy["metadata"]["namespace"],
        not (seen.other.namespace or seen.other.node),
    )
    return any(
        (
            not rule.get(seen.way)
            or any(
                is_meant(peer, home, seen.other, namespaces)
                and (is_outside or "ipBlock" not in peer)
                for peer in rule[seen.way]
            )
        )
        and (
            not rule.get("ports")
            or any(is_open(each, seen.protocol, seen.number, seen.called) for each in rule["ports"])
        )
        for rule in policy["spec"].get(seen.direction) or []
    )


def cilium_passes(
    policies: Iterable[Json], natives: Iterable[Json], namespaces: Namespaces, seen: Way
) -> bool:
    """Whether Cilium lets a call pass one filter: by its own policies, and NetworkPolicies."""
    is_host = not seen.other.namespace and seen.other.node == seen.own.node
    isolated, allowed = False, seen.direction == "ingress" and is_host
    known = identity(seen.own, seen.own, namespaces)
    for policy in policies:
        home, spec = policy["metadata"].get("namespace", ""), policy["spec"]
        if home not in ("", seen.own.namespace) or not meets(spec["endpointSelector"], known):
            continue
        rules, denying = spec.get(seen.direction) or [], spec.get(f"{seen.direction}Deny") or []
        stated = spec.get("enableDefaultDeny", {}).get(seen.direction)
        isolated |= bool(rules or denying) if stated is None else stated
        if any(applies(rule, seen, home, namespaces) for rule in denying):
            return False
        allowed |= any(applies(rule, seen, home, namespaces) for rule in rules)
    for policy in isolating(natives, seen):
        isolated = True
        allowed |= allows(policy, seen, namespaces)
    return allowed or not isolated


def of_pods(found: Json, namespaces: Namespaces, host: Host) -> bool:
    """Whether `namespaces` or `pods` of a subject or peer mean a pod."""
    if not host.namespace:
        return False
    labels = {**namespaces[host.namespace], "kubernetes.io/metadata.name": host.namespace}
    if "namespaces" in found:
        return meets(found["namespaces"], labels)
    pods = found["pods"]
    return meets(pods["namespaceSelector"], labels) and meets(pods["podSelector"], host.labels)


def says(policy: Json, seen: Way, namespaces: Namespaces) -> str:
    """The action of a policy's first rule that means a call; empty if none does."""
    if not of_pods(policy["spec"]["subject"], namespaces, seen.own):
        return ""
    for rule in policy["spec"].get(seen.direction, []):
        meant = any(
            any(ip_address(seen.other.address) in ip_network(each) for each in peer["networks"])
            if "networks" in peer
            else of_pods(peer, namespaces, seen.other)
            for peer in rule[seen.way]
        )
        ports = rule.get("ports")
        if meant and (not ports or any(opens(each, seen) for each in ports)):
            return str(rule["action"])
    return ""


def opens(port: Json, seen: Way) -> bool:
    """Whether a port of an administrator's rule is the one that is called."""
    if "namedPort" in port:
        named = (port["namedPort"], seen.protocol, seen.number) in seen.called.ports
        return bool(seen.called.namespace) and named
    if "portRange" in port:
        ports = port["portRange"]
        return bool(
            ports["protocol"] == seen.protocol and ports["start"] <= seen.number <= ports["end"]
        )
    one = port["portNumber"]
    return (one["protocol"], one["port"]) == (seen.protocol, seen.number)


def tiers_pass(
    admins: Iterable[Json], natives: Iterable[Json], namespaces: Namespaces, seen: Way
) -> bool:
    """Whether all tiers let a call pass one filter: administrators', NetworkPolicies, baseline."""
    admins = list(admins)
    ranked = [each for each in admins if "priority" in each["spec"]]
    ranked.sort(key=lambda each: each["spec"]["priority"])
    action = next(filter(None, (says(each, seen, namespaces) for each in ranked)), "Pass")
    if action != "Pass":
        return action == "Allow"
    own = isolating(natives, seen)
    if own:
        # By one direction of them alone, the other filter's verdict is not asked.
        types = [seen.direction.capitalize()]
        one_way = [{**each, "spec": {**each["spec"], "policyTypes": types}} for each in own]
        client, server = (seen.own, seen.other) if seen.way == "to" else (seen.other, seen.own)
        return passes(one_way, namespaces, client, server, seen.protocol, seen.number)
    baseline = (each for each in admins if "priority" not in each["spec"])
    return "Deny" not in (says(each, seen, namespaces) for each in baseline)
