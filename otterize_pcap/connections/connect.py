"""Flows → connections: one value for each connection, with its endpoints, rule and outcome."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_flows import Flows, entry_flow
from otterize_pcap.connections.direction import Known, ServedPorts, decide, survey
from otterize_pcap.connections.join import Services, join_flows
from otterize_pcap.connections.legs import Flow, Leg, Recording, collect_flows, leg_order
from otterize_pcap.connections.outcome import outcome_of
from otterize_pcap.table.rows import Endpoint


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection, all its recordings joined (S20).

    `clients` and `servers` are its endpoints (address, port) from where it began to where it
    ended: NAT adds one for each rewriting. `rule` decided the direction (S30 to S36), `joined_by`
    are the parts of S20 that joined its flows. `packets` and `bytes` are (to the server, to the
    client) of the fullest leg. Times are ns with clock offsets removed. `legs` are in order of
    time; the first one's file and packet number show where it began.
    """

    protocol: int
    clients: tuple[Endpoint, ...]
    servers: tuple[Endpoint, ...]
    rule: str
    outcome: str
    first_ns: int
    last_ns: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    syns: int
    legs: tuple[Leg, ...]
    joined_by: tuple[str, ...] = ()


class CapturedServices(Services, ServedPorts, Protocol):
    """What joining and direction ask of a snapshot."""


def connect(
    recordings: Sequence[Recording],
    services: CapturedServices,
    dumps: Sequence[Dump],
    offsets: Mapping[str, int],
    surveyed: Callable[[Collection[Flow], Sequence[Dump]], Known] = survey,
) -> list[Connection]:
    """Join the rows of one capture's files into its connections.

    Args:
        recordings: The rows, by node.
        services: What the snapshot says of Services and ports.
        dumps: Conntrack dumps of the nodes.
        offsets: Clock offsets by node, in ns (`clocks.measure_offsets`).
        surveyed: Tells what the whole capture says, where the rows are only a part of it.

    Returns:
        The connections, in an order that no order of files changes.
    """
    flows = collect_flows(recordings, offsets)
    known = surveyed([flow for found in flows.values() for flow in found], dumps)
    assured = _assured(flows, dumps, offsets)
    groups = join_flows(flows, services, dumps, offsets)
    connections = [_connection(group, known, services, assured) for group in groups]
    connections.sort(key=lambda found: (*leg_order(found.legs[0]), found.clients, found.servers))
    return connections


def _assured(flows: Flows, dumps: Iterable[Dump], offsets: Mapping[str, int]) -> set[int]:
    """The flows, by id, that conntrack called ASSURED."""
    found: set[int] = set()
    for dump in dumps:
        offset = offsets.get(dump.node, 0)
        for entry in dump.entries:
            if not entry.assured:
                continue
            for one, other in ((entry.client, entry.target), (entry.reply_to, entry.server)):
                flow = entry_flow(flows, entry, dump, offset, one, other)
                if flow is not None:
                    found.add(id(flow))
    return found


def _connection(
    flows: list[Flow], known: Known, served: ServedPorts, assured: set[int]
) -> Connection:
    sides, rule = decide(flows, known, served)
    legs = sorted((leg for flow in flows for leg in flow.legs), key=leg_order)
    packets, sizes = _fullest(flows, sides)
    outcome = outcome_of(flows, sides, assured=any(id(flow) in assured for flow in flows))
    return Connection(
        protocol=flows[0].protocol,
        clients=_distinct(flow.endpoint(side) for flow, side in zip(flows, sides, strict=True)),
        servers=_distinct(flow.endpoint(1 - side) for flow, side in zip(flows, sides, strict=True)),
        rule=rule,
        outcome=outcome,
        first_ns=legs[0].first_ns,
        last_ns=max(flow.last_ns for flow in flows),
        packets=packets,
        bytes=sizes,
        syns=max(
            leg.row.sides[side].syns
            for flow, side in zip(flows, sides, strict=True)
            for leg in flow.legs
        ),
        legs=tuple(legs),
        joined_by=tuple(sorted({flow.rule for flow in flows if flow.rule is not None})),
    )


def _distinct(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(dict.fromkeys(endpoints))


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
