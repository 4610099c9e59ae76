"""Which rules of policies, and which of their peers and ports, some traffic used."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import ALL
from otterize_pcap.policies.action_rule import (
    ALLOW,
    ActionPeer,
    ActionRule,
    AnyPolicy,
    AnyRule,
    EntityPeer,
    rules_of_policy,
)
from otterize_pcap.policies.cilium_identity import HOST, REMOTE_NODE
from otterize_pcap.policies.judgement import Judgement
from otterize_pcap.policies.network_policy import (
    ANY_IPV4,
    ANY_IPV6,
    EGRESS,
    INGRESS,
    Peer,
)
from otterize_pcap.policies.rule_matcher import RuleMatch


class RulePart(Struct, frozen=True):
    """A rule of a policy, or one of several peers or ports of it, by their numbers."""

    policy: AnyPolicy
    direction: str
    rule: int
    peer: int | None = None
    port: int | None = None

    @property
    def value(self) -> AnyRule:
        """The rule that it is, or is of."""
        return self.policy.rules(self.direction)[self.rule]


class Usage:
    """Counts what rules let pass."""

    def __init__(self) -> None:
        self._peers: dict[tuple[int, str, int], set[int]] = defaultdict(set)
        self._ports: dict[tuple[int, str, int], set[int]] = defaultdict(set)
        self._nodes: set[bytes] = set()
        self._alike: dict[tuple[int, str, int], dict[str, set[int]]] = {}

    def add_nodes(self, addresses: Iterable[bytes]) -> None:
        """Say which addresses are nodes': a rule that lets one use it lets in whichever it is."""
        self._nodes.update(addresses)
        self._alike.clear()

    def add(self, judgement: Judgement) -> None:
        """Take one flow in."""
        for side in judgement.sides:
            for allowing in side.allowing:
                key = _key(allowing)
                self._peers[key].update(allowing.peers)
                self._ports[key].update(allowing.ports)

    def is_used(self, part: RulePart) -> bool:
        """Whether traffic used a rule, or one peer or port of it."""
        key = (id(part.policy), part.direction, part.rule)
        if key not in self._peers:
            return False
        by_peer = part.peer is None or not self._as_one(part).isdisjoint(self._peers[key])
        return by_peer and (part.port is None or part.port in self._ports[key])

    def _as_one(self, part: RulePart) -> set[int]:
        """A peer of a rule, and those of it that mean the same: all nodes, or all of the outside.

        Which node a pod is on, or a client outside comes by, changes; IPv4 and IPv6 are one.
        """
        key = (id(part.policy), part.direction, part.rule)
        peers = part.value.peers
        if key not in self._alike:
            groups: dict[str, set[int]] = defaultdict(set)
            for at, peer in enumerate(peers):
                groups[self._meant(peer)].add(at)
            self._alike[key] = groups
        own = part.peer or 0
        meant = self._meant(peers[own])
        return self._alike[key][meant] if meant else {own}

    def _meant(self, peer: ActionPeer) -> str:
        """Whether a peer is all addresses, or nodes; empty where it is neither."""
        if isinstance(peer, EntityPeer):
            return "nodes" if peer.name in (HOST, REMOTE_NODE) else ""
        block = peer.ip_block if isinstance(peer, Peer) else None
        if block is None:
            return ""
        if block.cidr in (ANY_IPV4, ANY_IPV6):
            return "all"
        _, mask = block.cidr
        if mask == ALL:
            return "nodes" if block.cidr[0].to_bytes(16) in self._nodes else ""
        return "nodes" if any(map(block.contains, self._nodes)) else ""

    def unused(self, policy: AnyPolicy) -> Iterator[RulePart]:
        """What nothing used: rules that allow, or single peers and ports of what something used."""
        for direction in (INGRESS, EGRESS):
            for number, rule in enumerate(rules_of_policy(policy, direction)):
                if isinstance(rule, ActionRule) and (rule.action != ALLOW or rule.is_idle):
                    continue
                whole = RulePart(policy, direction, number)
                if not self.is_used(whole):
                    yield whole
                    continue
                parts = [
                    *(replace(whole, peer=at) for at in range(len(rule.peers))),
                    *(replace(whole, port=at) for at in range(len(rule.ports))),
                ]
                yield from (part for part in parts if not self.is_used(part))


def _key(allowing: RuleMatch) -> tuple[int, str, int]:
    return id(allowing.policy), allowing.direction, allowing.rule
