"""The rules that tell the client from the server (S30 to S36): their order, and what each says.

All that is a rule's own is here: its name in `Rule`, which is its place, its words in `_TEXTS`, and
its function, in `SAYS` where nothing else is asked first. `direction` puts together what they say.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

from otterize_pcap.connections.evidence import Known
from otterize_pcap.connections.legs import UDP_GAP_NS, Flow
from otterize_pcap.connections.port_ranges import WELL_KNOWN
from otterize_pcap.packets.packet import CLIENT, SERVER
from otterize_pcap.table.rows import Endpoint


class Rule(StrEnum):
    """A rule of direction by the name it is printed with, in order of precedence.

    A handshake, conntrack, a flow log's own word and a declared port are *strong*: each says by
    itself who is the client. The other rules are *weak*: they infer it. `UNDIRECTED` says that none
    of them told.
    """

    HANDSHAKE = "S30"
    CONNTRACK = "S31"
    HUBBLE_REPLY = "hubble: is_reply"
    HUBBLE_FLAGS = "hubble: TCP flags"
    NETOBSERV_FLAGS = "netobserv: Flags"
    NETOBSERV_SERVICE = "netobserv: Service"
    DECLARED_PORT = "S32"
    ANSWERED_ELSEWHERE = "S33"
    PAYLOAD = "S34"
    PORT = "S35"
    FIRST_SENDER = "UDP"
    UNDIRECTED = "S36"

    @property
    def precedence(self) -> int:
        """The place in the order of rules: of several that agree, the lowest one is named."""
        return _PRECEDENCE[self]

    @property
    def strong(self) -> bool:
        """Whether it says by itself who is the client."""
        return self.precedence <= Rule.DECLARED_PORT.precedence

    @property
    def weak(self) -> bool:
        """Whether it infers who is the client from what is usual."""
        return Rule.DECLARED_PORT.precedence < self.precedence < Rule.UNDIRECTED.precedence

    @property
    def text(self) -> str:
        """What it goes by, as `explain` says it."""
        return _TEXTS[self]


_PRECEDENCE = {rule: place for place, rule in enumerate(Rule)}
_TEXTS = {
    Rule.HANDSHAKE: "the handshake: the client sent the SYN",
    Rule.CONNTRACK: "conntrack's original direction",
    Rule.HUBBLE_REPLY: "Cilium's connection table knows who began",
    Rule.HUBBLE_FLAGS: "the client sent the SYN, says the log",
    Rule.NETOBSERV_FLAGS: "who sent the SYN, and who the SYN-ACK, says the log",
    Rule.NETOBSERV_SERVICE: "the server's address is a Service's, says the log",
    Rule.DECLARED_PORT: "only the server's port is declared as served",
    Rule.ANSWERED_ELSEWHERE: "the server answered a handshake elsewhere in the capture",
    Rule.PAYLOAD: "what the payload says",
    Rule.PORT: "the server's port: not ephemeral, and well known or of several connections",
    Rule.FIRST_SENDER: "who sent the first datagram, of this flow or of most flows of an endpoint",
    Rule.UNDIRECTED: "no rule tells",
}


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


def _by_declared_port(flow: Flow, _known: Known, served: ServedPorts) -> int | None:
    """S32: the one port that the snapshot declares as served."""
    times = (flow.first_ns, flow.last_ns)
    return _only_server(
        *(served.serves(flow.endpoint(side), flow.protocol, *times) for side in (0, 1))
    )


def _by_answers_elsewhere(flow: Flow, known: Known, _served: ServedPorts) -> int | None:
    """S33: the one endpoint that answered a handshake anywhere in the capture."""
    return _only_server(*((flow.protocol, flow.endpoint(side)) in known.servers for side in (0, 1)))


def by_conntrack(flow: Flow, known: Known) -> Answers:
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


def _by_payload(flow: Flow, _known: Known, _served: ServedPorts) -> int | None:
    """S34: what the payloads of either side say, where they agree."""
    said: set[int] = set()
    for leg in flow.legs:
        for side in (0, 1):
            hints = leg.row.sides[side].hints
            if hints & CLIENT:
                said.add(side)
            if hints & SERVER:
                said.add(1 - side)
    return said.pop() if len(said) == 1 else None


def _by_port(flow: Flow, known: Known, _served: ServedPorts) -> int | None:
    """S35: the one port outside the ephemeral range, if well known or of several connections."""
    facts = [known.port(flow.endpoint(side)) for side in (0, 1)]
    client = _only_server(*(facts[side].is_fixed_beside(facts[1 - side]) for side in (0, 1)))
    if client is None:
        return None
    server = flow.endpoint(1 - client)
    if server[1] < WELL_KNOWN or (flow.protocol, server) in known.shared:
        return client
    return None


def by_most_flows(flow: Flow, known: Known) -> Answers:
    """The UDP rule's first half: what most flows of either endpoint say."""
    sides = set()
    for side in (0, 1):
        end = (flow.protocol, flow.endpoint(side))
        if end in known.mostly_clients:
            sides.add(side)
        if end in known.mostly_servers:
            sides.add(1 - side)
    return [_answer(flow, Rule.FIRST_SENDER, side, known) for side in sorted(sides)]


def by_first_datagram(flow: Flow, known: Known) -> Answers:
    """The UDP rule's second half: who sent first."""
    return [_answer(flow, Rule.FIRST_SENDER, first_sender(flow), known)]


def first_sender(flow: Flow) -> int:
    """The side that sent first in a flow."""
    first = min(flow.legs, key=lambda leg: (leg.first_ns, leg.file, leg.row.number))
    return first.row.first_sender


def began_inside(flow: Flow, known: Known) -> bool:
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


Say = Callable[[Flow, Known, ServedPorts], int | None]

SAYS: dict[Rule, Say] = {
    Rule.DECLARED_PORT: _by_declared_port,
    Rule.ANSWERED_ELSEWHERE: _by_answers_elsewhere,
    Rule.PAYLOAD: _by_payload,
    Rule.PORT: _by_port,
}
"""What a rule says of one flow by itself: the client's side, None where it says nothing."""


def answers_of(flow: Flow, known: Known, served: ServedPorts) -> Answers:
    """What S31 to S35 say of a flow, each where it says anything."""
    said = ((rule, say(flow, known, served)) for rule, say in SAYS.items())
    return [
        *by_conntrack(flow, known),
        *(_answer(flow, rule, side, known) for rule, side in said if side is not None),
    ]
