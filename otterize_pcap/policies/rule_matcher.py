"""Which rules of a policy mean a flow, as the filter of one pod sees it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

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
from otterize_pcap.policies.network_policy import ANY_PROTOCOL, EGRESS, PolicyPort
from otterize_pcap.policies.peer_matcher import PeerMatcher
from otterize_pcap.policies.peers import Known, port_matches
from otterize_pcap.policies.rule_peers import PolicyRules, RulePeers
from otterize_pcap.policies.rule_ports import RulePorts
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

FEW = 4
"""So many rules, or ports of one, are looked through sooner than looked up."""
SEVERAL_PORTS = (
    "Cilium looks up a port's name among all pods in egress rules, and these have several of it"
)


class RuleMatch(Struct, frozen=True):
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


class FilteredFlow(Struct, frozen=True):
    """A flow as the filter of `own` sees it: `other` is its peer, `called` whose port it is."""

    direction: str
    own: Pod
    other: FlowEnd
    called: FlowEnd
    protocol: str
    port: int


class Matches(Struct):
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
        self._ports_of: dict[int, RulePorts] = {}
        self._rules_of: dict[tuple[int, str], PolicyRules] = {}
        self._numbers: dict[tuple[str, str], set[int]] | None = None

    def add(self, policy: AnyPolicy, seen: FilteredFlow, found: Matches, perhaps: str = "") -> None:
        """Take in the rules of one policy; `perhaps` says why it may select the pod or not."""
        if isinstance(policy, CiliumPolicy) and policy.doubt:
            found.doubt(policy.doubt)
        rules = rules_of_policy(policy, seen.direction)
        for number in (
            self._candidates(policy, rules, seen) if len(rules) > FEW else range(len(rules))
        ):
            rule = rules[number]
            match, doubt = self.match(policy, number, rule, seen)
            if match is None and not doubt:
                continue
            doubt = doubt or perhaps
            if doubt:
                found.doubt(doubt, action_of(rule))
            elif match is not None:
                (found.denying if action_of(rule) == DENY else found.allowing).append(match)

    def match(
        self, policy: AnyPolicy, number: int, rule: AnyRule, seen: FilteredFlow
    ) -> tuple[RuleMatch | None, str]:
        """A rule where it means a flow, and why it may, for all that is known."""
        doubt = ""
        if isinstance(rule, ActionRule):
            if rule.is_idle:
                return None, ""
            doubt = rule.doubt
        ports: tuple[int, ...] = ()
        peers: tuple[int, ...] = ()
        if rule.ports:
            ports, unknown = self._ports(policy, rule, seen)
            if not ports and not unknown:
                return None, ""
            doubt = doubt if ports else unknown
        if rule.peers:
            of_rule = self._of_rule.get(id(rule)) or self._peers_of(rule)
            peers, unknown = of_rule.matching(policy.namespace, seen.other, seen.own, self.peers)
            if not peers:
                return None, unknown
        if rule.ports and not ports:
            return None, doubt
        return RuleMatch(policy, seen.direction, number, peers, ports), doubt

    def _ports(
        self, policy: AnyPolicy, rule: AnyRule, seen: FilteredFlow
    ) -> tuple[tuple[int, ...], str]:
        called, found, unknown = seen.called, [], ""
        pod = called.pod if isinstance(called, PodEnd) else None
        by_all = seen.direction == EGRESS and isinstance(policy, CiliumPolicy)
        many = len(rule.ports) > FEW
        for at, port in self._ports_like(rule, seen) if many else enumerate(rule.ports):
            if by_all and isinstance(port.port, str):
                known = self._is_named_so(port, seen)
            else:
                known = port_matches(port, seen.protocol, seen.port, pod)
            if known:
                found.append(at)
            elif known is None:
                unknown = SEVERAL_PORTS
        return tuple(sorted(found)), unknown

    def _ports_like(self, rule: AnyRule, seen: FilteredFlow) -> Iterator[tuple[int, PolicyPort]]:
        found = self._ports_of.get(id(rule))
        if found is None:
            found = self._ports_of[id(rule)] = RulePorts(rule)
        return found.candidates(seen.protocol, seen.port)

    def _candidates(
        self, policy: AnyPolicy, rules: Sequence[AnyRule], seen: FilteredFlow
    ) -> list[int]:
        key = (id(policy), seen.direction)
        found = self._rules_of.get(key)
        if found is None:
            found = self._rules_of[key] = PolicyRules(rules)
        return found.candidates(seen.other)

    def _is_named_so(self, port: PolicyPort, seen: FilteredFlow) -> Known:
        """Whether pods of the cluster have the port that was called by a rule's name for it."""
        numbers = self._named(seen.protocol, str(port.port))
        if port.protocol not in (seen.protocol, ANY_PROTOCOL) or seen.port not in numbers:
            return False
        return True if len(numbers) == 1 else None

    def _named(self, protocol: str, name: str) -> set[int]:
        """The numbers that pods of the cluster have a port's name for."""
        if self._numbers is None:
            self._numbers = defaultdict(set)
            for pod in self._snapshot.pods:
                for (known, way), number in pod.numbers.items():
                    self._numbers[way, known].add(number)
        return self._numbers.get((protocol, name), set())

    def _peers_of(self, rule: AnyRule) -> RulePeers:
        found = self._of_rule[id(rule)] = RulePeers(rule)
        return found
