"""Diffs and checks → findings: what CI systems list, whichever of the two it came from."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from otterize_pcap.compare.check import NOT_DECLARED, CheckResult
from otterize_pcap.compare.diff import GraphDiff
from otterize_pcap.graph.naming import full_name, port_list
from otterize_pcap.graph.service_graph import Call, External, Workload
from otterize_pcap.intents.places import Place, Places

NOWHERE = Places()
ERROR, WARNING, NOTE = "error", "warning", "note"


class Rule(Struct, frozen=True):
    """What a finding is an instance of; `level` is error, warning or note.

    `text` says what it is of any, `sentence` of one `{client}` and, where it has one, `{server}`.
    """

    name: str
    level: str
    text: str
    sentence: str = "{client}"


ADDED = Rule("call-added", ERROR, "A call is new.", "{client} now calls {server}")
REMOVED = Rule("call-removed", ERROR, "A call is gone.", "{client} no longer calls {server}")
CHANGED = Rule("call-changed", ERROR, "A call changed.", "{client} calls {server} differently")
NOT_SEEN = Rule(
    "call-not-seen",
    NOTE,
    "A call was not seen, and need not have been.",
    "{client} was not seen calling {server}",
)
UNDECLARED = Rule(
    "call-not-declared",
    ERROR,
    "A call was observed that is not declared.",
    "{client} calls {server} without an intent",
)
UNUSED = Rule(
    "call-unused",
    WARNING,
    "A declared call was not observed.",
    "{client} has an intent for {server} but was not seen calling it",
)

DIFF_RULES = (ADDED, REMOVED, CHANGED, NOT_SEEN)
CHECK_RULES = (UNDECLARED, UNUSED, NOT_SEEN)

_Found = tuple[Rule, Call, tuple[str, ...]]


class Topic(Struct, frozen=True):
    """What a finding is about: a client and the server that it calls, or one thing alone.

    `identity` tells it from others of the same names, and stays the same from run to run.
    """

    client: str
    server: str = ""
    ports: str = ""
    identity: tuple[str, ...] = ()


class Finding(Struct, frozen=True):
    """One thing that is worth saying something about.

    `reason` adds to what the rule says; `place` is where to mend it, None where no file is known.
    """

    rule: Rule
    topic: Topic
    reason: str = ""
    place: Place | None = None


class FindingList(Struct, frozen=True):
    """All that one run found.

    `title` is the command, `rules` all that it knows. `passed` are calls with nothing to say but
    that they `are`. `unmet` says why too little was seen to conclude anything; empty where enough
    was.
    """

    title: str
    rules: tuple[Rule, ...]
    are: str
    findings: tuple[Finding, ...] = ()
    passed: tuple[Topic, ...] = ()
    unmet: tuple[str, ...] = ()


def call_topic(call: Call) -> Topic:
    """A call as the topic of a finding."""
    return Topic(
        full_name(call.client),
        full_name(call.server),
        port_list(call),
        (*_identity(call.client), *_identity(call.server)),
    )


def _identity(party: Workload | External) -> tuple[str, ...]:
    if isinstance(party, External):
        return ("external", party.name)
    return (party.name, party.namespace, party.written_kind, party.label)


def diff_findings(diff: GraphDiff, places: Places = NOWHERE) -> FindingList:
    """The findings of a diff: each difference, then what was not seen.

    `places` are those of the new side.
    """
    found: list[_Found] = [
        *((ADDED, call, ()) for call in diff.added),
        *((REMOVED, call, ()) for call in diff.removed),
        *((CHANGED, change.new, change.reasons) for change in diff.changed),
        *((NOT_SEEN, entry.call, entry.reasons) for entry in diff.not_seen),
    ]
    return _list("otterize diff", DIFF_RULES, "unchanged", found, diff.unchanged, places)


def check_findings(
    result: CheckResult, places: Places = NOWHERE, *, unused: bool = False
) -> FindingList:
    """The findings of a check: violations and, on request, what was declared for nothing.

    `places` are those of what is declared.
    """
    found = list(_violations(result))
    if unused:
        found += [(UNUSED, call, ()) for call in result.unused]
        found += [(NOT_SEEN, entry.call, entry.reasons) for entry in result.not_seen]
    return _list("otterize check", CHECK_RULES, "declared", found, result.allowed, places)


def _list(
    title: str,
    rules: tuple[Rule, ...],
    are: str,
    found: Iterable[_Found],
    passed: Iterable[Call],
    places: Places,
) -> FindingList:
    findings = (
        Finding(rule, call_topic(call), "; ".join(reasons), places.of(call))
        for rule, call, reasons in found
    )
    return FindingList(title, rules, are, tuple(findings), tuple(map(call_topic, passed)))


def _violations(result: CheckResult) -> Iterator[_Found]:
    for violation in result.violations:
        reasons = () if violation.reason == NOT_DECLARED else (violation.reason,)
        yield UNDECLARED, violation.call, reasons


def of_level(findings: Iterable[Finding], level: str) -> list[Finding]:
    """The findings of one level."""
    return [finding for finding in findings if finding.rule.level == level]
