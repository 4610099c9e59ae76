"""Diffs and checks → findings: what CI systems list, whichever of the two it came from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from otterize_pcap.compare.check import NOT_DECLARED, CheckResult
from otterize_pcap.compare.diff import GraphDiff
from otterize_pcap.graph.service_graph import Call
from otterize_pcap.intents.places import Place, Places

NOWHERE = Places()
ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a finding is an instance of; `level` is error, warning or note."""

    name: str
    level: str
    text: str


ADDED = Rule("call-added", ERROR, "A call is new.")
REMOVED = Rule("call-removed", ERROR, "A call is gone.")
CHANGED = Rule("call-changed", ERROR, "A call changed.")
NOT_SEEN = Rule("call-not-seen", NOTE, "A call was not seen, and need not have been.")
UNDECLARED = Rule("call-not-declared", ERROR, "A call was observed that is not declared.")
UNUSED = Rule("call-unused", WARNING, "A declared call was not observed.")

DIFF_RULES = (ADDED, REMOVED, CHANGED, NOT_SEEN)
CHECK_RULES = (UNDECLARED, UNUSED, NOT_SEEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One call that is worth saying something about.

    `reason` adds to what the rule says; `place` is where to mend it, None where no file is known.
    """

    rule: Rule
    call: Call
    reason: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FindingList:
    """All that one run found.

    `title` is the command, `rules` all that it knows. `passed` are calls with nothing to say but
    that they `are`. `unmet` says why too little was seen to conclude anything; empty where enough
    was.
    """

    title: str
    rules: tuple[Rule, ...]
    are: str
    findings: tuple[Finding, ...] = ()
    passed: tuple[Call, ...] = ()
    unmet: tuple[str, ...] = ()


def diff_findings(diff: GraphDiff, places: Places = NOWHERE) -> FindingList:
    """The findings of a diff: each difference, then what was not seen.

    `places` are those of the new side.
    """
    found = [
        *(Finding(ADDED, call) for call in diff.added),
        *(Finding(REMOVED, call) for call in diff.removed),
        *(Finding(CHANGED, change.new, "; ".join(change.reasons)) for change in diff.changed),
        *(Finding(NOT_SEEN, entry.call, "; ".join(entry.reasons)) for entry in diff.not_seen),
    ]
    return FindingList(
        "otterize diff", DIFF_RULES, "unchanged", _placed(found, places), diff.unchanged
    )


def check_findings(
    result: CheckResult, places: Places = NOWHERE, *, unused: bool = False
) -> FindingList:
    """The findings of a check: violations and, on request, what was declared for nothing.

    `places` are those of what is declared.
    """
    found = list(_violations(result))
    if unused:
        found += [Finding(UNUSED, call) for call in result.unused]
        found += [
            Finding(NOT_SEEN, entry.call, "; ".join(entry.reasons)) for entry in result.not_seen
        ]
    return FindingList(
        "otterize check", CHECK_RULES, "declared", _placed(found, places), result.allowed
    )


def _placed(found: Iterable[Finding], places: Places) -> tuple[Finding, ...]:
    return tuple(replace(finding, place=places.of(finding.call)) for finding in found)


def _violations(result: CheckResult) -> Iterator[Finding]:
    for violation in result.violations:
        reason = "" if violation.reason == NOT_DECLARED else violation.reason
        yield Finding(UNDECLARED, violation.call, reason)


def of_level(findings: Iterable[Finding], level: str) -> list[Finding]:
    """The findings of one level."""
    return [finding for finding in findings if finding.rule.level == level]
