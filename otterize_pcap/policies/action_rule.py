"""Rules that say what becomes of what they mean: those of Cilium's policies and of administrators'.

A rule of NetworkPolicy allows; these allow, deny or pass on, and know more kinds of peers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from otterize_pcap.intents.places import Place
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    PolicyRule,
)

ALLOW, DENY, PASS = "Allow", "Deny", "Pass"
"""`PASS`: the tier has no more to say, and the next one is asked."""


class EndpointPeer(Struct, frozen=True):
    """A Cilium EndpointSelector: whom Cilium knows by such labels, keys with their source.

    Of pods alone where it says so, and of one `namespace` where it names none itself.
    """

    selector: LabelSelector
    namespace: str = ""
    only_pods: bool = True


class CIDRPeer(Struct, frozen=True):
    """A range of addresses as Cilium means it: of no pod and no node."""

    block: IPBlock


class EntityPeer(Struct, frozen=True):
    """One of Cilium's entities, such as `world`."""

    name: str


class ServicePeer(Struct, frozen=True):
    """What stands behind Services: the one called `name`, or those that `selector` means.

    Without a `namespace` those of any.
    """

    namespace: str
    name: str = ""
    selector: LabelSelector | None = None


class NamePeer(Struct, frozen=True):
    """Servers outside by their names: exactly, or by a `pattern` with `*`."""

    name: str
    pattern: bool = False


class UnjudgedPeer(Struct, frozen=True):
    """A peer that only the cluster can tell: `text` names it, `reason` says why.

    `kinds` are of those whom it may mean: "node" and "outside".
    """

    text: str
    reason: str
    kinds: frozenset[str]


ActionPeer = Peer | EndpointPeer | CIDRPeer | EntityPeer | ServicePeer | NamePeer | UnjudgedPeer


@dataclass(frozen=True, slots=True)
class ActionRule:
    """A rule: which `section` of its policy it is of, its number there from 0, and its action.

    No `peers` means anybody, no `ports` any port. With a `doubt` nobody can tell whether it applies
    where its peers and ports do, and that is why. One that `is_idle` means no call at all.
    """

    section: str
    number: int
    action: str
    peers: tuple[ActionPeer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()
    doubt: str = ""
    is_idle: bool = False
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CiliumPolicy:
    """A rule specification of a cilium.io/v2 CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy.

    `kind` is the object's. Without a `namespace` it is for the whole cluster. `selector` is None
    where it is for nodes (`nodeSelector`). `policy_types` are the directions of which nothing is
    allowed but by rules. `doubt` says why nobody can tell what it does.
    """

    kind: str
    name: str
    namespace: str
    selector: LabelSelector | None
    policy_types: frozenset[str] = frozenset()
    ingress: tuple[ActionRule, ...] = ()
    egress: tuple[ActionRule, ...] = ()
    doubt: str = ""
    place: Place | None = field(default=None, compare=False)

    def rules(self, direction: str) -> tuple[ActionRule, ...]:
        """Its rules of one direction, those that deny last."""
        return self.ingress if direction == INGRESS else self.egress


@dataclass(frozen=True, slots=True)
class AdminPolicy:
    """An AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy.

    policy.networking.k8s.io. `subject` are the pods that it is for. Rules count in order, those of
    the lowest `priority` first; a baseline only where no NetworkPolicy isolates the pod.
    """

    kind: str
    name: str
    subject: Peer
    priority: int = 0
    is_baseline: bool = False
    ingress: tuple[ActionRule, ...] = ()
    egress: tuple[ActionRule, ...] = ()
    namespace: str = ""
    place: Place | None = field(default=None, compare=False)

    def rules(self, direction: str) -> tuple[ActionRule, ...]:
        """Its rules of one direction, in order."""
        return self.ingress if direction == INGRESS else self.egress


AnyRule = PolicyRule | ActionRule
AnyPolicy = NetworkPolicy | CiliumPolicy | AdminPolicy


def rules_of_policy(policy: AnyPolicy, direction: str) -> tuple[AnyRule, ...]:
    """The rules of one direction of a policy of any kind."""
    return policy.rules(direction)


def goes_by_names(policies: Iterable[AnyPolicy]) -> bool:
    """Whether a rule goes by names of servers outside."""
    return any(
        isinstance(peer, NamePeer)
        for policy in policies
        for rule in rules_of_policy(policy, EGRESS)
        for peer in rule.peers
    )


def action_of(rule: AnyRule) -> str:
    """What becomes of what a rule means."""
    return rule.action if isinstance(rule, ActionRule) else ALLOW
