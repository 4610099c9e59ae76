"""Which rules of a policy mean a flow, as the filter of one pod sees it."""

from collections import defaultdict
from dataclasses import dataclass, field

from otterize_pcap.policies.action_rule import (
    DENY,
    ActionRule,
    AnyPolicy,
    AnyRule,
    CiliumPolicy,
    action_of,
    rules_of_policy,
)
from otterize_pcap.policies.flow_ends import FlowEnd, PodEnd
from otterize_pcap.policies.network_policy import EGRESS, PolicyPort
from otterize_pcap.policies.peer_matcher import PeerMatcher
from otterize_pcap.policies.peers import Known, port_matches
from otterize_pcap.policies.rule_peers import RulePeers
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

SEVERAL_PORTS = (
    "Cilium looks up a port's name among all pods in egress rules, and these have several of it"
)


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that means a flow, by its number, and which of its peers and ports do."""

    policy: AnyPolicy
    direction: str
    rule: int
    peers: tuple[int, ...]
    ports: tuple[int, ...]

    @property
    def value(self) -> AnyRule:
        """The rule."""
        return self.policy.rules(self.direction)[self.rule]

    @property
    def filtered_by(self) -> str:
        """What requests must meet beyond it; empty where one of its ports asks for nothing."""
        ports = [self.value.ports[at].filtered_by for at in self.ports]
        return ", ".join(dict.fromkeys(ports)) if ports and all(ports) else ""


@dataclass(frozen=True, slots=True)
class FilteredFlow:
    """A flow as the filter of `own` sees it: `other` is its peer, `called` whose port it is."""

    direction: str
    own: Pod
    other: FlowEnd
    called: FlowEnd
    protocol: str
    port: int


@dataclass(slots=True)
class Matches:
    """The rules of some policies that mean a flow; and why more may, for all that is known."""

    allowing: list[RuleMatch] = field(default_factory=list)
    denying: list[RuleMatch] = field(default_factory=list)
    perhaps_allowing: str = ""
    perhaps_denying: str = ""

    def doubt(self, reason: str, action: str = "") -> None:
        """Say why a rule of an action, or of any, may mean the flow."""
        if action != DENY:
            self.perhaps_allowing = self.perhaps_allowing or reason
        if action in ("", DENY):
            self.perhaps_denying = self.perhaps_denying or reason


class RuleMatcher:
    """Holds rules against flows of one capture."""

    def __init__(self, snapshot: Snapshot, *, by_identity: bool) -> None:
        self.peers = PeerMatcher(snapshot, by_identity=by_identity)
        self._snapshot = snapshot
        self._of_rule: dict[int, RulePeers] = {}
        self._numbers: dict[tuple[str, str], set[int]] | None = None

    def add(self, policy: AnyPolicy, seen: FilteredFlow, found: Matches, perhaps: str = "") -> None:
        """Take in the rules of one policy; `perhaps` says why it may select the pod or not."""
        if isinstance(policy, CiliumPolicy) and policy.doubt:
            found.doubt(policy.doubt)
        for number, rule in enumerate(rules_of_policy(policy, seen.direction)):
            match, doubt = self.match(policy, number, rule, seen)
            doubt = doubt or (perhaps if match else "")
            if doubt:
                found.doubt(doubt, action_of(rule))
            elif match is not None:
                (found.denying if action_of(rule) == DENY else found.allowing).append(match)

    def match(
        self, policy: AnyPolicy, number: int, rule: AnyRule, seen: FilteredFlow
    ) -> tuple[RuleMatch | None, str]:
        """A rule where it means a flow, and why it may, for all that is known."""
        if isinstance(rule, ActionRule) and rule.is_idle:
            return None, ""
        ports, ports_unknown = self._ports(policy, rule, seen)
        if rule.ports and not ports and not ports_unknown:
            return None, ""
        peers: tuple[int, ...] = ()
        peers_unknown = ""
        if rule.peers:
            of_rule = self._peers_of(rule)
            peers, peers_unknown = of_rule.matching(
                policy.namespace, seen.other, seen.own, self.peers
            )
            if not peers and not peers_unknown:
                return None, ""
        if (rule.ports and not ports) or (rule.peers and not peers):
            return None, ports_unknown or peers_unknown
        match = RuleMatch(policy, seen.direction, number, peers, ports)
        return match, rule.doubt if isinstance(rule, ActionRule) else ""

    def _ports(
        self, policy: AnyPolicy, rule: AnyRule, seen: FilteredFlow
    ) -> tuple[tuple[int, ...], str]:
        found, unknown = [], ""
        for at, port in enumerate(rule.ports):
            known = self._is_port(policy, port, seen)
            if known:
                found.append(at)
            elif known is None:
                unknown = SEVERAL_PORTS
        return tuple(found), unknown

    def _is_port(self, policy: AnyPolicy, port: PolicyPort, seen: FilteredFlow) -> Known:
        named = isinstance(port.port, str)
        if named and isinstance(policy, CiliumPolicy) and seen.direction == EGRESS:
            numbers = self._named(seen.protocol, str(port.port))
            if not port_matches(PolicyPort(port.protocol), seen.protocol, seen.port, None):
                return False
            if seen.port not in numbers:
                return False
            return True if len(numbers) == 1 else None
        pod = seen.called.pod if isinstance(seen.called, PodEnd) else None
        return port_matches(port, seen.protocol, seen.port, pod)

    def _named(self, protocol: str, name: str) -> set[int]:
        """The numbers that pods of the cluster have a port's name for."""
        if self._numbers is None:
            self._numbers = defaultdict(set)
            for pod in self._snapshot.pods:
                for known, number in pod.named_ports.items():
                    for way, served in pod.ports:
                        if served == number:
                            self._numbers[way, known].add(number)
        return self._numbers.get((protocol, name), set())

    def _peers_of(self, rule: AnyRule) -> RulePeers:
        found = self._of_rule.get(id(rule))
        if found is None:
            found = self._of_rule[id(rule)] = RulePeers(rule)
        return found
