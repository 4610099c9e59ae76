"""Why there is an edge between two workloads, or why there is none.

Input: every connection of a capture with what became of it. Output: the connections that speak of
the two, each with the rules, packets, addresses and tenures that decided, and the DNS answers that
told one of the other.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from otterize_pcap.addresses import format_address, format_endpoint
from otterize_pcap.connections.legs import SLACK_NS, Leg
from otterize_pcap.explanation import (
    End,
    ExplainedConnection,
    ExplainedLookup,
    Explanation,
    Recorded,
)
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.intervals import OPEN
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.build_graph import fate_of
from otterize_pcap.resolve.identity import Identities, held_by_workloads
from otterize_pcap.resolve.lookups import Lookup
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolve import (
    API_SERVER,
    GroupResolution,
    Party,
    Resolution,
    Resolved,
    Unresolved,
)
from otterize_pcap.resolve.service_routes import API_SERVER as API_SERVER_NAME
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import format_time

Held = Mapping[bytes, Collection[Workload]]


@dataclass(frozen=True, slots=True)
class Question:
    """Which pair to explain: names as the map writes them, and how many connections to show."""

    client: str
    server: str
    most: int = 10


def explain(question: Question, mapped: MappedCapture) -> Explanation:
    """Explain one pair.

    Args:
        question: The pair, `name` or `name.namespace`; the server may be an external name too.
        mapped: Every connection with what became of it.
    """
    inclusion, held = mapped.inclusion, mapped.held
    fates: Counter[Fate] = Counter()
    speaking: list[tuple[Fate, Resolution]] = []
    for resolution in mapped.select(lambda one: _speaks_of(one, question, held)):
        fate = fate_of(resolution, inclusion, mapped.cluster_dns)
        fates[fate] += 1
        speaking.append((fate, resolution))
    speaking.sort(key=lambda entry: (not _is_shown(entry[0]), entry[1].connection.first_ns))
    lookups = list(_once(lookup for lookup in mapped.lookups if _asks_for(lookup, question)))
    is_edge = any(map(_is_shown, fates)) or (inclusion.lookups and bool(lookups))
    return Explanation(
        client=question.client,
        server=question.server,
        is_edge=is_edge,
        fates=tuple((str(fate), count) for fate, count in sorted(fates.items())),
        connections=tuple(_explained(*entry) for entry in speaking[: question.most]),
        hints=() if is_edge else tuple(_hints(question, fates, held)),
        looked_up=len(lookups),
        lookups=tuple(map(_explained_lookup, lookups[: question.most])),
    )


def asked_services(
    question: Question, snapshot: Snapshot, identities: Identities
) -> frozenset[str] | None:
    """The names of the Services that may stand for the server asked about (S42).

    None where it is no workload that the snapshot knows: any name in the packets may be its own.
    To keep them all took minutes where a capture has a million lookups.
    """
    held = held_by_workloads(snapshot, identities)
    asked = {
        address
        for address, holders in held.items()
        if any(_matches(one, question.server) for one in holders)
    }
    is_api_server = _matches(API_SERVER, question.server)
    if not asked and not is_api_server:
        return None
    names = frozenset(
        service.name
        for service in snapshot.services
        if any(
            # Who holds an address that no pod has is told later: a node's, a hostNetwork pod's.
            backend.address in asked or backend.address not in held
            for backends in service.backends.values()
            for backend in backends
        )
    )
    return names | {API_SERVER_NAME[1]} if is_api_server else names


def _is_shown(fate: Fate) -> bool:
    return fate.kind is FateKind.RESOLVED


def _asks_for(lookup: Lookup, question: Question) -> bool:
    return _matches(lookup.client.workload, question.client) and _matches(
        lookup.server, question.server
    )


def _once(lookups: Iterable[Lookup]) -> Iterator[Lookup]:
    """Each answer by its first recording: interfaces and nodes show the same one several times."""
    last_ns: dict[tuple[bytes, str, tuple[bytes, ...]], int] = {}
    for lookup in lookups:
        answer = lookup.answer
        key = (answer.client, answer.name, answer.addresses)
        if key not in last_ns or answer.time_ns > last_ns[key] + SLACK_NS:
            yield lookup
        last_ns[key] = answer.time_ns


def _explained_lookup(lookup: Lookup) -> ExplainedLookup:
    answer = lookup.answer
    return ExplainedLookup(
        name=answer.name,
        time=format_time(answer.time_ns),
        to=format_address(answer.client),
        client=_end_of(lookup.client),
        file=answer.file,
        packet=answer.packet,
    )


def _matches(party: Workload | External, name: str) -> bool:
    return name in (party.name, full_name(party))


def _speaks_of(resolution: Resolution | GroupResolution, question: Question, held: Held) -> bool:
    """Whether a connection is, or could be, one of the pair: one end surely, the other perhaps.

    Where nothing tells client from server, it speaks of the pair either way round.
    """
    client = _says(resolution, "client", question.client, held)
    server = _says(resolution, "server", question.server, held)
    if isinstance(resolution, Unresolved) and resolution.fate.kind is FateKind.UNDIRECTED:
        turned = (
            _says(resolution, "server", question.client, held),
            _says(resolution, "client", question.server, held),
        )
        return turned == (True, True) or (client, server) == (True, True)
    return client is not False and server is not False and (client or server) is True


def _says(
    resolution: Resolution | GroupResolution, side: str, name: str, held: Held
) -> bool | None:
    """Whether one end is the workload of a name; None where it could be."""
    party = getattr(resolution, side)
    if party is not None:
        return _matches(party.workload if isinstance(party, Party) else party, name)
    if isinstance(resolution, Unresolved) and resolution.side == side:
        if resolution.candidates:
            return any(_matches(one, name) for one in resolution.candidates)
        if resolution.fate.kind is FateKind.EXTERNAL_CLIENT:
            return False
    ends = resolution.connection.clients if side == "client" else resolution.connection.servers
    holders = {one for address, _ in ends for one in held.get(address, ())}
    if not holders:
        return None
    return any(_matches(one, name) for one in holders)


def _explained(fate: Fate, resolution: Resolution) -> ExplainedConnection:
    connection = resolution.connection
    candidates = resolution.candidates if isinstance(resolution, Unresolved) else ()
    return ExplainedConnection(
        fate=str(fate),
        protocol=PROTOCOL_NAMES[connection.protocol],
        clients=tuple(map(format_endpoint, connection.clients)),
        servers=tuple(map(format_endpoint, connection.servers)),
        rule=connection.rule,
        rules_for=tuple(one.rule for one in connection.testimony if one.agrees),
        rules_against=tuple(one.rule for one in connection.testimony if not one.agrees),
        joined_by=connection.joined_by,
        outcome=connection.outcome,
        first=format_time(connection.first_ns),
        last=format_time(connection.last_ns),
        packets=connection.packets,
        bytes=connection.bytes,
        services=resolution.services if isinstance(resolution, Resolved) else (),
        client=_end(resolution.client),
        server=_end(resolution.server),
        candidates=tuple(map(full_name, candidates)),
        recorded=tuple(dict.fromkeys(map(_recorded, connection.legs))),
    )


def _recorded(leg: Leg) -> Recorded:
    tunnels = tuple(tunnel.kind for tunnel in leg.row.tunnels)
    time = format_time(leg.first_ns)
    return Recorded(leg.recording.node, leg.file, leg.row.number, time, tunnels)


def _end(party: Party | External | None) -> End | None:
    if party is None:
        return None
    return End(party.name) if isinstance(party, External) else _end_of(party)


def _end_of(party: Party) -> End:
    pod, held = party.pod, party.tenure.interval if party.tenure else None
    return End(
        workload=full_name(party.workload),
        pod=f"{pod.namespace}/{pod.name}" if pod else None,
        node=pod.node or None if pod else None,
        held_from=format_time(held.start_ns) if held else None,
        held_until=format_time(held.end_ns) if held and held.end_ns < OPEN else None,
        inferred=party.inferred,
    )


def _hints(question: Question, fates: Mapping[Fate, int], held: Held) -> Iterable[str]:
    """What a person would look at next."""
    workloads = {API_SERVER, *(one for holders in held.values() for one in holders)}
    known = {name for one in workloads for name in (one.name, full_name(one))}
    for name in (question.client, question.server):
        if name not in known:
            near = get_close_matches(name, known, n=3)
            also = f"; did you mean {', '.join(sorted(near))}?" if near else ""
            yield f"no workload {name} in the snapshot{also}"
    if not fates:
        yield "no connection between the two was recorded"
