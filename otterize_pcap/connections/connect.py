"""Flows → connections: one value for each connection, with its endpoints, rule and outcome."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from otterize_pcap.connections.conntrack_flows import Flows, sighted_flow
from otterize_pcap.connections.direction import Testimony, decide
from otterize_pcap.connections.evidence import Known
from otterize_pcap.connections.facts import Span
from otterize_pcap.connections.join import Services, join_flows
from otterize_pcap.connections.legs import (
    Flow,
    Leg,
    Recording,
    collect_flows,
    leg_order,
    spans_sent,
)
from otterize_pcap.connections.outcome import outcome_of
from otterize_pcap.connections.rule import Rule, ServedPorts
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.table.rows import Endpoint


class Connection(Struct, frozen=True):
    """One connection, all its recordings joined (S20).

    `clients` and `servers` are its endpoints (address, port) from where it began to where it
    ended: NAT adds one for each rewriting. `rule` decided the direction (S30 to S36), `testimony`
    are all the rules that spoke where no handshake did, and whether for that direction. `joined_by`
    are the parts of S20 that joined its flows. `packets` and `bytes` are (to the server, to the
    client) of the fullest leg. Times are ns with clock offsets removed; `client_sent` and
    `server_sent` are the spans in which each side sent (S12). `legs` are in order of time; the
    first one's file and packet number show where it began.
    """

    protocol: int
    clients: tuple[Endpoint, ...]
    servers: tuple[Endpoint, ...]
    rule: Rule
    outcome: str
    first_ns: int
    last_ns: int
    client_sent: Span
    server_sent: Span
    packets: tuple[int, int]
    bytes: tuple[int, int]
    syns: int
    legs: tuple[Leg, ...]
    joined_by: tuple[str, ...] = ()
    testimony: tuple[Testimony, ...] = ()


class CapturedServices(Services, ServedPorts, Protocol):
    """What joining and direction ask of a snapshot."""


class Judgement(Struct, frozen=True):
    """What the rules say of the flows of one connection: the client's side in each, and why."""

    flows: tuple[Flow, ...]
    sides: tuple[int, ...]
    rule: Rule
    outcome: str
    joined_by: tuple[str, ...]
    testimony: tuple[Testimony, ...]

    @property
    def clients(self) -> tuple[Endpoint, ...]:
        """The clients' endpoints from where it began to where it ended."""
        return self._ends(0)

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """The servers' endpoints from where it began to where it ended."""
        return self._ends(1)

    def _ends(self, turned: int) -> tuple[Endpoint, ...]:
        return tuple(
            dict.fromkeys(
                flow.endpoint(side ^ turned)
                for flow, side in zip(self.flows, self.sides, strict=True)
            )
        )


def judge(
    flows: Flows, services: CapturedServices, sightings: Sequence[Sighting], known: Known
) -> list[Judgement]:
    """Join flows into connections, and say who called in each and what came of it.

    Args:
        flows: All that could be of one connection with each other; `join` adds to them.
        services: What the snapshot says of Services and ports.
        sightings: Conntrack's entries.
        known: What the whole capture says.
    """
    assured = _assured(flows, sightings)
    found = []
    for group in join_flows(flows, services, sightings, known.crowded):
        sides, rule, testimony = decide(group, known, services)
        found.append(
            Judgement(
                flows=tuple(group),
                sides=tuple(sides),
                rule=rule,
                outcome=outcome_of(
                    group, sides, assured=any(id(flow) in assured for flow in group)
                ),
                joined_by=tuple(sorted({flow.rule for flow in group if flow.rule is not None})),
                testimony=testimony,
            )
        )
    return found


def connect(
    recordings: Sequence[Recording],
    services: CapturedServices,
    sightings: Sequence[Sighting],
    offsets: Mapping[str, int],
    surveyed: Callable[[Collection[Flow], Sequence[Sighting]], Known],
) -> list[Connection]:
    """Join the rows of one capture's files into its connections, looking at each row.

    Args:
        recordings: The rows, by node.
        services: What the snapshot says of Services and ports.
        sightings: Conntrack's entries (`sightings.sightings_of`).
        offsets: Clock offsets by node, in ns (`clocks.measure_offsets`).
        surveyed: Tells what the whole capture says of some flows' endpoints.

    Returns:
        The connections, in an order that no order of files changes.
    """
    flows = collect_flows(recordings, offsets)
    known = surveyed([flow for found in flows.values() for flow in found], sightings)
    connections = list(map(_connection, judge(flows, services, sightings, known)))
    connections.sort(key=lambda found: (*leg_order(found.legs[0]), found.clients, found.servers))
    return connections


def _assured(flows: Flows, sightings: Iterable[Sighting]) -> set[int]:
    """The flows, by id, that conntrack called ASSURED."""
    found: set[int] = set()
    for entry in sightings:
        if not entry.assured:
            continue
        for one, other in ((entry.client, entry.target), (entry.reply_to, entry.server)):
            flow = sighted_flow(flows, entry, one, other)
            if flow is not None:
                found.add(id(flow))
    return found


def _connection(judged: Judgement) -> Connection:
    flows, sides = judged.flows, judged.sides
    sided = sorted(
        ((leg, side) for flow, side in zip(flows, sides, strict=True) for leg in flow.legs),
        key=lambda entry: leg_order(entry[0]),
    )
    legs = [leg for leg, _ in sided]
    client_sent, server_sent = spans_sent(legs, [side for _, side in sided])
    packets, sizes = _fullest(flows, sides)
    return Connection(
        protocol=flows[0].protocol,
        clients=judged.clients,
        servers=judged.servers,
        rule=judged.rule,
        outcome=judged.outcome,
        first_ns=legs[0].first_ns,
        last_ns=max(flow.last_ns for flow in flows),
        client_sent=client_sent,
        server_sent=server_sent,
        packets=packets,
        bytes=sizes,
        syns=max(
            leg.row.sides[side].syns
            for flow, side in zip(flows, sides, strict=True)
            for leg in flow.legs
        ),
        legs=tuple(legs),
        joined_by=judged.joined_by,
        testimony=judged.testimony,
    )


def _fullest(
    flows: Sequence[Flow], sides: Sequence[int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Counts of the recording that saw most, never a sum over recordings (S21)."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for flow, client in zip(flows, sides, strict=True):
        for leg in flow.legs:
            row = leg.row
            where = (
                leg.recording.node,
                leg.recording.files,
                row.interface,
                row.tunnels,
                row.low,
                row.high,
            )
            counts = sums.setdefault(where, [0, 0, 0, 0])
            sent, answered = row.sides[client], row.sides[1 - client]
            for index, more in enumerate(
                (sent.packets, answered.packets, sent.bytes, answered.bytes)
            ):
                counts[index] += more
    # Of recordings that saw as much, the one that saw more on its way to the server: which one
    # counts must not depend on their order.
    best = max(
        sums.values(),
        key=lambda counts: (counts[0] + counts[1], counts[2] + counts[3], counts[0], counts[2]),
    )
    return (best[0], best[1]), (best[2], best[3])
