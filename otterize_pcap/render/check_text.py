"""`check` as text: what is not declared, and on request what was declared for nothing."""

from collections.abc import Iterable
from itertools import groupby

from otterize_pcap.compare.check import NOT_DECLARED, CheckResult
from otterize_pcap.graph.naming import Names
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call
from otterize_pcap.render.list_text import server_line


def render_check(result: CheckResult, *, unused: bool = False) -> str:
    """One part for each kind of finding, each listing calls by client."""
    violations = [
        (entry.call, "" if entry.reason == NOT_DECLARED else f": {entry.reason}")
        for entry in result.violations
    ]
    parts = []
    if violations:
        parts.append(_part("Not declared", violations))
    elif not result.allowed and not result.ignored:
        parts.append("No observed call was there to check.\n")
    else:
        parts.append(f"All observed calls are declared ({len(result.allowed)}).\n")
    if result.ignored:
        parts.append(_part("Ignored", [(call, "") for call in result.ignored]))
    if unused and result.unused:
        parts.append(_part("Declared but not seen", [(call, "") for call in result.unused]))
    if unused and result.not_seen:
        entries = [(entry.call, f": {'; '.join(entry.reasons)}") for entry in result.not_seen]
        parts.append(_part("Declared, and not known to be unused", entries))
    return "\n".join(parts)


def _part(title: str, entries: Iterable[tuple[Call, str]]) -> str:
    entries = sorted(entries, key=lambda entry: call_order(entry[0]))
    names = Names(call for call, _ in entries)
    lines = [f"{title} ({len(entries)}):"]
    for client, calls in groupby(entries, key=lambda entry: entry[0].client):
        lines.append(f"  {names.client(client)} calls:")
        lines += [f"    - {server_line(call, names, ports=True)}{note}" for call, note in calls]
    return "\n".join(lines) + "\n"
