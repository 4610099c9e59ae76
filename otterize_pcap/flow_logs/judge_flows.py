"""Gathered flows → a connection: who called, what came of it, and how much was sent.

What two nodes, or two interfaces of one, saw is one connection; its counts are those of the
observer that counted most, as of packets (S21). A flow that is there twice counts once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.legs import Leg, Recording
from otterize_pcap.connections.outcome import ESTABLISHED, PROBED, REFUSED, UNANSWERED
from otterize_pcap.connections.port_ranges import WELL_KNOWN, port_facts
from otterize_pcap.connections.rule import Rule
from otterize_pcap.flow_logs.flow import Flow, LoggedEnd, Shows
from otterize_pcap.flow_logs.gather_flows import GatheredFlows, flow_order
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.table.rows import Endpoint, Row

Served = frozenset[tuple[int, Endpoint]]


class LoggedConnection(Struct, frozen=True):
    """A connection with what the log calls its ends, from where it began to where it ended.

    `clients` and `servers` are in the order of the connection's endpoints. `services` are the
    `name.namespace` of Services that led to the server.
    """

    connection: Connection
    clients: tuple[LoggedEnd, ...]
    servers: tuple[LoggedEnd, ...]
    services: tuple[str, ...] = ()


def served_endpoints(begun: Iterable[GatheredFlows]) -> Served:
    """The endpoints that several others talked to."""
    others: dict[tuple[int, Endpoint], set[Endpoint]] = defaultdict(set)
    for each in begun:
        protocol = each.flows[0].protocol
        for one, other in ((each.low, each.high), (each.high, each.low)):
            others[protocol, one.endpoint].add(other.endpoint)
    return frozenset(end for end, those in others.items() if len(those) > 1)


def judged(begun: GatheredFlows, served: Served) -> LoggedConnection:
    """One connection with its client (S30 to S35), its outcome (S40) and its counts (S21)."""
    ends = (begun.low, begun.high)
    # An observation that is there twice is one.
    flows = list({flow_order(flow)[:-2]: flow for flow in reversed(begun.flows)}.values())[::-1]
    side, rule = _client_side(begun, flows, served)
    sent = [flow for flow in flows if flow.source.endpoint == ends[side].endpoint]
    answered = [flow for flow in flows if flow.source.endpoint != ends[side].endpoint]
    client, server = ends[side], ends[1 - side]
    packets, sizes = _counted(sent, answered)
    first_ns, last_ns = min(flow.first_ns for flow in flows), begun.last_ns
    connection = Connection(
        protocol=flows[0].protocol,
        clients=(client.endpoint,),
        servers=(server.endpoint,),
        rule=rule,
        outcome=_outcome(flows[0].protocol, sent, answered),
        first_ns=first_ns,
        last_ns=last_ns,
        client_sent=_span(sent) or (first_ns, last_ns),
        server_sent=_span(answered) or (first_ns, last_ns),
        packets=packets,
        bytes=sizes,
        syns=int(any(flow.shows & Shows.OPENS for flow in sent)),
        legs=_legs(flows, begun),
    )
    services = tuple(filter(None, (server.service,)))
    return LoggedConnection(connection, (client,), (server,), services)


def _client_side(begun: GatheredFlows, flows: Sequence[Flow], served: Served) -> tuple[int, Rule]:
    """0 where the lower endpoint called, 1 where the other did, and by which rule.

    Where none tells, whoever was seen first stands for the client.
    """
    first = int(flows[0].source.endpoint != begun.low.endpoint)
    said: dict[Rule, set[int]] = defaultdict(set)
    for flow in flows:
        if flow.client is not None:
            lower = flow.ends[flow.client].endpoint == begun.low.endpoint
            said[flow.rule].add(0 if lower else 1)
    for rule in sorted(said, key=lambda rule: rule.precedence):
        if len(said[rule]) == 1:
            return said[rule].pop(), rule
        return first, Rule.UNDIRECTED
    by_syn = _by_syn(begun, flows)
    if by_syn is not None:
        return by_syn, Rule.NETOBSERV_FLAGS
    by_port = _by_port(begun, flows[0].protocol, served)
    return (first, Rule.UNDIRECTED) if by_port is None else (by_port, Rule.PORT)


def _by_syn(begun: GatheredFlows, flows: Sequence[Flow]) -> int | None:
    """Who alone sent SYNs, where nothing but a SYN was sent or the other side was seen too."""
    senders = {flow.source.endpoint for flow in flows if flow.shows & Shows.OPENS}
    seen = {flow.source.endpoint for flow in flows}
    if len(senders) != 1:
        return None
    acknowledged = any(flow.shows & Shows.ACKNOWLEDGES for flow in flows)
    if len(seen) == 1 and acknowledged:
        return None
    return 0 if senders == {begun.low.endpoint} else 1


def _by_port(begun: GatheredFlows, protocol: int, served: Served) -> int | None:
    """S35, as of packets: the one port that is not ephemeral, if well known or of several."""
    facts = port_facts(begun.low.port), port_facts(begun.high.port)
    if facts[0].is_fixed == facts[1].is_fixed:
        return None
    client = 0 if facts[1].is_fixed else 1
    server = (begun.low, begun.high)[1 - client]
    known = server.port < WELL_KNOWN or (protocol, server.endpoint) in served
    return client if known else None


def _outcome(protocol: int, sent: Sequence[Flow], answered: Sequence[Flow]) -> str:
    """What came of a connection (S40), as far as a log's flows show it."""
    out, back = _shown(sent), _shown(answered)
    if (out | back) & Shows.TALKS:
        return ESTABLISHED
    arrived = [any(not flow.shows & Shows.DROPPED for flow in flows) for flows in (sent, answered)]
    if protocol != TCP or not (out | back) & Shows.FLAGGED:
        return ESTABLISHED if all(arrived) else UNANSWERED
    accepted = Shows.ACCEPTS | Shows.ACKNOWLEDGES
    if out & Shows.ACKNOWLEDGES and back & accepted:
        return ESTABLISHED
    if not any(arrived[1:]) and out & Shows.ACKNOWLEDGES and out & Shows.GOES_ON:
        return ESTABLISHED
    if not any(arrived[:1]) and back & accepted and back & Shows.GOES_ON:
        return ESTABLISHED
    if back & Shows.ACCEPTS:
        return PROBED
    return REFUSED if back & Shows.RESETS else UNANSWERED


def _shown(flows: Iterable[Flow]) -> int:
    """What the flows that arrived show."""
    found = 0
    for flow in flows:
        if not flow.shows & Shows.DROPPED:
            found |= flow.shows
    return found


def _counted(
    sent: Sequence[Flow], answered: Sequence[Flow]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Packets and bytes (to the server, to the client) of the observer that counted most."""
    sums: dict[str, list[int]] = {}
    for way, flows in enumerate((sent, answered)):
        for flow in flows:
            counts = sums.setdefault(flow.view, [0, 0, 0, 0])
            counts[way] += flow.packets
            counts[2 + way] += flow.bytes
    best = max(
        sums.values(),
        key=lambda counts: (counts[0] + counts[1], counts[2] + counts[3], counts[0], counts[2]),
    )
    return (best[0], best[1]), (best[2], best[3])


def _span(flows: Sequence[Flow]) -> tuple[int, int] | None:
    if not flows:
        return None
    return min(flow.first_ns for flow in flows), max(flow.last_ns for flow in flows)


def _legs(flows: Sequence[Flow], begun: GatheredFlows) -> tuple[Leg, ...]:
    """Where it was seen: the first flow of each node, by its line."""
    first: dict[str, Flow] = {}
    for flow in flows:
        first.setdefault(flow.node, flow)
    return tuple(
        Leg(
            Recording((flow.file,), flow.node or flow.file, ()),
            Row(
                flow.protocol,
                (),
                0,
                begun.low.endpoint,
                begun.high.endpoint,
                flow.line,
                int(flow.source.endpoint != begun.low.endpoint),
                flow.first_ns,
                flow.last_ns,
            ),
            flow.first_ns,
            flow.last_ns,
        )
        for flow in first.values()
    )
