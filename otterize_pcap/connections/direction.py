"""Who is the client: how what the rules S30 to S36 say of each flow is put together."""

from collections.abc import Sequence
from typing import NamedTuple

from otterize_pcap.connections.evidence import Known
from otterize_pcap.connections.legs import Flow
from otterize_pcap.connections.rule import (
    Answers,
    Rule,
    ServedPorts,
    answers_of,
    began_inside,
    by_conntrack,
    by_first_datagram,
    by_most_flows,
    first_sender,
)
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Endpoint


class Testimony(NamedTuple):
    """A rule that spoke of a connection, and whether for the client that was decided on."""

    rule: Rule
    agrees: bool


class Decision(NamedTuple):
    """The client's side in each flow of one connection, the rule that decided, and all that spoke.

    Without a decision the sides are those that sent first, and the rule is S36.
    """

    sides: list[int]
    rule: Rule
    testimony: tuple[Testimony, ...] = ()


def decide(flows: list[Flow], known: Known, served: ServedPorts) -> Decision:
    """Say who called in one connection."""
    by_handshake = next(
        (flow for flow in flows if flow.client is not None and flow.server_isn is not None),
        next((flow for flow in flows if flow.client is not None), None),
    )
    if by_handshake is not None and by_handshake.client is not None:
        sides = _sides_beside_handshake(flows, known, served)
        # A SYN that nobody answered, into what was going on already, may come from the server.
        if by_handshake.lacks_answer:
            said = [answers_of(flow, known, served) for flow in flows]
            voted, _ = _combined(flows, said)
            if voted not in (None, sides):
                return _decision(sides, Rule.UNDIRECTED, said)
        # A SYN-ACK to no SYN that was recorded may be forged into what the client had begun before.
        if all(flow.lacks_question for flow in flows if flow.client is not None):
            said = [answers_of(flow, known, served) for flow in flows]
            strong = [[answer for answer in each if answer.rule.strong] for each in said]
            voted, rule = _combined(flows, strong)
            if voted not in (None, sides) and rule is not None:
                return _decision(voted, rule, said)
        return Decision(sides, Rule.HANDSHAKE)
    return _without_handshake(flows, known, served)


def _without_handshake(flows: list[Flow], known: Known, served: ServedPorts) -> Decision:
    said = [answers_of(flow, known, served) for flow in flows]
    voted, rule = _combined(flows, said)
    if rule is None and flows[0].protocol == UDP:
        guessed = [by_most_flows(flow, known) for flow in flows]
        voted, rule = _combined(flows, guessed)
        if rule is None and all(began_inside(flow, known) for flow in flows):
            guessed = [by_first_datagram(flow, known) for flow in flows]
            voted, rule = _combined(flows, guessed)
        said = [one + other for one, other in zip(said, guessed, strict=True)]
    if voted is None or rule is None:
        return _decision([first_sender(flow) for flow in flows], Rule.UNDIRECTED, said)
    return _decision(voted, rule, said)


def _decision(sides: list[int], rule: Rule, said: Sequence[Answers]) -> Decision:
    spoke = {
        Testimony(by, side == decided)
        for answers, decided in zip(said, sides, strict=True)
        for by, side, _ in answers
    }
    ordered = sorted(spoke, key=lambda one: (one.rule.precedence, not one.agrees))
    return Decision(sides, rule, tuple(ordered))


def _sides_beside_handshake(flows: Sequence[Flow], known: Known, served: ServedPorts) -> list[int]:
    """The client's side in each flow of a connection of which some show the handshake.

    Where NAT changed both ends, a flow shares none with those, and its own handshake may be lost:
    the conntrack entry that joined it tells, or its ports. Who sent first tells nothing there.
    """
    decided = {place: flow.client for place, flow in enumerate(flows) if flow.client is not None}
    _spread(flows, decided)
    for place, flow in enumerate(flows):
        if place in decided:
            continue
        by_entry = {answer.side for answer in by_conntrack(flow, known)}
        answers = answers_of(flow, known, served)
        by_rule = {answer.side for answer in _strongest(answers, answers) if answer.counts}
        told = next((said for said in (by_entry, by_rule) if len(said) == 1), None)
        decided[place] = min(told) if told else first_sender(flow)
        _spread(flows, decided)
    return [decided[place] for place in range(len(flows))]


def _combined(
    flows: Sequence[Flow], said: Sequence[Answers]
) -> tuple[list[int] | None, Rule | None]:
    """What rules say together: sides and the first rule that spoke.

    Where a strong rule spoke, the weak ones do not count. No rule where none spoke; a rule but no
    sides where two of them disagree.
    """
    counted = [[answer for answer in answers if answer.counts] for answers in said]
    if not any(counted):
        return None, None
    shared = _shared_endpoint(flows)
    together = [answer for answers in counted for answer in answers]
    counted = [_strongest(answers, answers if shared is None else together) for answers in counted]
    first = min(
        (answer.rule for answers in counted for answer in answers),
        key=lambda rule: rule.precedence,
    )
    if shared is None:
        return _chained(flows, [{answer.side for answer in each} for each in counted]), first
    places = [int(flow.endpoint(0) != shared) for flow in flows]
    is_client = {
        answer.side == place
        for answers, place in zip(counted, places, strict=True)
        for answer in answers
    }
    if len(is_client) > 1:
        return None, first
    return [place if True in is_client else 1 - place for place in places], first


def _chained(flows: Sequence[Flow], said: Sequence[set[int]]) -> list[int] | None:
    """The sides of flows that follow each other through NAT, which may tell them of each other."""
    if any(len(sides) > 1 for sides in said):
        return None
    decided = {place: min(sides) for place, sides in enumerate(said) if sides}
    _spread(flows, decided)
    return [decided[place] for place in range(len(flows))] if len(decided) == len(flows) else None


def _spread(flows: Sequence[Flow], decided: dict[int, int]) -> None:
    """Decide further flows by those that are: two that share an end have it on the same side."""
    for _ in flows:
        clients = {flows[place].endpoint(side) for place, side in decided.items()}
        servers = {flows[place].endpoint(1 - side) for place, side in decided.items()}
        for place, flow in enumerate(flows):
            for side in (0, 1):
                if flow.endpoint(side) in clients or flow.endpoint(1 - side) in servers:
                    decided.setdefault(place, side)


def _strongest(answers: Answers, among: Answers) -> Answers:
    """The strong rules' answers if there are any among some, else all."""
    if not any(answer.rule.strong for answer in among):
        return answers
    return [answer for answer in answers if answer.rule.strong]


def _shared_endpoint(flows: Sequence[Flow]) -> Endpoint | None:
    """The endpoint that all flows have: NAT to a Service leaves the client's as it is."""
    common = {flows[0].endpoint(0), flows[0].endpoint(1)}
    for flow in flows[1:]:
        common &= {flow.endpoint(0), flow.endpoint(1)}
    return min(common) if common else None
