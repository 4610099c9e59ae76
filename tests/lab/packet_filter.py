"""NetworkPolicies → nftables rules for the node that pods are on, packet by packet.

Written from the API's documentation alone (networking.k8s.io/v1, "Network Policies"), on documents
as `kubectl apply` takes them, so that what the kernel does with packets can be held against what
the package says. Nothing of the package is used.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
DENIED = "set denied {{ type {}_addr . inet_service; size 65535; flags dynamic; }}"
"""Who sent what did not pass, where nothing answers; ICMP errors would be too many for kernels."""


@dataclass(frozen=True)
class Pod:
    """A pod: what policies select it by, and its named ports (name → protocol, number)."""

    name: str
    namespace: str
    address: str
    node: str
    labels: dict[str, str]
    ports: dict[str, tuple[str, int]] = field(default_factory=dict)


def selects(selector: Json, labels: dict[str, str]) -> bool:
    """A LabelSelector: matchLabels and matchExpressions are ANDed, an empty one matches all."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for each in selector.get("matchExpressions", ()):
        has, value = each["key"] in labels, labels.get(each["key"])
        met = {
            "In": has and value in each.get("values", ()),
            "NotIn": not has or value not in each.get("values", ()),
            "Exists": has,
            "DoesNotExist": not has,
        }[each["operator"]]
        if not met:
            return False
    return True


def types_of(spec: Json) -> set[str]:
    """policyTypes; without them Ingress, and Egress where the policy has egress rules."""
    if spec.get("policyTypes"):
        return set(spec["policyTypes"])
    return {"Ingress", "Egress"} if spec.get("egress") else {"Ingress"}


class PacketFilter:
    """The rules of one node."""

    def __init__(
        self,
        policies: Iterable[Json],
        pods: list[Pod],
        namespaces: dict[str, dict[str, str]],
        family: str = "ip",
    ) -> None:
        self._policies = list(policies)
        self._family = family
        self._pods = pods
        self._namespaces = {
            name: {"kubernetes.io/metadata.name": name, **labels}
            for name, labels in namespaces.items()
        }

    def ruleset(self, node: str) -> str:
        """A script for `nft -f`: what comes from the node itself is not filtered."""
        chains: list[str] = []
        jumps: dict[str, list[str]] = {"Ingress": [], "Egress": []}
        for number, pod in enumerate(each for each in self._pods if each.node == node):
            for direction, side in (("Ingress", "daddr"), ("Egress", "saddr")):
                own = [each for each in self._policies if self._isolates(each, pod, direction)]
                if own:
                    chain = f"{direction.lower()}{number}"
                    # A pod reaches itself: such packets never leave it.
                    jumps[direction].append(f"{self._family} {side} {pod.address} jump {chain}")
                    chains.append(self._chain(chain, self._allowed(own, pod, direction)))
        established = ["ct state established,related accept"]
        both = [*established, *jumps["Egress"], *jumps["Ingress"]]
        hooks = (
            _hook("forward", both),
            _hook("input", [*established, *jumps["Egress"]]),
        )
        table = f"table {self._family} policies"
        denied = DENIED.format("ipv4" if self._family == "ip" else "ipv6")
        return "\n".join(
            (f"{table} {{}}", f"delete {table}", f"{table} {{", denied, *chains, *hooks, "}")
        )

    @staticmethod
    def _isolates(policy: Json, pod: Pod, direction: str) -> bool:
        return (
            policy["metadata"]["namespace"] == pod.namespace
            and direction in types_of(policy["spec"])
            and selects(policy["spec"].get("podSelector", {}), pod.labels)
        )

    def _allowed(self, policies: list[Json], pod: Pod, direction: str) -> Iterator[str]:
        field_, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
        for policy in policies:
            for rule in policy["spec"].get(field_, ()):
                for where in self._peers(rule.get(peers), policy, direction):
                    for which in self._ports(rule.get("ports"), where, pod, direction):
                        yield " ".join(filter(None, (where.match, which, "return")))

    def _peers(self, peers: list[Json] | None, policy: Json, direction: str) -> Iterator["_Where"]:
        side = "saddr" if direction == "Ingress" else "daddr"
        if not peers:
            yield _Where("", self._pods)
        for peer in peers or ():
            if "ipBlock" in peer:
                block = peer["ipBlock"]
                match = f"{self._family} {side} {block['cidr']}"
                if block.get("except"):
                    match += f" {self._family} {side} != {{ {', '.join(block['except'])} }}"
                yield _Where(match, self._pods)
                continue
            pods = [each for each in self._pods if self._is_meant(each, peer, policy)]
            if pods:
                addresses = ", ".join(each.address for each in pods)
                yield _Where(f"{self._family} {side} {{ {addresses} }}", pods)

    def _is_meant(self, pod: Pod, peer: Json, policy: Json) -> bool:
        if "namespaceSelector" in peer:
            if not selects(peer["namespaceSelector"], self._namespaces[pod.namespace]):
                return False
        elif pod.namespace != policy["metadata"]["namespace"]:
            return False
        return selects(peer.get("podSelector", {}), pod.labels)

    def _ports(
        self, ports: list[Json] | None, where: "_Where", pod: Pod, direction: str
    ) -> Iterator[str]:
        if not ports:
            yield ""
        for each in ports or ():
            protocol, port = each.get("protocol", "TCP"), each.get("port")
            if port is None:
                yield f"meta l4proto {protocol.lower()}"
            elif isinstance(port, int):
                last = f"-{each['endPort']}" if "endPort" in each else ""
                yield f"{protocol.lower()} dport {port}{last}"
            else:
                # A name is the called pod's own.
                for called in [pod] if direction == "Ingress" else where.pods:
                    if called.ports.get(port, ("", 0))[0] == protocol:
                        number = called.ports[port][1]
                        to = f"{self._family} daddr {called.address}"
                        yield f"{to} {protocol.lower()} dport {number}"

    def _chain(self, name: str, rules: Iterable[str]) -> str:
        ip = self._family
        last = (
            "meta l4proto tcp reject with tcp reset",
            f"meta l4proto udp add @denied {{ {ip} saddr . udp sport }} drop",
            f"meta l4proto sctp add @denied {{ {ip} saddr . sctp sport }} drop",
            "drop",
        )
        return "\n".join((f"chain {name} {{", *rules, *last, "}"))


@dataclass(frozen=True)
class _Where:
    """What a peer matches by address, and the pods whose named ports it may mean."""

    match: str
    pods: list[Pod]


def _hook(name: str, rules: Iterable[str]) -> str:
    head = f"type filter hook {name} priority 0; policy accept;"
    return "\n".join((f"chain {name} {{", head, *rules, "}"))


@dataclass(frozen=True)
class NodePort:
    """A Service's port on every node, and the one pod behind it.

    With the external traffic policy Local (`is_local`) nodes without the pod lead nowhere, and
    the other keeps its client's address; else each node puts its own in as it sends it on.
    """

    port: int
    pod: Pod
    target: int
    is_local: bool

    def ruleset(self, node: str, address: str, family: str = "ip") -> str:
        """A script for `nft -f`: destinations are changed before policies see them, sources after.

        Source: Kubernetes documentation, "Using Source IP".
        """
        table = f"table {family} services"
        called = f"{family} daddr {address} tcp dport {self.port}"
        target = f"[{self.pod.address}]" if family == "ip6" else self.pod.address
        leads = f"{called} meta mark set {0 if self.is_local else 1} dnat to {target}:{self.target}"
        # Nobody listens at a node's own port: what is not led on is refused.
        lost = self.is_local and self.pod.node != node
        chains = [
            (
                name,
                f"type nat hook {name} priority {priority}; policy accept;",
                [] if lost else [leads],
            )
            for name, priority in (("prerouting", "-100"), ("output", "-100"))
        ]
        chains.append(
            (
                "postrouting",
                "type nat hook postrouting priority 100; policy accept;",
                ["meta mark 1 masquerade"],
            )
        )
        written = [
            "\n".join((f"chain {name} {{", head, *rules, "}")) for name, head, rules in chains
        ]
        return "\n".join((f"{table} {{}}", f"delete {table}", f"{table} {{", *written, "}"))
