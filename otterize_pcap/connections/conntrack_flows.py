"""Conntrack entries → the flows that they are of (S20a, S40).

An entry belongs to a flow between its endpoints that was there when the entry's last packet
passed. Where only one side of NAT was recorded, the entry tells the other.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Flow, Leg, Tuple5
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Endpoint, Row

MANY = 16
# Dumps tell seconds only, and another second passes while they are taken.
DUMP_SLACK_NS = 2 * SLACK_NS

Flows = dict[Tuple5, list[Flow]]


def tuple5(protocol: int, one: Endpoint, other: Endpoint) -> Tuple5:
    """The direction-free key of two endpoints."""
    return (protocol, one, other) if one <= other else (protocol, other, one)


def tells_client(sighting: Sighting) -> bool:
    """Whether the client's address is known from before NAT only."""
    return sighting.client != sighting.reply_to


def sighted_flow(flows: Flows, sighting: Sighting, one: Endpoint, other: Endpoint) -> Flow | None:
    """The flow between two of an entry's endpoints that the entry is of, if it was recorded.

    Endpoints are used again: the flow must have been there when the entry's last packet passed,
    or at the dump where that time is not known.
    """
    time_ns = sighting.time_ns
    flow = _nearest(flows, sighting.protocol, one, other, time_ns)
    if flow is None or flow.first_ns > time_ns + DUMP_SLACK_NS:
        return None
    patience = patience_of(sighting.protocol)
    if sighting.tells_last and flow.last_ns < time_ns - patience - DUMP_SLACK_NS:
        return None
    return flow


def _nearest(
    flows: Flows, protocol: int, one: Endpoint, other: Endpoint, time_ns: int
) -> Flow | None:
    """The flow between two endpoints that was nearest to a time, None where there is none.

    Of several the one that began last. Only the few that began last before it are looked at.
    """
    found = flows.get(tuple5(protocol, one, other))
    if not found:
        return None
    place = bisect_right(found, time_ns, key=lambda flow: flow.first_ns)
    return min(
        reversed(found[max(0, place - MANY) : place + 1]),
        key=lambda flow: max(flow.first_ns - time_ns, time_ns - flow.last_ns, 0),
    )


def add_unrecorded(flows: Flows, known: Flow, client: Endpoint, server: Endpoint) -> Flow | None:
    """A flow without packets for the other side of NAT, at the time of the side recorded."""
    key = tuple5(known.protocol, client, server)
    if key in flows:
        return None
    leg = min(known.legs, key=lambda leg: (leg.first_ns, leg.file, leg.row.number))
    row = Row(
        protocol=known.protocol,
        tunnels=(),
        interface=0,
        low=key[1],
        high=key[2],
        number=leg.row.number,
        first_sender=int(client != key[1]),
        first_ns=leg.row.first_ns,
        last_ns=leg.row.last_ns,
        part=leg.row.part,
    )
    flow = Flow(Leg(leg.recording, row, known.first_ns, known.last_ns))
    flows[key] = [flow]
    return flow


def patience_of(protocol: int) -> int:
    """How far apart in time, in ns, legs of one connection may be."""
    return UDP_GAP_NS if protocol == UDP else SLACK_NS


def related_sightings(
    sightings: Sequence[Sighting], shows: Callable[[Tuple5], bool]
) -> list[Sighting]:
    """Those that have to do with what was recorded, be it only through another entry.

    Args:
        sightings: Conntrack's entries.
        shows: Whether the captures hold a packet between two endpoints.
    """
    by_ends: dict[Tuple5, list[int]] = {}
    pairs = []
    for place, one in enumerate(sightings):
        pairs.append(
            {
                tuple5(one.protocol, one.client, one.target),
                tuple5(one.protocol, one.reply_to, one.server),
            }
        )
        for ends in pairs[-1]:
            by_ends.setdefault(ends, []).append(place)
    reached = {ends for ends in by_ends if shows(ends)}
    waiting = list(reached)
    related: set[int] = set()
    while waiting:
        for place in by_ends[waiting.pop()]:
            related.add(place)
            waiting += pairs[place] - reached
            reached |= pairs[place]
    return [sightings[place] for place in sorted(related)]
