"""`netpol check` as text: denied calls, odd policies, and what nobody uses."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from otterize_pcap.compare.findings import NOTE
from otterize_pcap.counted import counted
from otterize_pcap.graph.naming import printable
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.check_policies import NotSelected, PolicyCheck, UnusedPart
from otterize_pcap.policies.judged_calls import JudgedCall
from otterize_pcap.policies.policy_findings import denial_text, not_selected_topic
from otterize_pcap.policies.policy_rules import Remark, name_of
from otterize_pcap.policies.rule_text import part_text
from otterize_pcap.render.cilium_policy import remedy_document


def render_policy_check(
    check: PolicyCheck, remarks: Sequence[Remark], *, unused: bool = False
) -> str:
    """One part for each kind of finding, what decides the exit code first."""
    unseen = [each for each in check.unused if each.reasons]
    parts = [
        _denied(check),
        _part("Odd policies", (_remark_line(each) for each in remarks if not _is_note(each))),
        _calls("Not known whether allowed", check.unknown),
        _part("Policies that select no pod", map(_policy_line, check.selecting_nothing)),
    ]
    if unused:
        rest = [each for each in check.unused if not each.reasons]
        parts += [
            _part("Allowed, and not seen", map(_unused_line, rest)),
            _part("Allowed, and need not have been seen", map(_unused_line, unseen)),
        ]
    parts += [
        _calls("Allowed by rules of layer 7, which may deny some of it", check.filtered),
        _part("Passes, and perhaps not everywhere", map(_remark_line, filter(_is_note, remarks))),
        _calls("Denied, and came to nothing anyway", check.attempts),
        _part(
            "Connections of which an end is not known",
            (f"{count} {fate}" for fate, count in check.undecided),
        ),
        _part("Pods that no policy selects", map(_not_selected_line, check.not_selected)),
    ]
    return "\n".join(filter(None, parts))


def _denied(check: PolicyCheck) -> str:
    if check.denied:
        return _calls("Denied", check.denied)
    if not check.allowed:
        return "No observed call was there to check.\n"
    return f"All observed calls are allowed ({len(check.allowed)}).\n"


def _part(title: str, lines: Iterable[str]) -> str:
    found = list(lines)
    if not found:
        return ""
    return "\n".join((f"{title} ({len(found)}):", *(f"  {line}" for line in found))) + "\n"


def _calls(title: str, calls: Sequence[JudgedCall]) -> str:
    if not calls:
        return ""
    lines = [f"{title} ({len(calls)}):"]
    for client, group in groupby(calls, key=lambda call: call.client):
        lines.append(f"  {printable(client.name)} calls:")
        for call in group:
            many = "" if call.connections == 1 else f", {counted(call.connections, 'connection')}"
            lines.append(f"    - {printable(call.server.name)} ({call.protocol} {call.port}{many})")
            lines += [f"        {line}" for line in _reasons(call)]
    return "\n".join(lines) + "\n"


def _reasons(call: JudgedCall) -> Iterator[str]:
    for side in call.denying:
        found = [match.value.place or match.policy.place for match in side.denying]
        found = found or [policy.place for policy in side.policies]
        places = [_line(place) for place in dict.fromkeys(found) if place is not None]
        where = f" ({', '.join(places)})" if places else ""
        yield f"{printable(denial_text(side))}{where}"
    for direction, rule in call.remedies:
        text = json.dumps(remedy_document(rule, direction), ensure_ascii=False)
        yield f"an {direction.lower()} rule that allows it: {printable(text)}"
    if not call.denying:
        yield printable(call.judgement.reason)


def _line(place: Place) -> str:
    return f"{printable(place.file)}:{place.line}"


def _at(policy: AnyPolicy) -> str:
    return "" if policy.place is None else _line(policy.place)


def _is_note(remark: Remark) -> bool:
    return remark.rule.level == NOTE


def _remark_line(remark: Remark) -> str:
    where = "" if remark.place is None else f"{printable(remark.place.file)}:{remark.place.line}: "
    return f"{where}{printable(str(remark.policy))}: {printable(remark.text)}"


def _policy_line(policy: AnyPolicy) -> str:
    where = _at(policy)
    return f"{where}: {_name(policy)}" if where else _name(policy)


def _name(policy: AnyPolicy) -> str:
    return printable(str(name_of(policy)))


def _unused_line(found: UnusedPart) -> str:
    place = found.part.value.place
    where = "" if place is None else f"{printable(place.file)}:{place.line}: "
    text = f"{where}{_name(found.part.policy)}: {printable(part_text(found.part))}"
    reasons = f" ({printable('; '.join(found.reasons))})" if found.reasons else ""
    return text + reasons


def _not_selected_line(found: NotSelected) -> str:
    all_of = ", which has no policy" if found.workload is None else ""
    return f"{printable(not_selected_topic(found).client)}{all_of} ({counted(found.pods, 'pod')})"
