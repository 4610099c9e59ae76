"""Diffs and checks → findings: what CI systems list, whichever of the two it came from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otterize_pcap.compare.check import NOT_DECLARED, CheckResult
from otterize_pcap.compare.diff import GraphDiff
from otterize_pcap.graph.service_graph import Call

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
    """One call that is worth saying something about; `reason` adds to what the rule says."""

    rule: Rule
    call: Call
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FindingList:
    """All that one run found.

    `title` is the command, `rules` all that it knows. `passed` are calls with nothing to say but
    that they `are`. `file` is the path of the document or capture that the findings are about.
    """

    title: str
    rules: tuple[Rule, ...]
    are: str
    findings: tuple[Finding, ...] = ()
    passed: tuple[Call, ...] = ()
    file: str | None = None


def diff_findings(diff: GraphDiff, file: str | None = None) -> FindingList:
    """The findings of a diff: each difference, then what was not seen."""
    found = [
        *(Finding(ADDED, call) for call in diff.added),
        *(Finding(REMOVED, call) for call in diff.removed),
        *(Finding(CHANGED, change.new, "; ".join(change.reasons)) for change in diff.changed),
        *(Finding(NOT_SEEN, entry.call, "; ".join(entry.reasons)) for entry in diff.not_seen),
    ]
    return FindingList("otterize diff", DIFF_RULES, "unchanged", tuple(found), diff.unchanged, file)


def check_findings(
    result: CheckResult, file: str | None = None, *, unused: bool = False
) -> FindingList:
    """The findings of a check: violations and, on request, what was declared for nothing."""
    found = list(_violations(result))
    if unused:
        found += [Finding(UNUSED, call) for call in result.unused]
        found += [
            Finding(NOT_SEEN, entry.call, "; ".join(entry.reasons)) for entry in result.not_seen
        ]
    return FindingList(
        "otterize check", CHECK_RULES, "declared", tuple(found), result.allowed, file
    )


def _violations(result: CheckResult) -> Iterator[Finding]:
    for violation in result.violations:
        reason = "" if violation.reason == NOT_DECLARED else violation.reason
        yield Finding(UNDECLARED, violation.call, reason)


def of_level(findings: Iterable[Finding], level: str) -> list[Finding]:
    """The findings of one level."""
    return [finding for finding in findings if finding.rule.level == level]
