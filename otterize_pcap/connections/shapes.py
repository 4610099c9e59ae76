"""Shapes: what rules ask of a few flows that could be one connection, as canonical bytes.

A shape holds facts alone. Addresses are ranks, ports places within their class, times only what
rules compare; sums are left out. A cluster has some hundreds of shapes, whatever the number of its
connections. `flows_of` makes flows again out of nothing but the bytes: a rule that asks for what a
shape lacks is wrong at its first example, and not only on a capture that nobody tests with.

Layout, a byte a field:

    header     protocol, ends, flows, sightings
    an end     rank of its address, whether its port is 1024 or above, place of its port among those
               of the same address and class, EndFact, PortFacts
    leads      their number, then (end, end that a Service leads to from there) each
    a flow     low end, high end, FlowFact | client's side (2: none) | first sender + 1 << 4
               (0: conntrack alone knows it), in the order in which they began,
               tokens of client ISN, server ISN and TCP timestamp (0: none), then for each side
               SideFact, acknowledged server ISNs, stream (flows with equal ones at an end overlap)
    a sighting ends of client, target, server and reply_to, SightingFact
    gaps       for each two flows whether the one began too late for the other; left out where none
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import pairwise

from otterize_pcap.connections.conntrack_flows import DUMP_SLACK_NS, MANY, Flows, patience_of
from otterize_pcap.connections.evidence import Known, conntrack_originals
from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Flow, Leg, Recording
from otterize_pcap.connections.port_ranges import USUAL, WELL_KNOWN, decoded
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.packets.protocols import FIN, RST
from otterize_pcap.table.rows import Endpoint, Row, Side

PORT_CLASSES = (0, WELL_KNOWN)
"""Where each class of ports begins."""
START_NS = 1_000_000 * UDP_GAP_NS
SERVER_ISNS = (0, 1 << 30)
STREAM_APART = 1 << 24
# An acknowledgement of just these server ISNs, by their bits (RFC 9293 3.4, modulo 2**32).
ACKNOWLEDGEMENTS = (0, 1, (1 << 31) + 1, (1 << 30) + 1)


class EndFact(IntFlag):
    """What is known of an endpoint at the time."""

    SERVED = 1
    ANSWERED = 2
    SHARED = 4
    HELD = 8
    MOSTLY_CLIENT = 16
    MOSTLY_SERVER = 32


class FlowFact(IntFlag):
    """What is known of a flow beside its endpoints; the lower two bits are the client's side.

    `SETTLED` says of UDP that its 5-tuple is new, and that no recording had just begun.

    `BEGAN_WITH_LAST` says that it began in the same ns as the flow before it. That is told only
    where there are sightings: what conntrack adds begins with the flow that it was recorded by.
    """

    SETTLED = 4
    CROWDED = 8
    BEGAN_WITH_LAST = 64


class SideFact(IntFlag):
    """What one side of a flow sent, all its legs taken together.

    Two bits of hints are between `UNREACHABLE` and `WENT_ON`, which is data or FIN.
    """

    PACKETS = 1
    ACKNOWLEDGED = 2
    RESET = 4
    SYN_ACK = 8
    UNREACHABLE = 16
    WENT_ON = 128


HINT_SHIFT = 5
HINTS = 3
SENDER = 3 << 4


class SightingFact(IntFlag):
    """What an entry says, and whether it is too early or late to be of its 5-tuples' flows."""

    ASSURED = 1
    BEFORE_IS_EARLY = 2
    BEFORE_IS_LATE = 4
    AFTER_IS_EARLY = 8
    AFTER_IS_LATE = 16
    BEGAN_WITHIN = 32


# Too late is only what tells of the last packet; whether one does that is told no other way.
IS_LATE = SightingFact.BEFORE_IS_LATE | SightingFact.AFTER_IS_LATE


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that rules compare by, for whoever writes shapes."""

    slack_ns: int = SLACK_NS
    datagram_gap_ns: int = UDP_GAP_NS
    dump_slack_ns: int = DUMP_SLACK_NS
    many: int = MANY
    well_known: int = WELL_KNOWN
    usual_ports: range = USUAL


LIMITS = Limits()


End = tuple[int, int, int, int, int]
"""See the layout."""


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """One flow of a shape; see the layout."""

    low: int
    high: int
    facts: int
    tokens: tuple[int, int, int]
    sides: tuple[tuple[int, int, int], tuple[int, int, int]]

    @property
    def has_legs(self) -> bool:
        """Whether it was recorded or is conntrack's alone."""
        return bool(self.facts & SENDER)

    @property
    def first_sender(self) -> int:
        """The side that sent the first packet of one that was recorded."""
        return ((self.facts & SENDER) >> 4) - 1


@dataclass(frozen=True, slots=True)
class ShapeFacts:
    """The facts of a shape; it also answers for the snapshot, of which it holds the answers."""

    protocol: int
    ends: tuple[End, ...]
    leads: tuple[tuple[int, int], ...]
    flows: tuple[FlowFacts, ...]
    sightings: tuple[tuple[int, int, int, int, int], ...]
    gaps: tuple[tuple[bool, ...], ...]
    led: Mapping[Endpoint, frozenset[Endpoint]] = field(default_factory=dict)
    served: frozenset[Endpoint] = frozenset()
    held: frozenset[bytes] = frozenset()

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """The endpoints that a Service leads to, which is so all the time."""
        del protocol, first_ns, last_ns
        return self.led.get(endpoint, frozenset())

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether a port is declared, which is so all the time."""
        del protocol, first_ns, last_ns
        return endpoint in self.served

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """Whether a pod held an address, which is so all the time."""
        del first_ns, last_ns
        return address in self.held


def endpoint_of(end: End) -> Endpoint:
    """An endpoint that sorts among those of its shape as the one that was recorded did."""
    rank, port_class, place, *_ = end
    return (rank + 1).to_bytes(16), PORT_CLASSES[port_class] + place


def read_shape(shape: bytes) -> ShapeFacts:
    """The facts of a shape's bytes."""
    protocol, ends, flows, sightings = shape[:4]
    at = iter(shape[4:])
    found_ends = tuple(_read_end(at) for _ in range(ends))
    leads = tuple(_take(at, 2) for _ in range(next(at)))
    found_flows = tuple(_read_flow(at) for _ in range(flows))
    found_sightings = tuple(_take(at, 5) for _ in range(sightings))
    rest = tuple(map(bool, at)) or (False,) * flows**2
    endpoints = tuple(map(endpoint_of, found_ends))
    led: dict[Endpoint, set[Endpoint]] = {}
    for one, other in leads:
        led.setdefault(endpoints[one], set()).add(endpoints[other])
    return ShapeFacts(
        protocol=protocol,
        ends=found_ends,
        leads=leads,  # type: ignore[arg-type]
        flows=found_flows,
        sightings=found_sightings,  # type: ignore[arg-type]
        gaps=tuple(rest[flows * one : flows * one + flows] for one in range(flows)),
        led={endpoint: frozenset(others) for endpoint, others in led.items()},
        served=_having(found_ends, EndFact.SERVED),
        held=frozenset(address for address, _ in _having(found_ends, EndFact.HELD)),
    )


def _take(at: Iterator[int], count: int) -> tuple[int, ...]:
    return tuple(next(at) for _ in range(count))


def _read_end(at: Iterator[int]) -> End:
    rank, port_class, place, facts, ports = _take(at, 5)
    return rank, port_class, place, facts, ports


def _read_flow(at: Iterator[int]) -> FlowFacts:
    low, high, facts, *tokens = _take(at, 6)
    one, other = _take(at, 3), _take(at, 3)
    return FlowFacts(low, high, facts, tuple(tokens), (one, other))  # type: ignore[arg-type]


def _having(ends: Iterable[End], fact: EndFact) -> frozenset[Endpoint]:
    return frozenset(endpoint_of(end) for end in ends if end[3] & fact)


def known_of(facts: ShapeFacts, sightings: Iterable[Sighting]) -> Known:
    """What the whole capture says of a shape's endpoints."""

    def having(fact: EndFact) -> frozenset[tuple[int, Endpoint]]:
        return frozenset((facts.protocol, end) for end in _having(facts.ends, fact))

    return Known(
        servers=having(EndFact.ANSWERED),
        originals=conntrack_originals(sightings),
        shared=having(EndFact.SHARED),
        mostly_clients=having(EndFact.MOSTLY_CLIENT),
        mostly_servers=having(EndFact.MOSTLY_SERVER),
        ports={endpoint_of(end): decoded(end[4]) for end in facts.ends},
        crowded=frozenset(
            (facts.protocol, flow.tokens[0])
            for flow in facts.flows
            if flow.facts & FlowFact.CROWDED
        ),
    )


def flows_of(facts: ShapeFacts) -> tuple[list[Flow], list[Sighting]]:
    """The flows of a shape that were recorded, in its order, and its conntrack entries."""
    times = _times(facts)
    endpoints = tuple(map(endpoint_of, facts.ends))
    flows = [
        _flow(facts, place, endpoints, times)
        for place, flow in enumerate(facts.flows)
        if flow.has_legs
    ]
    sightings = [
        Sighting(
            facts.protocol,
            endpoints[client],
            endpoints[target],
            endpoints[server],
            endpoints[reply_to],
            times["sighting", place],
            bool(said & IS_LATE),
            bool(said & SightingFact.ASSURED),
            bool(said & SightingFact.BEGAN_WITHIN),
        )
        for place, (client, target, server, reply_to, said) in enumerate(facts.sightings)
    ]
    return flows, sightings


def by_tuple(flows: Iterable[Flow]) -> Flows:
    """Flows by their 5-tuple, as rules take them."""
    found: Flows = {}
    for flow in flows:
        found.setdefault(flow.tuple5, []).append(flow)
    return found


def _flow(facts: ShapeFacts, place: int, endpoints: tuple[Endpoint, ...], times: "Times") -> Flow:
    flow = facts.flows[place]
    first_ns, last_ns = times["first", place], times["last", place]
    client = flow.facts & 3
    client_isn, server_isn, timestamp = flow.tokens
    row = Row(
        protocol=facts.protocol,
        tunnels=(),
        interface=0,
        low=endpoints[flow.low],
        high=endpoints[flow.high],
        number=place + 1,
        first_sender=flow.first_sender,
        first_ns=first_ns,
        last_ns=last_ns,
        client=None if client > 1 else client,
        client_isn=client_isn or None,
        server_isn=SERVER_ISNS[server_isn - 1] if server_isn else None,
        sides=(
            _side(flow.sides[0], timestamp if client == 0 else 0),
            _side(flow.sides[1], timestamp if client == 1 else 0),
        ),
    )
    began = first_ns - UDP_GAP_NS + (not flow.facts & FlowFact.SETTLED)
    return Flow(Leg(Recording(("",), "", (), began), row, first_ns, last_ns))


def _side(side: tuple[int, int, int], timestamp: int) -> Side:
    said, acknowledged, stream = side
    sequence = stream * STREAM_APART if stream else None
    return Side(
        packets=int(bool(said & SideFact.PACKETS)),
        bytes=0,
        flags=(RST if said & SideFact.RESET else 0) | (FIN if said & SideFact.WENT_ON else 0),
        syn_acks=int(bool(said & SideFact.SYN_ACK)),
        ack_first=ACKNOWLEDGEMENTS[acknowledged] if said & SideFact.ACKNOWLEDGED else None,
        seq_first=sequence,
        seq_last=sequence,
        timestamp=timestamp or None,
        hints=said >> HINT_SHIFT & HINTS,
        unreachable=int(bool(said & SideFact.UNREACHABLE)),
    )


Times = dict[tuple[str, int], int]
Bound = tuple[tuple[str, int], tuple[str, int], int]
"""(later, earlier, by at least so many ns)."""


def _times(facts: ShapeFacts) -> Times:
    """Times that compare as those recorded did: the earliest that keep every bound."""
    times: Times = {("sighting", place): START_NS for place in range(len(facts.sightings))}
    for place, flow in enumerate(facts.flows):
        if flow.has_legs:
            times["first", place] = times["last", place] = START_NS
    bounds = [*_flow_bounds(facts), *_sighting_bounds(facts)]
    # Bellman-Ford: each round settles at least one more time.
    for _ in range(len(times) + 1):
        settled = True
        for later, earlier, least in bounds:
            if times[later] < times[earlier] + least:
                times[later] = times[earlier] + least
                settled = False
        if settled:
            break
    return times


def _flow_bounds(facts: ShapeFacts) -> Iterator[Bound]:
    recorded = [place for place, flow in enumerate(facts.flows) if flow.has_legs]
    patience = patience_of(facts.protocol)
    for one, other in pairwise(recorded):
        together = bool(facts.flows[other].facts & FlowFact.BEGAN_WITH_LAST)
        yield ("first", other), ("first", one), int(not together)
        if together:
            yield ("first", one), ("first", other), 0
    for one in recorded:
        yield ("last", one), ("first", one), 0
        for other in recorded:
            if facts.gaps[one][other]:
                yield ("first", one), ("last", other), patience + 1
            else:
                yield ("last", other), ("first", one), -patience


def _sighting_bounds(facts: ShapeFacts) -> Iterator[Bound]:
    patience = patience_of(facts.protocol) + DUMP_SLACK_NS
    places = {
        frozenset((flow.low, flow.high)): place
        for place, flow in enumerate(facts.flows)
        if flow.has_legs
    }
    for number, (client, target, server, reply_to, said) in enumerate(facts.sightings):
        seen = ("sighting", number)
        for ends, early, late in (
            ((client, target), SightingFact.BEFORE_IS_EARLY, SightingFact.BEFORE_IS_LATE),
            ((reply_to, server), SightingFact.AFTER_IS_EARLY, SightingFact.AFTER_IS_LATE),
        ):
            place = places.get(frozenset(ends))
            if place is None:
                continue
            if said & early:
                yield ("first", place), seen, DUMP_SLACK_NS + 1
            else:
                yield seen, ("first", place), -DUMP_SLACK_NS
            if said & late:
                yield seen, ("last", place), patience + 1
            elif said & IS_LATE:
                yield ("last", place), seen, -patience
