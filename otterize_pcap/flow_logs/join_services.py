"""Connections of a log put together: what asked a Service, and what answered for it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from otterize_pcap.connections.legs import SLACK_NS
from otterize_pcap.connections.outcome import ESTABLISHED, PROBED, REFUSED, UNANSWERED
from otterize_pcap.connections.rule import Rule
from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.flow_logs.gather_flows import merged_end
from otterize_pcap.flow_logs.judge_flows import LoggedConnection
from otterize_pcap.table.rows import Endpoint

SERVICE_RULE = "S20"
"""The part of S20 by which what was asked of a Service and what answered are joined."""
_OUTCOMES = (ESTABLISHED, PROBED, REFUSED, UNANSWERED)


def translated(
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


def joined(found: Iterable[LoggedConnection]) -> Iterator[LoggedConnection]:
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
