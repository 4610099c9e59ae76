"""Flows of pods → calls of workloads, with what policies make of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import ATTEMPTED, Evidence, Workload
from otterize_pcap.policies.action_rule import AnyPolicy, AnyRule
from otterize_pcap.policies.flow_ends import (
    AnyEnd,
    ApiServerEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
    UnknownEnd,
    end_text,
)
from otterize_pcap.policies.judgement import Judgement, Outcome, Side
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.resolve.use_tally import is_earlier


class Party(Struct, frozen=True, order=True):
    """Who calls or is called: `name` is `NAME.NAMESPACE`, or what is known of who is no workload.

    `kind` is a workload's, as kubectl takes it, else empty.
    """

    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """All flows between pods of two workloads to one port that policies make the same of.

    `port` is the server's own; `connections` are those of all, between so many pairs of `pods`.
    `parts` are all of them, `flow` the earliest and `judgement` what becomes of it.
    `remedies` are rules that would allow them, by direction, where they are denied.
    """

    client: Party
    server: Party
    protocol: str
    port: int
    outcome: Outcome
    is_attempt: bool
    connections: int
    pods: int
    services: tuple[str, ...]
    flow: PodFlow
    judgement: Judgement
    parts: tuple[tuple[PodFlow, Judgement], ...] = field(repr=False)
    remedies: tuple[tuple[str, AnyRule], ...] = ()

    @property
    def evidence(self) -> Evidence:
        """The earliest packet."""
        return self.flow.evidence

    @property
    def denying(self) -> tuple[Side, ...]:
        """The filters that let it not pass."""
        return tuple(side for side in self.judgement.sides if side.outcome is Outcome.DENIED)


_Key = tuple[Party, Party, str, int, Outcome, bool, tuple[object, ...]]


class _Parties(dict[AnyEnd, Party]):
    """Whose ends they are: each once, since most flows have ends that others have as well."""

    def __missing__(self, end: AnyEnd) -> Party:
        found = self[end] = party_of(end)
        return found


def party_of(end: AnyEnd) -> Party:
    """Whose end it is, for people."""
    match end:
        case PodEnd(workload=workload) | NodeEnd(workload=Workload() as workload):
            return party_of_workload(workload)
        case NodeEnd() | ApiServerEnd() | OutsideEnd() | ServiceEnd() | UnknownEnd():
            return Party(end_text(end))


def workloads_of(end: AnyEnd) -> tuple[Workload, ...]:
    """The workloads whose end it is, or may be."""
    match end:
        case PodEnd(workload=workload) | NodeEnd(workload=Workload() as workload):
            return (workload,)
        case ServiceEnd(ends=ends):
            return tuple(dict.fromkeys(each for one in ends for each in workloads_of(one)))
        case _:
            return ()


def party_of_workload(workload: Workload) -> Party:
    """A workload, for people."""
    return Party(full_name(workload), workload.written_kind)


def judged_calls(judged: Iterable[tuple[PodFlow, Judgement]]) -> tuple[JudgedCall, ...]:
    """Flows with what becomes of each, summed up by workloads, in order."""
    groups: dict[_Key, list[tuple[PodFlow, Judgement]]] = defaultdict(list)
    parties = _Parties()
    for flow, judgement in judged:
        key = (
            parties[flow.client],
            parties[flow.server],
            flow.protocol,
            flow.server_port,
            judgement.outcome,
            flow.status == ATTEMPTED,
            _denied_by(judgement),
        )
        groups[key].append((flow, judgement))
    calls = (_summed(key[0], key[1], found) for key, found in groups.items())
    return tuple(sorted(calls, key=_order))


def _summed(client: Party, server: Party, found: Sequence[tuple[PodFlow, Judgement]]) -> JudgedCall:
    flow, judgement = found[0]
    for other, its in found[1:]:
        if is_earlier(other.evidence, flow.evidence):
            flow, judgement = other, its
    return JudgedCall(
        client=client,
        server=server,
        protocol=flow.protocol,
        port=flow.server_port,
        outcome=judgement.outcome,
        is_attempt=flow.status == ATTEMPTED,
        connections=sum(each.connections for each, _ in found),
        pods=len(found),
        services=tuple(sorted({name for each, _ in found for name in each.services})),
        flow=flow,
        judgement=judgement,
        parts=tuple(found),
    )


def _order(call: JudgedCall) -> tuple[object, ...]:
    # Plain values: to compare our own ones takes ten times as long.
    client, server = call.client, call.server
    names = (client.name, client.kind, server.name, server.kind, call.protocol, call.port)
    policies = [
        (side.direction, [(each.namespace, each.name) for each in side.policies])
        for side in call.denying
    ]
    return (*names, call.outcome.value, call.is_attempt, policies)


def _denied_by(judgement: Judgement) -> tuple[object, ...]:
    """The directions and policies that deny, which are worth telling apart."""
    if judgement.outcome is not Outcome.DENIED:
        return ()
    return tuple(
        (side.direction, *map(id, side.policies))
        for side in judgement.sides
        if side.outcome is Outcome.DENIED
    )


def isolating_policies(call: JudgedCall) -> tuple[AnyPolicy, ...]:
    """The policies for which a call is denied."""
    return tuple(policy for side in call.denying for policy in side.policies)
