"""Why there is an edge between two workloads, or why there is none.

Input: every connection of a capture with what became of it. Output: the connections that speak of
the two, each with the rules, packets, addresses and tenures that decided, and the DNS answers that
told one of the other.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from otterize_pcap.addresses import format_address, format_endpoint
from otterize_pcap.asked_names import AskedName, find_asked
from otterize_pcap.connections.legs import SLACK_NS, Leg
from otterize_pcap.explanation import (
    ChangeOfHands,
    End,
    ExplainedConnection,
    ExplainedLookup,
    Explanation,
    Recorded,
)
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Call, External, Workload
from otterize_pcap.intervals import OPEN
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.api_server import API_SERVER_NAME
from otterize_pcap.resolve.build_graph import fate_of
from otterize_pcap.resolve.identity import Identities, held_by_workloads
from otterize_pcap.resolve.lookups import Lookup
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
    API_SERVER,
    GroupResolution,
    Party,
    Resolution,
    Resolved,
    Unresolved,
)
from otterize_pcap.resolve.would_show import (
    MISSED,
    fate_lines,
    homes_of,
    unrecorded_line,
    what_was_seen,
)
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import format_time

Held = Mapping[bytes, Collection[Workload]]
SHOWN = str(Fate(FateKind.RESOLVED))
NOTHING_RECORDED = "no connection between the two was recorded"


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
    inclusion = mapped.inclusion
    pair = _Pair.of(question, mapped.snapshot, mapped.identities, mapped.held)
    fates: Counter[Fate] = Counter()
    speaking: list[tuple[Fate, Resolution]] = []
    for resolution in mapped.select(pair.is_spoken_of):
        fate = fate_of(resolution, inclusion, mapped.cluster_dns)
        fates[fate] += 1
        speaking.append((fate, resolution))
    speaking.sort(key=lambda entry: (not _is_shown(entry[0]), entry[1].connection.first_ns))
    lookups = list(_once(lookup for lookup in mapped.lookups if pair.is_looked_up(lookup)))
    is_edge = any(map(_is_shown, fates)) or (inclusion.lookups and bool(lookups))
    return Explanation(
        client=question.client,
        server=question.server,
        is_edge=is_edge,
        fates=tuple((str(fate), count) for fate, count in sorted(fates.items())),
        connections=tuple(_explained(*entry, mapped) for entry in speaking[: question.most]),
        hints=() if is_edge else tuple(_hints(pair, fates, mapped)),
        looked_up=len(lookups),
        lookups=tuple(map(_explained_lookup, lookups[: question.most])),
        unknown=() if fates or lookups else tuple(one.text for one in pair.unknown),
    )


def is_between(question: Question, mapped: MappedCapture, calls: Iterable[Call]) -> bool:
    """Whether one of some calls is one of the pair."""
    pair = _Pair.of(question, mapped.snapshot, mapped.identities, mapped.held)
    return any(pair.is_call(call) for call in calls)


def asked_services(
    question: Question, snapshot: Snapshot, identities: Identities
) -> frozenset[str] | None:
    """The names of the Services that may stand for the server asked about (S42).

    None where it is no workload that the snapshot knows: any name in the packets may be its own.
    To keep them all took minutes where a capture has a million lookups.
    """
    server = find_asked(question.server, snapshot, identities)
    held = held_by_workloads(snapshot, identities)
    is_api_server = API_SERVER in server.workloads
    if not server.addresses and not is_api_server:
        return None
    asked = server.addresses
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


@dataclass(frozen=True, slots=True)
class _Pair:
    """Whom the two names mean in one capture, and who held which address there."""

    client: AskedName
    server: AskedName
    held: Held

    @classmethod
    def of(
        cls, question: Question, snapshot: Snapshot, identities: Identities, held: Held
    ) -> "_Pair":
        client, server = (
            find_asked(name, snapshot, identities) for name in (question.client, question.server)
        )
        return cls(client, server, held)

    @property
    def unknown(self) -> list[AskedName]:
        """Names that mean nothing; a Service calls nobody."""
        client = () if self.client.is_known and not self.client.services else (self.client,)
        return [*client, *(() if self.server.is_known else (self.server,))]

    def is_looked_up(self, lookup: Lookup) -> bool:
        """Whether DNS told the one of the other."""
        by = self.client.is_party(lookup.client)
        if self.client.address is not None:
            by = lookup.answer.client == self.client.address
        return bool(by) and self.server.is_workload(lookup.server)

    def is_call(self, call: Call) -> bool:
        """Whether a call of the graph may be one of the two."""
        through = {name for use in call.uses for name in use.services}
        return _may_be(self.client, call.client) and (
            _may_be(self.server, call.server) or not through.isdisjoint(self.server.services)
        )

    def is_spoken_of(self, resolution: Resolution | GroupResolution) -> bool:
        """Whether a connection is, or could be, of the pair: one end surely, the other perhaps.

        Where nothing tells client from server, it speaks of the pair either way round.
        """
        client = self._says(resolution, "client", self.client)
        server = self._says(resolution, "server", self.server)
        if isinstance(resolution, Unresolved) and resolution.fate.kind is FateKind.UNDIRECTED:
            turned = (
                self._says(resolution, "server", self.client),
                self._says(resolution, "client", self.server),
            )
            return turned == (True, True) or (client, server) == (True, True)
        return client is not False and server is not False and (client or server) is True

    def _says(
        self, resolution: Resolution | GroupResolution, side: str, asked: AskedName
    ) -> bool | None:
        """Whether one end is who was asked about; None where it could be."""
        connection = resolution.connection
        ends = connection.clients if side == "client" else connection.servers
        if asked.address is not None:
            return any(address == asked.address for address, _ in ends)
        if asked.services:
            through = resolution.services if isinstance(resolution, Resolved) else None
            return None if through is None else bool(asked.services.intersection(through))
        party = getattr(resolution, side)
        if party is not None:
            return asked.is_party(party)
        if isinstance(resolution, Unresolved) and resolution.side == side:
            if resolution.candidates:
                return any(map(asked.is_workload, resolution.candidates))
            if resolution.fate.kind is FateKind.EXTERNAL_CLIENT:
                return False
        if asked.pods:
            return any(address in asked.addresses for address, _ in ends)
        holders = {one for address, _ in ends for one in self.held.get(address, ())}
        return any(map(asked.is_workload, holders)) if holders else None


def _explained(fate: Fate, resolution: Resolution, mapped: MappedCapture) -> ExplainedConnection:
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
        changes=tuple(
            ChangeOfHands(format_address(address), format_time(after), format_time(by))
            for address in dict.fromkeys(end[0] for end in connection.clients + connection.servers)
            for after, by in mapped.changes_of_hands(address)
        ),
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


def _may_be(asked: AskedName, party: Workload | External) -> bool:
    """Whether an end of a call may be who was asked about; nobody holds some addresses."""
    return asked.is_workload(party) or (asked.address is not None and not asked.workloads)


def _hints(pair: _Pair, fates: Mapping[Fate, int], mapped: MappedCapture) -> Iterator[str]:
    """Why there is no edge, and what would have shown one."""
    seen = what_was_seen(mapped)
    yield from map(unknown_name, pair.unknown)
    if pair.unknown and not seen.watched:
        yield MISSED
    elif not fates:
        yield NOTHING_RECORDED
        homes = homes_of(mapped)
        client, server = (
            {node for one in side.workloads for node in homes.get(one, ())}
            for side in (pair.client, pair.server)
        )
        yield from filter(None, (unrecorded_line(client, server, seen),))
    yield from fate_lines(fates, seen)


def unknown_name(asked: AskedName) -> str:
    """That a name means nothing, and what was perhaps meant."""
    also = f"; did you mean {', '.join(asked.near)}?" if asked.near else ""
    return f"{_no_workload(asked.text)}{also}"


def _no_workload(name: str) -> str:
    return f"no workload {name} in the snapshot"


def merge_explanations(parts: Sequence[Explanation], most: int) -> Explanation:
    """What several captures say of one pair, as one; at most so many connections, edges first."""
    if len(parts) == 1:
        return parts[0]
    fates: Counter[str] = Counter()
    for part in parts:
        fates.update(dict(part.fates))
    connections = sorted(
        (one for part in parts for one in part.connections),
        key=lambda one: (one.fate != SHOWN, one.first),
    )
    lookups = sorted((one for part in parts for one in part.lookups), key=lambda one: one.time)
    is_edge = any(part.is_edge for part in parts)
    unknown = tuple(name for name in parts[0].unknown if all(name in one.unknown for one in parts))
    spoken_of = is_edge or fates or lookups
    return Explanation(
        client=parts[0].client,
        server=parts[0].server,
        is_edge=is_edge,
        fates=tuple(sorted(fates.items())),
        connections=tuple(connections[:most]),
        hints=() if is_edge else tuple(_common_hints(parts, unknown, bool(fates))),
        looked_up=sum(part.looked_up for part in parts),
        lookups=tuple(lookups[:most]),
        unknown=() if spoken_of else unknown,
    )


def _common_hints(
    parts: Sequence[Explanation], unknown: Collection[str], recorded: bool
) -> Iterator[str]:
    """The hints of all parts that still hold of all together, each once."""
    names = {name for part in parts for name in (part.client, part.server)} - set(unknown)
    for hint in dict.fromkeys(hint for part in parts for hint in part.hints):
        known = any(hint.partition(";")[0] == _no_workload(name) for name in names)
        if not known and not (recorded and hint == NOTHING_RECORDED):
            yield hint
