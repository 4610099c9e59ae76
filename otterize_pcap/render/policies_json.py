"""`netpol export --format json`: each workload's policy, what it rests on, and what is left out.

docs/schemas/netpol.schema.json is made from the types.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from otterize_pcap.policies.verdict import Reason
from otterize_pcap.policies.workload_policy import AllowedPeer, WorkloadPolicy, peer_text
from otterize_pcap.render.network_policy import PolicyForm
from otterize_pcap.timestamps import SECOND_NS, format_time

Version = Literal[1]


class WorkloadEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A workload: its kind's API group is left out for Kubernetes' own."""

    name: str
    namespace: str
    kind: str = ""
    group: str = ""


class ReasonEntry(msgspec.Struct, frozen=True, rename="camel"):
    """Something to know of an observation, and the directions that it leaves out of the policy."""

    kind: str
    text: str
    leaves_out: tuple[str, ...]


class RuleEntry(msgspec.Struct, frozen=True, rename="camel"):
    """Whom a rule of the policy is for, in its order there, and what was seen of it.

    A rule for what is known and was not seen has no connections and no times. `evidence` is
    the earliest packet.
    """

    direction: str
    peers: tuple[str, ...]
    services: tuple[str, ...]
    connections: int
    first_seen: str | None
    last_seen: str | None
    evidence: str | None
    remarks: tuple[str, ...]


class PolicyEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One workload: its policy as Kubernetes takes it, null where too little was seen.

    `hours` are those of the day (UTC) at which it was observed.
    """

    workload: WorkloadEntry
    observed_seconds: float
    captures: int
    hours: tuple[int, ...]
    pods: int
    nodes: tuple[str, ...]
    restarted: bool
    reasons: tuple[ReasonEntry, ...]
    rules: tuple[RuleEntry, ...]
    policy: dict[str, Any] | None


class PoliciesDocument(msgspec.Struct, frozen=True):
    """All workloads that policies were asked for, in order."""

    format: Literal["otterize-netpol"]
    version: Version
    workloads: tuple[PolicyEntry, ...]


def render_policies_json(made: Iterable[WorkloadPolicy], form: PolicyForm) -> str:
    """The document as indented JSON with a final newline."""
    entries = tuple(_entry(each, form) for each in made)
    document = PoliciesDocument("otterize-netpol", 1, entries)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document (draft 2020-12)."""
    return msgspec.json.schema(PoliciesDocument)


def _entry(made: WorkloadPolicy, form: PolicyForm) -> PolicyEntry:
    workload, verdict = made.workload, made.verdict
    return PolicyEntry(
        workload=WorkloadEntry(workload.name, workload.namespace, workload.kind, workload.group),
        observed_seconds=verdict.observed_ns / SECOND_NS,
        captures=verdict.captures,
        hours=verdict.hours,
        pods=verdict.pods,
        nodes=verdict.nodes,
        restarted=verdict.restarted,
        reasons=tuple(map(_reason, verdict.reasons)),
        rules=tuple(map(_rule, made.allowed)),
        policy=form(made) if made.policy is not None else None,
    )


def _reason(reason: Reason) -> ReasonEntry:
    return ReasonEntry(reason.kind.value, reason.text, reason.leaves_out)


def _rule(allowed: AllowedPeer) -> RuleEntry:
    seen = allowed.seen
    return RuleEntry(
        direction=allowed.direction,
        peers=tuple(map(peer_text, allowed.peers)),
        services=tuple(sorted(seen.services)) if seen else (),
        connections=seen.connections if seen else 0,
        first_seen=format_time(seen.first_ns) if seen else None,
        last_seen=format_time(seen.last_ns) if seen else None,
        evidence=f"{seen.evidence.file}:{seen.evidence.packet}" if seen else None,
        remarks=allowed.remarks,
    )
