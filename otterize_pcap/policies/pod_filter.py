"""What one pod's filter makes of a flow: administrators' policies, the pod's own, the baseline.

Sources: Kubernetes documentation, "Network Policies" ("The two sorts of pod isolation", "What you
can't do with network policies": a pod's own node and a pod itself always reach it); Cilium
documentation, "Policy Enforcement Modes", "Layer 3 Policies" (what denies wins; the local host is
allowed) and pkg/policy (a rule that denies the local host wins over that); network-policy-api,
apis/v1alpha1.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from otterize_pcap.policies.action_rule import (
    DENY,
    PASS,
    AdminPolicy,
    AnyPolicy,
)
from otterize_pcap.policies.admin_tier import Said, first_rules
from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, NodeEnd, PodEnd
from otterize_pcap.policies.judgement import (
    ITSELF,
    NOT_DENIED,
    NOT_ISOLATED,
    OWN_NODE,
    PERHAPS_OWN_NODE,
    Outcome,
    Side,
)
from otterize_pcap.policies.network_policy import INGRESS
from otterize_pcap.policies.peers import Known, alike
from otterize_pcap.policies.policy_index import PolicyIndex, Selecting
from otterize_pcap.policies.rule_matcher import FilteredFlow, Matches, RuleMatcher
from otterize_pcap.snapshot.snapshot import Pod


class PodFilter:
    """The filters of a cluster's pods, by its policies."""

    def __init__(
        self,
        index: PolicyIndex,
        rules: RuleMatcher,
        nodes: Mapping[bytes, str],
        *,
        has_admins: bool,
    ) -> None:
        self._index = index
        self._rules = rules
        self._nodes = nodes
        self._has_admins = has_admins
        self._open: dict[tuple[Pod, str], Side] = {}

    def side(
        self,
        direction: str,
        own: Pod,
        other: FlowEnd,
        called: FlowEnd,
        protocol: str,
        port: int,
    ) -> Side:
        """What the filter of a pod makes of a flow; see `FilteredFlow`."""
        selecting = self._index.of_direction(own, direction)
        if selecting.is_nobody:
            return self._not_isolated(own, direction)
        seen = FilteredFlow(direction, own, other, called, protocol, port)
        if not self._has_admins:
            return self._of_namespace(seen, selecting)
        theirs = _of_kind(selecting, is_admin=False)
        if isinstance(seen.other, PodEnd) and seen.other.pod is seen.own:
            return self._of_namespace(seen, theirs)
        admins, baseline = _admin_tiers(selecting)
        passed_on = self._of_namespace(seen, theirs)
        if not _isolates(theirs, direction):
            of_baseline = first_rules(baseline, seen, self._rules)
            passed_on = _after(of_baseline, passed_on)
        return _after(first_rules(admins, seen, self._rules), passed_on)

    def _not_isolated(self, pod: Pod, direction: str) -> Side:
        """One value for each, since most flows are between pods that others' are as well."""
        found = self._open.get((pod, direction))
        if found is None:
            found = Side(direction, pod, Outcome.ALLOWED, reason=NOT_ISOLATED)
            self._open[pod, direction] = found
        return found

    def _of_namespace(self, seen: FilteredFlow, selecting: Selecting) -> Side:
        """By NetworkPolicies and Cilium's own: what one allows, unless a rule denies it."""
        direction, pod, policies = seen.direction, seen.own, selecting.policies
        if selecting.is_nobody:
            return self._not_isolated(pod, direction)
        if isinstance(seen.other, PodEnd) and seen.other.pod is pod:
            return Side(direction, pod, Outcome.ALLOWED, policies, reason=ITSELF)
        found = Matches()
        for policy in policies:
            self._rules.add(policy, seen, found)
        for policy, why in selecting.perhaps:
            self._rules.add(policy, seen, found, why)
        outcome, reason = self._decided(seen, selecting, found)
        return Side(
            direction,
            pod,
            outcome,
            policies,
            tuple(found.allowing) if outcome is not Outcome.UNKNOWN else (),
            reason,
            tuple(found.denying),
        )

    def _decided(
        self, seen: FilteredFlow, selecting: Selecting, found: Matches
    ) -> tuple[Outcome, str]:
        """What becomes of a flow by the rules that mean it, and why where these do not say."""
        if found.denying:
            return Outcome.DENIED, ""
        from_node = self._is_own_node(seen.own, seen.other) if seen.direction == INGRESS else False
        reason = ""
        if from_node:
            # A rule for it is used all the same: some networks ask for one.
            reason = OWN_NODE
        elif not found.allowing:
            isolated = any(isolates(each, seen.direction) for each in selecting.policies)
            perhaps = next(
                (why for each, why in selecting.perhaps if isolates(each, seen.direction)), ""
            )
            if isolated or perhaps:
                unknown = PERHAPS_OWN_NODE if from_node is None else found.perhaps_allowing
                unknown = unknown or ("" if isolated else perhaps)
                return (Outcome.UNKNOWN, unknown) if unknown else (Outcome.DENIED, "")
            reason = NOT_DENIED
        if found.perhaps_denying:
            return Outcome.UNKNOWN, found.perhaps_denying
        return Outcome.ALLOWED, reason

    def _is_own_node(self, pod: Pod, end: FlowEnd) -> Known:
        """Whether a flow comes from the node that a pod is on."""
        match end:
            case NodeEnd(address=address, names=names):
                return alike(name == pod.node for name in names or (self._nodes.get(address, ""),))
            case ApiServerEnd(addresses=addresses):
                return alike(self._nodes.get(each, "") == pod.node for each in addresses)
        return False


def isolates(policy: AnyPolicy, direction: str) -> bool:
    """Whether a pod that a policy selects lets nothing pass but what is allowed."""
    return not isinstance(policy, AdminPolicy) and direction in policy.policy_types


def _isolates(selecting: Selecting, direction: str) -> bool:
    return any(isolates(each, direction) for each in selecting.policies)


def _of_kind(selecting: Selecting, *, is_admin: bool) -> Selecting:
    return Selecting(
        tuple(each for each in selecting.policies if isinstance(each, AdminPolicy) == is_admin),
        tuple(each for each in selecting.perhaps if isinstance(each[0], AdminPolicy) == is_admin),
    )


Ranked = list[tuple[AdminPolicy, str]]


def _admin_tiers(selecting: Selecting) -> tuple[Ranked, Ranked]:
    """Administrators' policies, and their baseline, each with why it may not select the pod."""
    sure = [(each, "") for each in selecting.policies if isinstance(each, AdminPolicy)]
    perhaps = [(each, why) for each, why in selecting.perhaps if isinstance(each, AdminPolicy)]
    found = [*sure, *perhaps]
    return (
        [each for each in found if not each[0].is_baseline],
        [each for each in found if each[0].is_baseline],
    )


def _after(said: Iterable[Said], passed_on: Side) -> Side:
    """A filter's word once a tier has had its say before it."""
    sides = [_decided_by(each, passed_on) for each in said]
    last = sides[-1]
    if all(side.outcome is last.outcome for side in sides):
        return last
    reasons = dict.fromkeys(each.reason for each in said if each.reason)
    return replace(
        last, outcome=Outcome.UNKNOWN, reason="; ".join(reasons), allowing=(), denying=()
    )


def _decided_by(said: Said, passed_on: Side) -> Side:
    if said.action == PASS or (said.match is None and not said.reason):
        return passed_on
    is_denied = said.action == DENY
    matches = () if said.match is None else (said.match,)
    own = tuple(match.policy for match in matches)
    return Side(
        passed_on.direction,
        passed_on.pod,
        Outcome.DENIED if is_denied else Outcome.ALLOWED,
        (*own, *passed_on.policies),
        () if is_denied else (*matches, *passed_on.allowing),
        "",
        matches if is_denied else (),
    )
