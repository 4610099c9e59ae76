"""NetworkPolicies as values, with the API's names (networking.k8s.io/v1 NetworkPolicySpec).

Nothing here knows of files or of traffic. Defaults of the API server are filled in by whoever makes
a value: `policy_types_of` says the one that is a rule of its own.
Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from otterize_pcap.addresses import MAPPED, Network, in_network, parse_network
from otterize_pcap.intents.places import Place

INGRESS, EGRESS = "Ingress", "Egress"
PROTOCOLS = ("TCP", "UDP", "SCTP")
ANY_PROTOCOL = "ANY"
"""All of them, as Cilium's rules may say."""

IN, NOT_IN, EXISTS, DOES_NOT_EXIST = "In", "NotIn", "Exists", "DoesNotExist"
ANY_IPV4, ANY_IPV6 = parse_network("0.0.0.0/0"), parse_network("::/0")
OPERATORS = (IN, NOT_IN, EXISTS, DOES_NOT_EXIST)

_MAPPED_HEAD = int.from_bytes(MAPPED) << 32


class Requirement(Struct, frozen=True):
    """metav1.LabelSelectorRequirement; `operator` is one of `OPERATORS`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; NotIn is met by those that lack the key, as the API says."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case _:
                return value is None


class LabelSelector(Struct, frozen=True):
    """metav1.LabelSelector: all of its requirements at once; without any it matches everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    match_expressions: tuple[Requirement, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The labels that it asks for."""
        return frozenset(
            [
                *(key for key, _ in self.match_labels),
                *(requirement.key for requirement in self.match_expressions),
            ]
        )

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """All that it asks, `match_labels` as In of one value."""
        return (
            *(Requirement(key, IN, (value,)) for key, value in self.match_labels),
            *self.match_expressions,
        )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all of its requirements."""
        # Loops: these run a million times where `all` takes twice the time.
        for key, value in self.match_labels:
            if labels.get(key) != value:
                return False
        for requirement in self.match_expressions:  # noqa: SIM110
            if not requirement.matches(labels):
                return False
        return True


class IPBlock(Struct, frozen=True):
    """networking.k8s.io/v1 IPBlock: a range, without the ranges within it that are `excepted`."""

    cidr: Network
    excepted: tuple[Network, ...] = ()

    def contains(self, address: bytes) -> bool:
        """Whether an address (16 bytes) is in it; no IPv4 address is in a range of IPv6."""
        return (
            in_network(address, self.cidr)
            and address.startswith(MAPPED) == self.is_ipv4
            and not any(in_network(address, network) for network in self.excepted)
        )

    @property
    def is_ipv4(self) -> bool:
        """Whether it is a range of IPv4: `::/0` lies around those, and has none of them."""
        value, _ = self.cidr
        return value >> 32 == _MAPPED_HEAD >> 32


class Peer(Struct, frozen=True):
    """networking.k8s.io/v1 NetworkPolicyPeer.

    An `ip_block` stands alone. Both selectors in one peer mean pods of such namespaces; a
    `pod_selector` alone those of the policy's own namespace, a `namespace_selector` alone all pods
    of such namespaces.
    """

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class PolicyPort(Struct, frozen=True):
    """networking.k8s.io/v1 NetworkPolicyPort: without `port` every port of the protocol.

    `port` is a number, or the name of a container's port; `end_port` ends a range of numbers.
    `filtered_by` says what a request must meet beyond it: rules of layer 7, which others have.
    """

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int | None = None
    filtered_by: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """networking.k8s.io/v1 NetworkPolicyIngressRule or NetworkPolicyEgressRule.

    No `peers` means anybody, no `ports` any port of any protocol.
    """

    peers: tuple[Peer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """networking.k8s.io/v1 NetworkPolicy: for each of its types, what is allowed and nothing else.

    `policy_types` are of `INGRESS` and `EGRESS`. `place` is where the file has it, None where no
    file does.
    """

    name: str
    namespace: str
    pod_selector: LabelSelector = LabelSelector()  # noqa: RUF009 - frozen
    policy_types: frozenset[str] = frozenset({INGRESS})
    ingress: tuple[PolicyRule, ...] = ()
    egress: tuple[PolicyRule, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    place: Place | None = field(default=None, compare=False)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it is for pods of these labels in its namespace."""
        return self.pod_selector.matches(labels)

    def rules(self, direction: str) -> tuple[PolicyRule, ...]:
        """Its rules of one type; those of a type that it has not mean nothing."""
        if direction not in self.policy_types:
            return ()
        return self.ingress if direction == INGRESS else self.egress


def policy_types_of(stated: Sequence[str] | None, egress_rules: int) -> frozenset[str]:
    """The types of a policy that states some, or none: Ingress, and Egress where it has rules."""
    if stated:
        return frozenset(stated)
    return frozenset({INGRESS, EGRESS} if egress_rules else {INGRESS})
