"""Who is the client: S30 to S36, each a function of one flow, and how their answers combine."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_flows import tuple5
from otterize_pcap.connections.legs import UDP_GAP_NS, Flow, Tuple5
from otterize_pcap.table.rows import UDP, Endpoint

EPHEMERAL = range(32768, 61000)
WELL_KNOWN = 1024
HANDSHAKE = "S30"
FIRST_SENDER = "UDP"
UNDIRECTED = "S36"


class ServedPorts(Protocol):
    """What direction asks of a snapshot (S32)."""

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether a pod declared that port, or a Service listened there, at that time."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the whole capture says, for rules that look beyond one flow.

    `servers` are (protocol, endpoint) that answered a handshake (S33). `originals` are the client
    endpoints that conntrack recorded for a 5-tuple (S31). `peers` counts, up to two, the distinct
    endpoints that each candidate for S35 talked to.
    """

    servers: frozenset[tuple[int, Endpoint]] = frozenset()
    originals: Mapping[Tuple5, frozenset[Endpoint]] = field(default_factory=dict)
    peers: Mapping[tuple[int, Endpoint], int] = field(default_factory=dict)


def survey(flows: Collection[Flow], dumps: Iterable[Dump]) -> Known:
    """Collect what the rules need to know of all flows and conntrack dumps."""
    servers: set[tuple[int, Endpoint]] = set()
    candidates: dict[tuple[int, Endpoint], set[Endpoint]] = {}
    for flow in flows:
        if flow.client is not None:
            if flow.server_isn is not None:
                servers.add((flow.protocol, flow.endpoint(1 - flow.client)))
            continue
        for side in (0, 1):
            if flow.endpoint(side)[1] not in EPHEMERAL:
                candidates[flow.protocol, flow.endpoint(side)] = set()
    if candidates:
        for flow in filter(lambda flow: flow.is_recorded, flows):
            for side in (0, 1):
                peers = candidates.get((flow.protocol, flow.endpoint(side)))
                if peers is not None and len(peers) < 2:
                    peers.add(flow.endpoint(1 - side))
    return Known(
        servers=frozenset(servers),
        originals=conntrack_originals(dumps),
        peers={key: len(found) for key, found in candidates.items()},
    )


def conntrack_originals(dumps: Iterable[Dump]) -> dict[Tuple5, frozenset[Endpoint]]:
    """Who conntrack says was the client of each 5-tuple, before and after NAT (S31)."""
    originals: dict[Tuple5, set[Endpoint]] = {}
    for dump in dumps:
        for entry in dump.entries:
            before = tuple5(entry.protocol, entry.client, entry.target)
            after = tuple5(entry.protocol, entry.reply_to, entry.server)
            originals.setdefault(before, set()).add(entry.client)
            originals.setdefault(after, set()).add(entry.reply_to)
    return {key: frozenset(found) for key, found in originals.items()}


def decide(flows: list[Flow], known: Known, served: ServedPorts) -> tuple[list[int], str]:
    """The client's side in each flow of one connection, and the rule that decided.

    Without a decision the sides are those that sent first, and the rule is S36.
    """
    by_handshake = next(
        (flow for flow in flows if flow.client is not None and flow.server_isn is not None),
        next((flow for flow in flows if flow.client is not None), None),
    )
    if by_handshake is not None and by_handshake.client is not None:
        client = by_handshake.endpoint(by_handshake.client)
        server = by_handshake.endpoint(1 - by_handshake.client)
        sides = [_side_of(flow, client, server) for flow in flows]
        # A SYN that nobody answered, into what was going on already, may come from the server.
        if by_handshake.lacks_answer and _vote(flows, known, served)[0] not in (None, sides):
            return sides, UNDIRECTED
        return sides, HANDSHAKE
    voted, rule = _vote(flows, known, served)
    if voted is not None:
        return voted, rule
    senders = [_first_sender(flow) for flow in flows]
    if rule == UNDIRECTED and len(flows) and all(_began_inside(flow) for flow in flows):
        return senders, FIRST_SENDER
    return senders, UNDIRECTED


def _side_of(flow: Flow, client: Endpoint, server: Endpoint) -> int:
    """The client's side in a flow that shares an endpoint with a decided one."""
    if flow.client is not None:
        return flow.client
    for side in (0, 1):
        if flow.endpoint(side) == client or flow.endpoint(1 - side) == server:
            return side
    return _first_sender(flow)


def _vote(flows: list[Flow], known: Known, served: ServedPorts) -> tuple[list[int] | None, str]:
    """What S31 to S35 say together: sides and the first rule that spoke, or none and why.

    The rule is S36 where none spoke, and `contradiction` where two disagree.
    """
    shared = _shared_endpoint(flows)
    answers: dict[str, set[int]] = {}
    own: list[int | None] = []
    for flow in flows:
        said = [(rule, side) for rule, side in _answers(flow, known, served) if side is not None]
        for rule, side in said:
            key = side if shared is None else int(flow.endpoint(side) != shared)
            answers.setdefault(rule, set()).add(key)
        own.append(said[0][1] if said else None)
    if not answers:
        return None, UNDIRECTED
    first = min(answers)
    said_all = set().union(*answers.values())
    if shared is not None:
        if len(said_all) > 1:
            return None, "contradiction"
        client_is_shared = said_all == {0}
        return [
            side if client_is_shared else 1 - side
            for side in (0 if flow.endpoint(0) == shared else 1 for flow in flows)
        ], first
    decided = [side for side in own if side is not None]
    if len(decided) < len(own) or any(
        len({side for _, side in _answers(flow, known, served) if side is not None}) > 1
        for flow in flows
    ):
        return None, "contradiction"
    return decided, first


def _shared_endpoint(flows: list[Flow]) -> Endpoint | None:
    """The endpoint that all flows have: NAT to a Service leaves the client's as it is."""
    common = {flows[0].endpoint(0), flows[0].endpoint(1)}
    for flow in flows[1:]:
        common &= {flow.endpoint(0), flow.endpoint(1)}
    return min(common) if common else None


def _answers(flow: Flow, known: Known, served: ServedPorts) -> list[tuple[str, int | None]]:
    times = (flow.first_ns, flow.last_ns)
    protocol = flow.protocol
    return [
        ("S31", _by_conntrack(flow, known)),
        (
            "S32",
            _only_server(
                *(served.serves(flow.endpoint(side), protocol, *times) for side in (0, 1))
            ),
        ),
        (
            "S33",
            _only_server(*((protocol, flow.endpoint(side)) in known.servers for side in (0, 1))),
        ),
        ("S34", _by_payload(flow)),
        ("S35", _by_port(flow, known)),
    ]


def _only_server(low: bool, high: bool) -> int | None:
    """The client's side where exactly one side is a server."""
    return int(low) if low != high else None


def _by_conntrack(flow: Flow, known: Known) -> int | None:
    clients = known.originals.get(flow.tuple5)
    if clients is None or len(clients) != 1:
        return None
    return 0 if flow.endpoint(0) in clients else 1


def _by_payload(flow: Flow) -> int | None:
    said: set[int] = set()
    for leg in flow.legs:
        for side in (0, 1):
            hints = leg.row.sides[side].hints
            if hints & 1:
                said.add(side)
            if hints & 2:
                said.add(1 - side)
    return said.pop() if len(said) == 1 else None


def _by_port(flow: Flow, known: Known) -> int | None:
    fixed = [flow.endpoint(side)[1] not in EPHEMERAL for side in (0, 1)]
    client = _only_server(*fixed)
    if client is None:
        return None
    server = flow.endpoint(1 - client)
    if server[1] < WELL_KNOWN or known.peers.get((flow.protocol, server), 0) > 1:
        return client
    return None


def _first_sender(flow: Flow) -> int:
    first = min(flow.legs, key=lambda leg: (leg.first_ns, leg.file, leg.row.number))
    return first.row.first_sender


def _began_inside(flow: Flow) -> bool:
    """The UDP rule: answered, and not in the first 30 seconds of any file that shows it."""
    if flow.protocol != UDP:
        return False
    replied = all(any(leg.row.sides[side].packets for leg in flow.legs) for side in (0, 1))
    return replied and all(
        leg.recording.first_ns is not None
        and leg.row.first_ns >= leg.recording.first_ns + UDP_GAP_NS
        for leg in flow.legs
    )
