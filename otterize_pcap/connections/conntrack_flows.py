"""Conntrack entries → the flows that they are of (S20a, S40).

An entry belongs to a flow between its endpoints that was there when the entry's last packet
passed. Where only one side of NAT was recorded, the entry tells the other.
"""

from bisect import bisect_right

from otterize_pcap.connections.conntrack import Dump, Entry, last_packet_ns
from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Flow, Leg, Tuple5
from otterize_pcap.table.rows import SLOT_NS, UDP, Endpoint, Row

MANY = 16
# Dumps tell seconds only, and another second passes while they are taken.
DUMP_SLACK_NS = 2 * SLACK_NS

Flows = dict[Tuple5, list[Flow]]


def tuple5(protocol: int, one: Endpoint, other: Endpoint) -> Tuple5:
    """The direction-free key of two endpoints."""
    return (protocol, one, other) if one <= other else (protocol, other, one)


def tells_client(entry: Entry) -> bool:
    """Whether the client's address is known from before NAT only."""
    return entry.client != entry.reply_to


def entry_flow(
    flows: Flows, entry: Entry, dump: Dump, offset: int, one: Endpoint, other: Endpoint
) -> Flow | None:
    """The flow between two of an entry's endpoints that the entry is of, if it was recorded.

    Endpoints are used again: the flow must have been there when the entry's last packet passed,
    or at the dump where that time is not known.
    """
    dump_ns = dump.time_ns - offset
    flow = _nearest(flows, entry.protocol, one, other, dump_ns)
    if flow is None:
        return None
    last_ns = last_packet_ns(entry, dump)
    time_ns = dump_ns if last_ns is None else last_ns - offset
    if flow.first_ns > time_ns + DUMP_SLACK_NS:
        return None
    if last_ns is not None and flow.last_ns < time_ns - patience_of(entry.protocol) - DUMP_SLACK_NS:
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
        slot=leg.row.first_ns // SLOT_NS,
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
