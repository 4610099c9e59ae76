"""`diff --format json` and `check --format json`: the result with each call in full.

Calls look as they do in graph JSON. docs/schemas/diff.schema.json and check.schema.json are made
from the types.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from otterize_pcap.compare.check import CheckResult
from otterize_pcap.compare.diff import GraphDiff, NotSeen
from otterize_pcap.graph.call_format import call_entry
from otterize_pcap.graph.graph_entries import CallEntry
from otterize_pcap.graph.service_graph import Call

Version = Literal[1]


class ChangeEntry(msgspec.Struct, frozen=True):
    """A call that differs, and how."""

    old: CallEntry
    new: CallEntry
    reasons: tuple[str, ...]


class RemarkEntry(msgspec.Struct, frozen=True):
    """A call and why it is listed."""

    call: CallEntry
    reasons: tuple[str, ...]


class DiffDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What separates two graphs; calls that were not seen are no difference.

    `unmet` says why too little was seen to conclude anything.
    """

    format: Literal["otterize-diff"]
    version: Version
    different: bool
    added: tuple[CallEntry, ...]
    removed: tuple[CallEntry, ...]
    changed: tuple[ChangeEntry, ...]
    not_seen: tuple[RemarkEntry, ...]
    unchanged: tuple[CallEntry, ...]
    unmet: tuple[str, ...]


class CheckDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What a check found; `unmet` says why too little was seen to conclude anything."""

    format: Literal["otterize-check"]
    version: Version
    passed: bool
    violations: tuple[RemarkEntry, ...]
    allowed: tuple[CallEntry, ...]
    ignored: tuple[CallEntry, ...]
    unused: tuple[CallEntry, ...]
    not_seen: tuple[RemarkEntry, ...]
    unmet: tuple[str, ...]


def render_diff_json(diff: GraphDiff, unmet: tuple[str, ...] = ()) -> str:
    """A diff as indented JSON with a final newline."""
    return _indented(
        DiffDocument(
            format="otterize-diff",
            version=1,
            different=not diff.is_empty,
            added=_entries(diff.added),
            removed=_entries(diff.removed),
            changed=tuple(
                ChangeEntry(_entry(change.old), _entry(change.new), change.reasons)
                for change in diff.changed
            ),
            not_seen=_remarks(diff.not_seen),
            unchanged=_entries(diff.unchanged),
            unmet=unmet,
        )
    )


def render_check_json(result: CheckResult, unmet: tuple[str, ...] = ()) -> str:
    """A check as indented JSON with a final newline."""
    return _indented(
        CheckDocument(
            format="otterize-check",
            version=1,
            passed=not (result.violations or unmet),
            violations=tuple(
                RemarkEntry(_entry(entry.call), (entry.reason,)) for entry in result.violations
            ),
            allowed=_entries(result.allowed),
            ignored=_entries(result.ignored),
            unused=_entries(result.unused),
            not_seen=_remarks(result.not_seen),
            unmet=unmet,
        )
    )


def diff_schema() -> dict[str, Any]:
    """The JSON Schema of a diff (draft 2020-12)."""
    return msgspec.json.schema(DiffDocument)


def check_schema() -> dict[str, Any]:
    """The JSON Schema of a check (draft 2020-12)."""
    return msgspec.json.schema(CheckDocument)


def _indented(document: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _entry(call: Call) -> CallEntry:
    """A call without its pods: other ones after each rollout, and in graph JSON alone anyway."""
    nameless = tuple(replace(use, client_pods=(), server_pods=()) for use in call.uses)
    return call_entry(replace(call, uses=nameless))


def _entries(calls: Iterable[Call]) -> tuple[CallEntry, ...]:
    return tuple(map(_entry, calls))


def _remarks(entries: Iterable[NotSeen]) -> tuple[RemarkEntry, ...]:
    return tuple(RemarkEntry(_entry(entry.call), entry.reasons) for entry in entries)
