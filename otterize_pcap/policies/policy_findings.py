"""A check of policies → findings, as CI systems list them."""

from collections.abc import Iterable, Iterator

from otterize_pcap.compare.findings import ERROR, Finding, FindingList, Rule, Topic
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.check_policies import NotSelected, PolicyCheck
from otterize_pcap.policies.judged_calls import (
    JudgedCall,
    Party,
    isolating_policies,
    party_of_workload,
)
from otterize_pcap.policies.judgement import Outcome, Side
from otterize_pcap.policies.policy_rules import (
    ATTEMPT_DENIED,
    DENIED,
    FILTERED,
    NOT_SELECTED,
    POLICY_RULES,
    SELECTS_NOTHING,
    UNJUDGED,
    UNSEEN,
    UNUSED,
    Remark,
    name_of,
)
from otterize_pcap.policies.rule_text import part_text, rule_text, title_of

TITLE = "otterize netpol check"


def policy_findings(
    check: PolicyCheck, remarks: Iterable[Remark], *, unused: bool = False
) -> FindingList:
    """All that a check found, errors first; what nothing used on request."""
    found = [
        *(_of_call(DENIED, call) for call in check.denied),
        *map(_of_remark, sorted(remarks, key=lambda remark: remark.rule.level != ERROR)),
        *(_of_call(UNJUDGED, call) for call in check.unknown),
        *(
            Finding(SELECTS_NOTHING, _policy_topic(str(name_of(policy))), "", policy.place)
            for policy in check.selecting_nothing
        ),
        *(_unused(check) if unused else ()),
        *(_of_call(ATTEMPT_DENIED, call) for call in check.attempts),
        *(_of_call(FILTERED, call) for call in check.filtered),
        *(Finding(NOT_SELECTED, not_selected_topic(each)) for each in check.not_selected),
    ]
    return FindingList(
        TITLE, POLICY_RULES, "allowed", tuple(found), tuple(map(_call_topic, check.allowed))
    )


def _of_call(rule: Rule, call: JudgedCall) -> Finding:
    reasons = [
        *(denial_text(side) for side in call.denying),
        *(
            f"an {direction.lower()} rule {rule_text(remedy, direction)} allows it"
            for direction, remedy in call.remedies
        ),
    ]
    reason = "; ".join(reasons) or call.judgement.reason
    return Finding(rule, _call_topic(call), reason, _place(call))


def denial_text(side: Side) -> str:
    """Which side denies, and for which policies."""
    if side.denying:
        rules = (
            f"{title_of(each.policy, each.direction, each.rule)} of {name_of(each.policy)}"
            for each in side.denying
        )
        deny = "denies" if len(side.denying) == 1 else "deny"
        return f"{', '.join(rules)} {deny} it"
    names = ", ".join(str(name_of(policy)) for policy in side.policies)
    allow = "allows" if len(side.policies) == 1 else "allow"
    return f"no {side.direction.lower()} rule of {names} {allow} it"


def _place(call: JudgedCall) -> Place | None:
    for match in (match for side in call.denying for match in side.denying):
        if match.value.place is not None:
            return match.value.place
    policies = isolating_policies(call) or (
        policy
        for side in call.judgement.sides
        if side.outcome is Outcome.UNKNOWN
        for policy in side.policies
    )
    return next((policy.place for policy in policies if policy.place is not None), None)


def _call_topic(call: JudgedCall) -> Topic:
    return Topic(
        call.client.name,
        call.server.name,
        f"{call.protocol} {call.port}",
        (*_identity(call.client), *_identity(call.server), call.protocol, str(call.port)),
    )


def _identity(party: Party) -> tuple[str, str]:
    return party.name, party.kind


def _policy_topic(name: str, *more: str) -> Topic:
    return Topic(name, identity=(name, *more))


def _of_remark(remark: Remark) -> Finding:
    name = str(remark.policy)
    return Finding(remark.rule, _policy_topic(name, remark.text), remark.text, remark.place)


def _unused(check: PolicyCheck) -> Iterator[Finding]:
    for each in check.unused:
        rule = UNSEEN if each.reasons else UNUSED
        text = part_text(each.part)
        place = each.part.value.place or each.part.policy.place
        topic = _policy_topic(str(name_of(each.part.policy)), text)
        yield Finding(rule, topic, "; ".join((text, *each.reasons)), place)


def not_selected_topic(found: NotSelected) -> Topic:
    """Whom no policy selects."""
    if found.workload is None:
        return Topic(f"namespace {found.namespace}", identity=("namespace", found.namespace))
    party = party_of_workload(found.workload)
    return Topic(party.name, identity=_identity(party))
