"""`netpol check --format json`: calls with what each side's policies make of them.

docs/schemas/netpol-check.schema.json is made from the types.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from otterize_pcap.graph.call_format import evidence_entry
from otterize_pcap.graph.graph_entries import EvidenceEntry
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.check_policies import PolicyCheck
from otterize_pcap.policies.judged_calls import JudgedCall, Party, party_of_workload
from otterize_pcap.policies.judgement import Side
from otterize_pcap.policies.policy_rules import Remark, name_of
from otterize_pcap.policies.rule_matcher import RuleMatch
from otterize_pcap.policies.rule_text import part_text
from otterize_pcap.render.cilium_policy import remedy_document


class PartyEntry(msgspec.Struct, frozen=True):
    """Who calls or is called: `NAME.NAMESPACE` and kind of a workload, else what is known of it."""

    name: str
    kind: str = ""


class PolicyEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A policy, and where it is, or where the rule of it that is meant."""

    kind: str
    namespace: str
    name: str
    file: str | None = None
    line: int | None = None


class AllowingEntry(msgspec.Struct, frozen=True):
    """A rule that allows or denies a call, and which of its peers and ports; counted from 0.

    Those of Cilium's policies that deny come after those that allow.
    """

    policy: PolicyEntry
    rule: int
    peers: tuple[int, ...]
    ports: tuple[int, ...]


class SideEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one pod's filter makes of a call: `policies` are those that say something of the pod.

    They isolate it or, Cilium's and administrators' own, have rules for it; without any, nothing
    does.

    `pod` is `NAMESPACE/NAME`.
    """

    direction: Literal["Ingress", "Egress"]
    pod: str
    outcome: Literal["allowed", "denied", "unknown"]
    policies: tuple[PolicyEntry, ...] = ()
    allowing: tuple[AllowingEntry, ...] = ()
    reason: str = ""
    denying: tuple[AllowingEntry, ...] = ()


class RemedyEntry(msgspec.Struct, frozen=True):
    """A rule that would allow a call, as NetworkPolicies have it, or CiliumNetworkPolicies."""

    direction: Literal["Ingress", "Egress"]
    rule: dict[str, Any]


class JudgedEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Calls between pods of two workloads to one port; sides and evidence are of the earliest."""

    client: PartyEntry
    server: PartyEntry
    protocol: str
    port: int
    connections: int
    pod_pairs: int
    sides: tuple[SideEntry, ...]
    evidence: EvidenceEntry
    services: tuple[str, ...] = ()
    reason: str = ""
    remedies: tuple[RemedyEntry, ...] = ()


class UndecidedEntry(msgspec.Struct, frozen=True):
    """Connections of which an end is not known."""

    reason: str
    connections: int


class UnusedEntry(msgspec.Struct, frozen=True):
    """What a policy allows and nothing used; with `reasons`, it need not have been seen."""

    policy: PolicyEntry
    text: str
    reasons: tuple[str, ...]


class NotSelectedEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Pods that no policy selects: a workload's, or all of a namespace without any policy."""

    namespace: str
    pods: int
    workload: PartyEntry | None = None


class RemarkEntry(msgspec.Struct, frozen=True):
    """What is odd about a policy."""

    rule: str
    level: Literal["error", "warning", "note"]
    policy: PolicyEntry
    text: str


class NetpolCheckDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What a check of policies found; `unmet` says why too little was seen to conclude anything."""

    format: Literal["otterize-netpol-check"]
    version: Literal[1]
    passed: bool
    denied: tuple[JudgedEntry, ...]
    attempts: tuple[JudgedEntry, ...]
    unknown: tuple[JudgedEntry, ...]
    allowed: tuple[JudgedEntry, ...]
    undecided: tuple[UndecidedEntry, ...]
    unused: tuple[UnusedEntry, ...]
    selecting_nothing: tuple[PolicyEntry, ...]
    not_selected: tuple[NotSelectedEntry, ...]
    remarks: tuple[RemarkEntry, ...]
    unmet: tuple[str, ...]


def render_policy_check_json(
    check: PolicyCheck, remarks: Sequence[Remark], unmet: tuple[str, ...] = ()
) -> str:
    """A check of policies as indented JSON with a final newline."""
    document = NetpolCheckDocument(
        format="otterize-netpol-check",
        version=1,
        passed=not (check.denied or unmet or any(each.rule.level == "error" for each in remarks)),
        denied=_calls(check.denied),
        attempts=_calls(check.attempts),
        unknown=_calls(check.unknown),
        allowed=_calls(check.allowed),
        undecided=tuple(UndecidedEntry(str(fate), count) for fate, count in check.undecided),
        unused=tuple(
            UnusedEntry(
                policy_entry(each.part.policy, each.part.value.place),
                part_text(each.part),
                each.reasons,
            )
            for each in check.unused
        ),
        selecting_nothing=tuple(map(policy_entry, check.selecting_nothing)),
        not_selected=tuple(
            NotSelectedEntry(
                each.namespace,
                each.pods,
                None if each.workload is None else _party(party_of_workload(each.workload)),
            )
            for each in check.not_selected
        ),
        remarks=tuple(map(_remark, remarks)),
        unmet=unmet,
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def policy_check_schema() -> dict[str, Any]:
    """The JSON Schema of a check of policies (draft 2020-12)."""
    return msgspec.json.schema(NetpolCheckDocument)


def _calls(calls: Iterable[JudgedCall]) -> tuple[JudgedEntry, ...]:
    return tuple(
        JudgedEntry(
            client=_party(call.client),
            server=_party(call.server),
            protocol=call.protocol,
            port=call.port,
            connections=call.connections,
            pod_pairs=call.pods,
            sides=tuple(map(side_entry, call.judgement.sides)),
            evidence=evidence_entry(call.evidence),
            services=call.services,
            reason=call.judgement.reason,
            remedies=tuple(
                RemedyEntry(direction, remedy_document(rule, direction))  # type: ignore[arg-type] # one of two
                for direction, rule in call.remedies
            ),
        )
        for call in calls
    )


def _party(party: Party) -> PartyEntry:
    return PartyEntry(party.name, party.kind)


def side_entry(side: Side) -> SideEntry:
    """One side of a judgement."""
    return SideEntry(
        side.direction,  # type: ignore[arg-type] # one of two
        f"{side.pod.namespace}/{side.pod.name}",
        side.outcome.value,
        tuple(map(policy_entry, side.policies)),
        tuple(map(_allowing, side.allowing)),
        side.reason,
        tuple(map(_allowing, side.denying)),
    )


def _allowing(found: RuleMatch) -> AllowingEntry:
    rule = found.policy.rules(found.direction)[found.rule]
    policy = policy_entry(found.policy, rule.place)
    return AllowingEntry(policy, found.rule, found.peers, found.ports)


def policy_entry(policy: AnyPolicy, place: Place | None = None) -> PolicyEntry:
    """A policy, at the place of one of its rules or its own."""
    place = place or policy.place
    name = name_of(policy)
    where = (None, None) if place is None else (place.file, place.line)
    return PolicyEntry(name.kind, name.namespace, name.name, *where)


def _remark(remark: Remark) -> RemarkEntry:
    place = remark.place
    where = (None, None) if place is None else (place.file, place.line)
    name = remark.policy
    policy = PolicyEntry(name.kind, name.namespace, name.name, *where)
    return RemarkEntry(remark.rule.name, remark.rule.level, policy, remark.text)  # type: ignore[arg-type] # one of three
