"""Flows → joined flows: one connection before and after NAT, on several nodes (S20).

Joined, in this order: by a conntrack entry's original and reply tuples (a); by both initial
sequence numbers, which masquerading leaves alone (b); by the client's alone, together with its TCP
timestamp and a Service that leads from one destination to the other (c). What has no handshake is
joined by the Service too: TCP where sequence numbers overlap, UDP at most 30 seconds apart.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from itertools import product
from typing import Protocol

from otterize_pcap.connections.conntrack_flows import (
    MANY,
    Flows,
    add_unrecorded,
    patience_of,
    sighted_flow,
    tells_client,
    tuple5,
)
from otterize_pcap.connections.legs import SLACK_NS, Flow, Tuple5
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.table.rows import Endpoint

SEQUENCE_SLACK = 1 << 20


class Services(Protocol):
    """What joining asks of a snapshot."""

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """Endpoints that a Service address and port led to then; empty where it is no Service."""
        ...

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """Whether a pod held an address then."""
        ...


def join_flows(
    flows: Flows,
    services: Services,
    sightings: Iterable[Sighting],
    crowded: Collection[tuple[int, int]] = (),
) -> list[list[Flow]]:
    """The flows of each connection, each list by time.

    What conntrack alone knows of the other side of NAT is added to `flows`. `crowded` are the
    (protocol, client ISN) that more 5-tuples show than one connection has: they are made up, and
    join nothing.
    """
    for sighting in sightings:
        if sighting.is_translated:
            _by_conntrack(flows, sighting)
    everything = [flow for found in flows.values() for flow in found]
    loose = {key: [flow for flow in found if flow.client is None] for key, found in flows.items()}
    _by_sequence_numbers(everything, services, crowded)
    for flow in sorted(everything, key=_flow_order):
        if flow.client_isn is None:
            _by_service(flows, flow, services)
        elif flow.rule is None:
            _by_service(loose, flow, services)
    groups: dict[int, list[Flow]] = {}
    for flow in everything:
        groups.setdefault(id(_root(flow)), []).append(flow)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=_flow_order)
    return list(groups.values())


def _flow_order(flow: Flow) -> tuple[int, Tuple5]:
    """Order that no order of input files changes."""
    return flow.first_ns, flow.tuple5


def _root(flow: Flow) -> Flow:
    while flow.joined is not flow:
        flow.joined = flow.joined.joined
        flow = flow.joined
    return flow


def _union(one: Flow, other: Flow, rule: str) -> None:
    _root(other).joined = _root(one)
    one.rule = one.rule or rule
    other.rule = other.rule or rule


def _by_conntrack(flows: Flows, entry: Sighting) -> None:
    before = sighted_flow(flows, entry, entry.client, entry.target)
    after = sighted_flow(flows, entry, entry.reply_to, entry.server)
    if before is None and after is not None and tells_client(entry):
        before = add_unrecorded(flows, after, entry.client, entry.target)
    elif after is None and before is not None:
        after = add_unrecorded(flows, before, entry.reply_to, entry.server)
    if before is None or after is None or not before.overlaps(after, patience_of(entry.protocol)):
        return
    if before.client_isn in (None, after.client_isn) or after.client_isn is None:
        _union(before, after, "S20a")


def _by_sequence_numbers(
    everything: Iterable[Flow], services: Services, crowded: Collection[tuple[int, int]]
) -> None:
    both: dict[tuple[int, int, int], list[Flow]] = {}
    half: dict[tuple[int, int], list[Flow]] = {}
    for flow in everything:
        if flow.client_isn is None or (flow.protocol, flow.client_isn) in crowded:
            continue
        half.setdefault((flow.protocol, flow.client_isn), []).append(flow)
        if flow.server_isn is not None:
            both.setdefault((flow.protocol, flow.client_isn, flow.server_isn), []).append(flow)
    for same in both.values():
        if len(same) > 1:
            _by_both_numbers(same, services)
    for same in half.values():
        if len(same) > 1:
            for flow in sorted(same, key=_flow_order):
                if flow.server_isn is None:
                    _by_client_number(flow, same, services)


def _by_both_numbers(same: list[Flow], services: Services) -> None:
    connections: list[list[Flow]] = []
    for flow in sorted(same, key=_flow_order):
        fitting = [
            flows
            for flows in connections
            if flow.first_ns <= max(other.last_ns for other in flows) + SLACK_NS
            and all(_could_be_one(flow, other, services) for other in flows)
        ]
        if len(fitting) == 1:
            _union(fitting[0][0], flow, "S20b")
            fitting[0].append(flow)
        else:
            connections.append([flow])


def _could_be_one(one: Flow, other: Flow, services: Services) -> bool:
    """Whether NAT could lie between two flows: it never turns one pod into another.

    Sequence numbers can be chosen, so that two pods could make theirs equal to those of two others
    that they overheard; and a pod that relays by NAT inside leaves them alone (`_is_relayed`).
    """
    first_ns, last_ns = min(one.first_ns, other.first_ns), max(one.last_ns, other.last_ns)
    if _is_relayed(one, other, services) or _is_relayed(other, one, services):
        return False
    return all(
        here == there
        or not services.held_by_pod(here, first_ns, last_ns)
        or not services.held_by_pod(there, first_ns, last_ns)
        for here, there in (
            (_client(one)[0], _client(other)[0]),
            (_server(one)[0], _server(other)[0]),
        )
    )


def _is_relayed(sent: Flow, other: Flow, services: Services) -> bool:
    """Whether a flow that a pod began is no leg of another's: that one came into the pod, say.

    Behind the pod NAT takes its address from it (masquerading) and leads where the Service or the
    node that it called leads. A flow between others that did anything else is another connection.
    """
    (client, _), called = _client(sent), _server(sent)
    reached = _server(other)
    times = min(sent.first_ns, other.first_ns), max(sent.last_ns, other.last_ns)
    if client == _client(other)[0] or not services.held_by_pod(client, *times):
        return False
    if reached == called or reached in services.backends(called, sent.protocol, *times):
        return False
    # A node's port may lead to any pod but the one that called; what is a pod's leads nowhere.
    return (
        services.held_by_pod(called[0], *times)
        or reached[0] == client
        or not services.held_by_pod(reached[0], *times)
    )


def _by_client_number(flow: Flow, same: list[Flow], services: Services) -> None:
    """Join a flow to the only one that it could be one with, if that has no other either."""
    candidates = _alike(flow, same, services)
    if len(candidates) == 1 and len(_alike(candidates[0], same, services)) == 1:
        _union(flow, candidates[0], "S20c")


def _alike(flow: Flow, same: list[Flow], services: Services) -> list[Flow]:
    timestamp = flow.timestamp()
    if timestamp is None:
        return []
    candidates = {
        id(_root(other)): other
        for other in same
        if _root(other) is not _root(flow)
        and None in (flow.server_isn, other.server_isn)
        and other.timestamp() == timestamp
        and flow.overlaps(other)
        and _leads(flow, other, services)
        and _could_be_one(flow, other, services)
    }
    return list(candidates.values())


def _leads(one: Flow, other: Flow, services: Services) -> bool:
    """Whether both have one destination, or a Service leads from one's to the other's."""
    to_one, to_other = _server(one), _server(other)
    if to_one == to_other:
        return True
    first_ns, last_ns = min(one.first_ns, other.first_ns), max(one.last_ns, other.last_ns)
    return to_other in services.backends(
        to_one, one.protocol, first_ns, last_ns
    ) or to_one in services.backends(to_other, one.protocol, first_ns, last_ns)


def _by_service(flows: Flows, flow: Flow, services: Services) -> None:
    """Join what has no handshake, on either side of the Service, to its other half in `flows`."""
    patience = patience_of(flow.protocol)
    for side in (0, 1):
        if flow.client == side:
            continue
        client = flow.endpoint(1 - side)
        backends = services.backends(
            flow.endpoint(side), flow.protocol, flow.first_ns, flow.last_ns
        )
        candidates = {
            id(_root(other)): other
            for backend in backends
            for other in _around(flows.get(tuple5(flow.protocol, client, backend)), flow, patience)
            if _root(other) is not _root(flow) and _same_stream(flow, other, client)
        }
        if len(candidates) == 1:
            _union(flow, candidates.popitem()[1], "S20")


def _around(flows: list[Flow] | None, flow: Flow, patience: int) -> Iterator[Flow]:
    """Those of a 5-tuple's flows, which follow each other, that were there at a flow's time."""
    if not flows:
        return
    place = bisect_right(flows, flow.last_ns + patience, key=lambda other: other.first_ns)
    for other in reversed(flows[max(0, place - MANY) : place]):
        if other.overlaps(flow, patience):
            yield other


def _client(flow: Flow) -> Endpoint:
    return flow.endpoint(flow.client or 0)


def _server(flow: Flow) -> Endpoint:
    return flow.endpoint(1 - (flow.client or 0))


def _same_stream(one: Flow, other: Flow, client: Endpoint) -> bool:
    """UDP has no sequence numbers; in TCP some range that the client sent must overlap."""
    if one.protocol != TCP:
        return True
    if one.client_isn is not None and other.client_isn is not None:
        return False
    return any_overlap(_ranges(one, client), _ranges(other, client))


def _ranges(flow: Flow, sender: Endpoint) -> list[tuple[int, int]]:
    side = 0 if flow.endpoint(0) == sender else 1
    ranges = []
    for leg in flow.legs:
        sent = leg.row.sides[side]
        if sent.seq_first is not None and sent.seq_last is not None:
            ranges.append((sent.seq_first, sent.seq_last))
    return ranges


def any_overlap(ones: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]) -> bool:
    """Whether any of some ranges of sequence numbers overlaps any of others, give or take."""
    return any(_overlap(one, other) for one, other in product(ones, others))


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Ranges of sequence numbers, compared modulo 2**32 (RFC 9293 3.4)."""
    return _ahead(one[0], other[1]) <= SEQUENCE_SLACK and _ahead(other[0], one[1]) <= SEQUENCE_SLACK


def _ahead(one: int, other: int) -> int:
    difference = (one - other) & 0xFFFFFFFF
    return difference - (1 << 32) if difference >= 1 << 31 else difference
