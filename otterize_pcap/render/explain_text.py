"""`explain` for people, and the same as JSON."""

from collections.abc import Iterator

import msgspec

from otterize_pcap.connections.rule import Rule
from otterize_pcap.counted import counted
from otterize_pcap.explain.explanation import (
    End,
    ExplainedConnection,
    ExplainedLookup,
    ExplainedRule,
    ExplainedVerdict,
    Explanation,
)
from otterize_pcap.graph.naming import printable

MORE_RECORDINGS = 4
CONTRADICTED = "the rules that spoke disagree, or are not plausible"

JOINED_BY = {
    "S20": "a Service leads from one to the other, and the client's endpoint is the same",
    "S20a": "conntrack holds both sides of the NAT in one entry",
    "S20b": "both initial sequence numbers are the same",
    "S20c": "the client's initial sequence number and TCP timestamp are the same",
}
"""The parts of S20 in words."""


def render_explanation(explanation: Explanation) -> str:
    """An explanation as text: the verdict first, then each connection."""
    verdict = "is an edge" if explanation.is_edge else "is no edge"
    lines = [f"{explanation.client} → {explanation.server} {verdict}"]
    lines += [f"  {count:,} {fate}" for fate, count in explanation.fates]
    if explanation.looked_up:
        text = "looked up in DNS, which alone is no call (S42)"
        lines.append(f"  {explanation.looked_up} {text}")
    lines += [f"  {hint}" for hint in explanation.hints]
    for judged in explanation.policies:
        lines += ["", *_verdict(judged)]
    for connection in explanation.connections:
        lines += ["", *_connection(connection)]
    hidden = sum(count for _, count in explanation.fates) - len(explanation.connections)
    if hidden:
        lines += ["", f"({hidden:,} more; --most shows them)"]
    for lookup in explanation.lookups:
        lines += ["", *_lookup(lookup)]
    # Whole lines: names of files and nodes are anybody's, as those of pods are.
    return "\n".join(map(printable, lines)) + "\n"


def _verdict(verdict: ExplainedVerdict) -> Iterator[str]:
    """What policies say, side by side and rule by rule."""
    which = "" if verdict.observed else ", which was not observed"
    yield f"policies, {verdict.protocol} {verdict.port}{which}: {verdict.outcome}"
    for side in verdict.sides:
        why = f" ({side.reason})" if side.reason else ""
        yield f"  {side.direction.lower()} of {side.pod}: {side.outcome}{why}"
        for policy in side.policies:
            yield f"    {policy} selects the pod"
            for rule in side.rules:
                if rule.policy == policy:
                    where = f" ({rule.file}:{rule.line})" if rule.file else ""
                    yield f"      {_does(rule)}  {rule.text}{where}"


def render_explanation_json(explanation: Explanation) -> str:
    """The whole explanation as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(explanation), indent=2).decode() + "\n"


def _connection(connection: ExplainedConnection) -> Iterator[str]:
    way = " → ".join((" ⇒ ".join(connection.clients), " ⇒ ".join(connection.servers)))
    yield f"{connection.protocol} {way}: {connection.fate}"
    yield from _direction(connection)
    for rule in connection.joined_by:
        yield f"  joined by  {rule}: {JOINED_BY[rule]}"
    yield f"  outcome    {connection.outcome} (S40)"
    yield f"  client     {_end(connection.client, connection.candidates)}"
    yield f"  server     {_end(connection.server, connection.candidates)}"
    for change in connection.changes:
        yield (
            f"  changed    {change.address} got another pod after {change.after}, by {change.by}: "
            "it sent from another interface, MAC address or node (S12)"
        )
    if connection.services:
        yield f"  through    Service {', '.join(connection.services)}"
    yield f"  packets    {_counted(connection)}"
    for place, leg in enumerate(connection.recorded[:MORE_RECORDINGS]):
        tunnels = f", in {' in '.join(reversed(leg.tunnels))}" if leg.tunnels else ""
        label = "recorded" if place == 0 else ""
        what = "line" if leg.in_lines else "packet"
        yield f"  {label:10} {leg.node}: {leg.file} {what} {leg.packet}, {leg.time}{tunnels}"
    more = len(connection.recorded) - MORE_RECORDINGS
    if more > 0:
        yield f"  {'':10} and {more} more"


def _counted(connection: ExplainedConnection) -> str:
    """How much went which way, where anybody counted it."""
    sent, answered = connection.packets
    sent_bytes, answered_bytes = connection.bytes
    if not any(connection.packets) and all(leg.in_lines for leg in connection.recorded):
        return "not counted"
    return (
        f"{sent:,} to the server ({counted(sent_bytes, 'byte')}), "
        f"{answered:,} to the client ({counted(answered_bytes, 'byte')})"
    )


def _lookup(lookup: ExplainedLookup) -> Iterator[str]:
    yield f"DNS answer about {lookup.name} to {lookup.to}"
    yield f"  client     {_end(lookup.client, ())}"
    yield f"  recorded   {lookup.file} packet {lookup.packet}, {lookup.time}"


def _direction(connection: ExplainedConnection) -> Iterator[str]:
    """The rule that decided, and every other one that spoke."""
    rule = connection.rule
    spoke = connection.rules_for or connection.rules_against
    undecided = rule == Rule.UNDIRECTED and spoke
    yield f"  direction  {f'{rule}: {CONTRADICTED}' if undecided else _rule(rule)}"
    yield from (f"  for it     {_rule(also)}" for also in connection.rules_for if also != rule)
    yield from (f"  against it {_rule(other)}" for other in connection.rules_against)


def _rule(rule: str) -> str:
    return f"{rule}: {Rule(rule).text}"


def _end(end: End | None, candidates: tuple[str, ...]) -> str:
    if end is None:
        either = " or ".join(candidates)
        return f"not known: {either}" if either else "not known"
    text = end.workload
    if end.pod:
        until = f" until {end.held_until}" if end.held_until else " on"
        text += f": pod {end.pod}"
        text += f" on {end.node}" if end.node else ""
        text += f", which had the address from {end.held_from}{until} (S10)"
    if end.inferred:
        text += f"; {end.inferred} (S3)"
    return text


def _does(rule: ExplainedRule) -> str:
    if rule.denies:
        return "denies"
    return "allows" if rule.allows else "does not allow"
