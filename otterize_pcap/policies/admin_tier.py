"""What administrators' policies make of a flow: the first of their rules that means it decides.

Policies count by priority, the lowest number first, their rules in order. A rule allows or denies
for good, or passes on to the next tier: NetworkPolicies, then the baseline where none of these
isolates the pod. Source: network-policy-api, apis/v1alpha1 (AdminNetworkPolicySpec, AdminNetwork-
PolicyRuleAction) and apis/v1alpha2 (ClusterNetworkPolicySpec).
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from otterize_pcap.policies.action_rule import PASS, AdminPolicy, action_of
from otterize_pcap.policies.rule_matcher import FilteredFlow, RuleMatch, RuleMatcher

SAME_PRIORITY = "policies of one priority say different things, and which of them counts is open"


class Said(Struct, frozen=True):
    """What a tier may say: an action and the rule that does, `PASS` without one where none does.

    `reason` says why this is not the only thing that it may say.
    """

    action: str
    match: RuleMatch | None = None
    reason: str = ""


def first_rules(
    policies: Iterable[tuple[AdminPolicy, str]], seen: FilteredFlow, rules: RuleMatcher
) -> tuple[Said, ...]:
    """All that a tier may say of a flow, the most probable last: one thing where that is sure.

    Args:
        policies: Those of the tier that select the pod, and why that is not known of one.
        seen: The flow.
        rules: What tells which rules mean it.
    """
    found: list[Said] = []
    ordered = sorted(policies, key=lambda each: each[0].priority)
    for _, group in groupby(ordered, key=lambda each: each[0].priority):
        of_each = [list(_of_policy(policy, why, seen, rules)) for policy, why in group]
        ends = [each[-1] for each in of_each if each and not each[-1].reason]
        found += [said for each in of_each for said in each if said.reason]
        if len({said.action for said in ends}) > 1:
            return *found, *(Said(each.action, each.match, SAME_PRIORITY) for each in ends)
        if ends:
            return *found, ends[0]
    return *found, Said(PASS)


def _of_policy(
    policy: AdminPolicy, perhaps: str, seen: FilteredFlow, rules: RuleMatcher
) -> Iterator[Said]:
    """What one policy may say, until a rule that surely means the flow."""
    for number, rule in enumerate(policy.rules(seen.direction)):
        match, doubt = rules.match(policy, number, rule, seen)
        if match is not None or doubt:
            why = doubt or perhaps
            yield Said(action_of(rule), match, why)
            if match is not None and not doubt:
                return
