"""Who is the client: S30 to S36, each a function of one flow, and how their answers combine."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from otterize_pcap.connections.evidence import Known
from otterize_pcap.connections.legs import UDP_GAP_NS, Flow
from otterize_pcap.connections.port_ranges import WELL_KNOWN
from otterize_pcap.connections.rule import Rule
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Endpoint


class ServedPorts(Protocol):
    """What direction asks of a snapshot (S32)."""

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether a pod declared that port, or a Service listened there, at that time."""
        ...


class Answer(NamedTuple):
    """The client's side of one flow, by one rule; what is not plausible does not count."""

    rule: Rule
    side: int
    counts: bool = True


Answers = list[Answer]


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
            said = [_answers(flow, known, served) for flow in flows]
            voted, _ = _combined(flows, said)
            if voted not in (None, sides):
                return _decision(sides, Rule.UNDIRECTED, said)
        return Decision(sides, Rule.HANDSHAKE)
    return _without_handshake(flows, known, served)


def _without_handshake(flows: list[Flow], known: Known, served: ServedPorts) -> Decision:
    said = [_answers(flow, known, served) for flow in flows]
    voted, rule = _combined(flows, said)
    if rule is None and flows[0].protocol == UDP:
        guessed = [_by_most_flows(flow, known) for flow in flows]
        voted, rule = _combined(flows, guessed)
        if rule is None and all(_began_inside(flow, known) for flow in flows):
            guessed = [_by_first_datagram(flow, known) for flow in flows]
            voted, rule = _combined(flows, guessed)
        said = [one + other for one, other in zip(said, guessed, strict=True)]
    if voted is None or rule is None:
        return _decision([_first_sender(flow) for flow in flows], Rule.UNDIRECTED, said)
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
        by_entry = {answer.side for answer in _by_conntrack(flow, known)}
        answers = _answers(flow, known, served)
        by_rule = {answer.side for answer in _strongest(answers, answers) if answer.counts}
        told = next((said for said in (by_entry, by_rule) if len(said) == 1), None)
        decided[place] = min(told) if told else _first_sender(flow)
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


def _answers(flow: Flow, known: Known, served: ServedPorts) -> Answers:
    """What S31 to S35 say of a flow, each where it says anything."""
    times = (flow.first_ns, flow.last_ns)
    protocol = flow.protocol
    ends = (flow.endpoint(0), flow.endpoint(1))
    said = (
        (
            Rule.DECLARED_PORT,
            _only_server(*(served.serves(end, protocol, *times) for end in ends)),
        ),
        (
            Rule.ANSWERED_ELSEWHERE,
            _only_server(*((protocol, end) in known.servers for end in ends)),
        ),
        (Rule.PAYLOAD, _by_payload(flow)),
        (Rule.PORT, _by_port(flow, known)),
    )
    return [
        *_by_conntrack(flow, known),
        *(_answer(flow, rule, side, known) for rule, side in said if side is not None),
    ]


def _answer(flow: Flow, rule: Rule, client: int, known: Known) -> Answer:
    counts = rule is Rule.DECLARED_PORT or not _is_backwards(flow, client, known)
    return Answer(rule, client, counts)


def _is_backwards(flow: Flow, client: int, known: Known) -> bool:
    """Whether the server's port would be ephemeral and the client's not.

    Only a handshake or a declared port may say so: conntrack takes connections up in the middle
    (nf_conntrack_tcp_loose), and requests travel down reverse tunnels.
    """
    return known.are_usual(flow.endpoint(1 - client), flow.endpoint(client))


def _only_server(low: bool, high: bool) -> int | None:
    """The client's side where exactly one side is a server."""
    return int(low) if low != high else None


def _by_conntrack(flow: Flow, known: Known) -> Answers:
    """S31: the original direction of an entry that knows how the flow began.

    One that began within the capture may have been made by a flow that was there already: a TCP
    connection taken up in the middle, an expired UDP entry made anew. It counts where its ports
    are as a client's and a server's are.
    """
    said = {0: False, 1: False}
    originals = known.originals.get(flow.tuple5, frozenset())
    sides = {0 if flow.endpoint(0) == original[0] else 1 for original in originals}
    for client, began_within, *before in originals:
        side = 0 if flow.endpoint(0) == client else 1
        after = flow.endpoint(side), flow.endpoint(1 - side)
        said[side] |= not _is_backwards(flow, side, known) and (
            not began_within or known.are_usual(*before) or known.are_usual(*after)
        )
    # Entries that count for either side tell nothing.
    torn = said[0] and said[1]
    return [Answer(Rule.CONNTRACK, side, said[side] and not torn) for side in sorted(sides)]


def _by_payload(flow: Flow) -> int | None:
    said: set[int] = set()
    for leg in flow.legs:
        for side in (0, 1):
            hints = leg.row.sides[side].hints
            if hints & 1:
                said.add(side)
            if hints & 2:
                said.add(1 - side)
    return said.pop() if len(said) == 1 else None


def _by_port(flow: Flow, known: Known) -> int | None:
    """S35: the one port outside the ephemeral range, if well known or of several connections."""
    facts = [known.port(flow.endpoint(side)) for side in (0, 1)]
    client = _only_server(*(facts[side].is_fixed_beside(facts[1 - side]) for side in (0, 1)))
    if client is None:
        return None
    server = flow.endpoint(1 - client)
    if server[1] < WELL_KNOWN or (flow.protocol, server) in known.shared:
        return client
    return None


def _by_most_flows(flow: Flow, known: Known) -> Answers:
    """The UDP rule's first half: what most flows of either endpoint say."""
    sides = set()
    for side in (0, 1):
        end = (flow.protocol, flow.endpoint(side))
        if end in known.mostly_clients:
            sides.add(side)
        if end in known.mostly_servers:
            sides.add(1 - side)
    return [_answer(flow, Rule.FIRST_SENDER, side, known) for side in sorted(sides)]


def _by_first_datagram(flow: Flow, known: Known) -> Answers:
    """The UDP rule's second half: who sent first."""
    return [_answer(flow, Rule.FIRST_SENDER, _first_sender(flow), known)]


def _first_sender(flow: Flow) -> int:
    first = min(flow.legs, key=lambda leg: (leg.first_ns, leg.file, leg.row.number))
    return first.row.first_sender


def _began_inside(flow: Flow, known: Known) -> bool:
    """Whether it was answered, its 5-tuple is new, and no file that shows it was just begun."""
    replied = all(any(leg.row.sides[side].packets for leg in flow.legs) for side in (0, 1))
    return (
        replied
        and known.began.get(flow.tuple5, flow.first_ns) >= flow.first_ns
        and all(
            leg.recording.first_ns is not None
            and leg.row.first_ns >= leg.recording.first_ns + UDP_GAP_NS
            for leg in flow.legs
        )
    )
