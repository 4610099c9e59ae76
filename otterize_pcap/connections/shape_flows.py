"""Shapes → flows: made again from nothing but the bytes, so that rules run on them as on any."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from otterize_pcap.connections.conntrack_flows import DUMP_SLACK_NS, Flows, patience_of
from otterize_pcap.connections.evidence import Known, conntrack_originals
from otterize_pcap.connections.legs import UDP_GAP_NS, Flow, Leg, Recording
from otterize_pcap.connections.port_ranges import decoded
from otterize_pcap.connections.shapes import (
    HINT_SHIFT,
    HINTS,
    IS_LATE,
    EndFact,
    FlowFact,
    ShapeFacts,
    SideFact,
    SightingFact,
    endpoint_of,
    ends_having,
)
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.packets.protocols import FIN, RST
from otterize_pcap.table.rows import Endpoint, Row, Side

START_NS = 1_000_000 * UDP_GAP_NS
SERVER_ISNS = (0, 1 << 30)
STREAM_APART = 1 << 24
# An acknowledgement of just these server ISNs, by their bits (RFC 9293 3.4, modulo 2**32).
ACKNOWLEDGEMENTS = (0, 1, (1 << 31) + 1, (1 << 30) + 1)


def known_of(facts: ShapeFacts, sightings: Iterable[Sighting]) -> Known:
    """What the whole capture says of a shape's endpoints."""

    def having(fact: EndFact) -> frozenset[tuple[int, Endpoint]]:
        return frozenset((facts.protocol, end) for end in ends_having(facts.ends, fact))

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
    asked = not flow.facts & FlowFact.LACKS_QUESTION
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
            _side(flow.sides[0], timestamp if client == 0 else 0, client == 0 and asked),
            _side(flow.sides[1], timestamp if client == 1 else 0, client == 1 and asked),
        ),
    )
    began = first_ns - UDP_GAP_NS + (not flow.facts & FlowFact.SETTLED)
    return Flow(Leg(Recording(("",), "", (), began), row, first_ns, last_ns))


def _side(side: tuple[int, int, int], timestamp: int, asked: bool) -> Side:
    said, acknowledged, stream = side
    sequence = stream * STREAM_APART if stream else None
    return Side(
        packets=int(bool(said & SideFact.PACKETS)),
        bytes=0,
        flags=(RST if said & SideFact.RESET else 0) | (FIN if said & SideFact.WENT_ON else 0),
        syns=int(asked),
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
