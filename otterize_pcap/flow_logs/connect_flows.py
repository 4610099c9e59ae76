"""Flows of a log → connections: observations of one connection put together, directed and judged.

Order does not matter: flows are taken by their times and what they say, and a flow that is there
twice counts once. What two nodes, or two interfaces of one, saw is one connection; its counts are
those of the observer that counted most, as of packets (S21).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Leg, Recording, Tuple5
from otterize_pcap.connections.outcome import ESTABLISHED, PROBED, REFUSED, UNANSWERED
from otterize_pcap.connections.port_ranges import WELL_KNOWN, port_facts
from otterize_pcap.connections.rule import Rule
from otterize_pcap.flow_logs.flow import Flow, LoggedEnd, LogRecords, Shows
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.table.rows import Endpoint, Row

MOST_FLOWS = 2_000_000
"""Flows of all logs of one capture; a million take 1 GB."""
SERVICE_RULE = "S20"
"""The part of S20 by which what was asked of a Service and what answered are joined."""

Served = frozenset[tuple[int, Endpoint]]


@dataclass(frozen=True, slots=True)
class LoggedConnection:
    """A connection with what the log calls its ends, from where it began to where it ended.

    `clients` and `servers` are in the order of the connection's endpoints. `services` are the
    `name.namespace` of Services that led to the server.
    """

    connection: Connection
    clients: tuple[LoggedEnd, ...]
    servers: tuple[LoggedEnd, ...]
    services: tuple[str, ...] = ()


@dataclass(slots=True)
class _Begun:
    """A connection of one 5-tuple while its flows are gathered: the ends, lower endpoint first."""

    low: LoggedEnd
    high: LoggedEnd
    flows: list[Flow] = field(default_factory=list)
    last_ns: int = 0
    closed_ns: int | None = None

    def add(self, flow: Flow, low: LoggedEnd, high: LoggedEnd) -> None:
        self.low, self.high = merged_end(self.low, low), merged_end(self.high, high)
        self.flows.append(flow)
        self.last_ns = max(self.last_ns, flow.last_ns)
        if flow.shows & Shows.CLOSES:
            self.closed_ns = max(self.closed_ns or 0, flow.last_ns)

    def goes_on(self, flow: Flow, low: LoggedEnd, high: LoggedEnd) -> bool:
        """Whether a later flow of the 5-tuple is of the same connection."""
        if not (are_one(self.low, low) and are_one(self.high, high)):
            return False
        if flow.protocol != TCP:
            return flow.first_ns <= self.last_ns + UDP_GAP_NS
        opens = flow.shows & Shows.OPENS
        return not (
            opens and self.closed_ns is not None and flow.first_ns > self.closed_ns + SLACK_NS
        )


def connect_logs(logs: Sequence[LogRecords]) -> list[LoggedConnection]:
    """All connections of the logs of one capture, by time."""
    begun = list(_gathered(logs))
    served = _served(begun)
    found = [_judged(each, served) for each in begun]
    return sorted(_joined(_translated(found, logs)), key=_order)


def merged_end(one: LoggedEnd, other: LoggedEnd) -> LoggedEnd:
    """What two records say of one end, each as far as it says anything."""
    if one is other or one == other:
        return one
    return replace(
        one,
        namespace=one.namespace or other.namespace,
        pod=one.pod or other.pod,
        owners=one.owners or other.owners,
        labels=one.labels or other.labels,
        node=one.node or other.node,
        stands_for=one.stands_for or other.stands_for,
        service=one.service or other.service,
        names=tuple(sorted({*one.names, *other.names})),
    )


def are_one(one: LoggedEnd, other: LoggedEnd) -> bool:
    """Whether two records can speak of one pod, or neither of any."""
    return not (one.pod and other.pod) or (one.namespace, one.pod) == (other.namespace, other.pod)


def _gathered(logs: Iterable[LogRecords]) -> Iterator[_Begun]:
    """Connections of one 5-tuple after the other."""
    by_tuple: dict[Tuple5, list[Flow]] = defaultdict(list)
    for log in logs:
        for flow in log.flows:
            lower, higher = sorted((flow.source.endpoint, flow.destination.endpoint))
            by_tuple[flow.protocol, lower, higher].append(flow)
    for (_, lowest, _), flows in by_tuple.items():
        current: _Begun | None = None
        for flow in sorted(flows, key=_flow_order):
            low, high = flow.ends if flow.source.endpoint == lowest else flow.turned
            if current is None or not current.goes_on(flow, low, high):
                if current is not None:
                    yield current
                current = _Begun(low, high)
            current.add(flow, low, high)
        if current is not None:
            yield current


def _flow_order(flow: Flow) -> tuple[object, ...]:
    """By time; then by all that it says, so that no order of lines matters."""
    return (
        flow.first_ns,
        flow.last_ns,
        flow.ends,
        -1 if flow.client is None else flow.client,
        flow.rule,
        flow.shows,
        flow.view,
        flow.packets,
        flow.bytes,
        flow.file,
        flow.line,
    )


def _served(begun: Iterable[_Begun]) -> Served:
    """The endpoints that several others talked to."""
    others: dict[tuple[int, Endpoint], set[Endpoint]] = defaultdict(set)
    for each in begun:
        protocol = each.flows[0].protocol
        for one, other in ((each.low, each.high), (each.high, each.low)):
            others[protocol, one.endpoint].add(other.endpoint)
    return frozenset(end for end, those in others.items() if len(those) > 1)


def _judged(begun: _Begun, served: Served) -> LoggedConnection:
    ends = (begun.low, begun.high)
    # An observation that is there twice is one.
    flows = list({_flow_order(flow)[:-2]: flow for flow in reversed(begun.flows)}.values())[::-1]
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


def _client_side(begun: _Begun, flows: Sequence[Flow], served: Served) -> tuple[int, Rule]:
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


def _by_syn(begun: _Begun, flows: Sequence[Flow]) -> int | None:
    """Who alone sent SYNs, where nothing but a SYN was sent or the other side was seen too."""
    senders = {flow.source.endpoint for flow in flows if flow.shows & Shows.OPENS}
    seen = {flow.source.endpoint for flow in flows}
    if len(senders) != 1:
        return None
    acknowledged = any(flow.shows & Shows.ACKNOWLEDGES for flow in flows)
    if len(seen) == 1 and acknowledged:
        return None
    return 0 if senders == {begun.low.endpoint} else 1


def _by_port(begun: _Begun, protocol: int, served: Served) -> int | None:
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


def _legs(flows: Sequence[Flow], begun: _Begun) -> tuple[Leg, ...]:
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


def _translated(
    found: Iterable[LoggedConnection], logs: Iterable[LogRecords]
) -> Iterator[LoggedConnection]:
    """The same with the Service that a socket asked for, where one and no other leads there."""
    asked: dict[tuple[int, bytes, Endpoint], set[str]] = defaultdict(set)
    for log in logs:
        for each in log.translations:
            asked[each.protocol, each.client, each.server].add(each.service)
    for one in found:
        connection = one.connection
        key = connection.protocol, connection.clients[0][0], connection.servers[-1]
        services = asked.get(key, set())
        if len(services) == 1 and not one.services:
            yield replace(one, services=tuple(services))
        else:
            yield one


def _joined(found: Iterable[LoggedConnection]) -> Iterator[LoggedConnection]:
    """What was asked of a Service's address and what answered, as one connection (S20, S21).

    The client's endpoint is the same in both, at one time, and no other server is asked from there.
    """
    asked: dict[tuple[int, Endpoint], list[LoggedConnection]] = defaultdict(list)
    reached: dict[tuple[int, Endpoint], list[LoggedConnection]] = defaultdict(list)
    for one in found:
        if one.connection.rule is Rule.UNDIRECTED:
            yield one
            continue
        key = one.connection.protocol, one.connection.clients[0]
        is_service = bool(one.servers[0].service) and not one.servers[0].pod
        (asked if is_service else reached)[key].append(one)
    for key, services in asked.items():
        behind = reached.get(key, [])
        for service in services:
            near = [one for one in behind if _at_one_time(service, one)]
            rivals = [one for one in services if one is not service and _at_one_time(service, one)]
            if len(near) != 1 or rivals:
                yield service
                continue
            behind.remove(near[0])
            yield _together(service, near[0])
    for left in reached.values():
        yield from left


def _at_one_time(one: LoggedConnection, other: LoggedConnection) -> bool:
    first, second = one.connection, other.connection
    return (
        first.first_ns <= second.last_ns + SLACK_NS and second.first_ns <= first.last_ns + SLACK_NS
    )


def _together(asked: LoggedConnection, reached: LoggedConnection) -> LoggedConnection:
    one, other = asked.connection, reached.connection
    fuller = max(one, other, key=lambda each: (sum(each.packets), sum(each.bytes), each.packets))
    rule = min(one.rule, other.rule, key=lambda rule: rule.precedence)
    connection = replace(
        one,
        servers=(*one.servers, *other.servers),
        rule=rule,
        outcome=min(one.outcome, other.outcome, key=_OUTCOMES.index),
        first_ns=min(one.first_ns, other.first_ns),
        last_ns=max(one.last_ns, other.last_ns),
        server_sent=other.server_sent,
        packets=fuller.packets,
        bytes=fuller.bytes,
        syns=max(one.syns, other.syns),
        legs=tuple(sorted((*one.legs, *other.legs), key=lambda leg: leg.first_ns)),
        joined_by=(SERVICE_RULE,),
    )
    client = merged_end(asked.clients[0], reached.clients[0])
    services = tuple(dict.fromkeys((*asked.services, *reached.services)))
    return LoggedConnection(
        connection, (client,), (*asked.servers, *reached.servers), tuple(sorted(services))
    )


_OUTCOMES = (ESTABLISHED, PROBED, REFUSED, UNANSWERED)


def _order(one: LoggedConnection) -> tuple[object, ...]:
    connection = one.connection
    return (
        connection.first_ns,
        connection.protocol,
        connection.clients,
        connection.servers,
        connection.last_ns,
    )
