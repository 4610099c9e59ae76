"""Why there is an edge between two workloads, or why there is none.

Input: every connection of a capture with what became of it. Output: the connections that speak of
the two, each with the rules, packets, addresses and tenures that decided, and the DNS answers that
told one of the other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from otterize_pcap.addresses import format_address, format_endpoint
from otterize_pcap.connections.legs import SLACK_NS, Leg
from otterize_pcap.explain.asked_names import AskedName
from otterize_pcap.explain.asked_pair import AskedPair, Question
from otterize_pcap.explain.explanation import (
    ChangeOfHands,
    End,
    ExplainedConnection,
    ExplainedLookup,
    Explanation,
    Recorded,
)
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import External
from otterize_pcap.intervals import OPEN
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.build_graph import fate_of
from otterize_pcap.resolve.lookups import Lookup
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
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
from otterize_pcap.timestamps import format_time

SHOWN = str(Fate(FateKind.RESOLVED))
NOTHING_RECORDED = "no connection between the two was recorded"


def explain(question: Question, mapped: MappedCapture) -> Explanation:
    """Explain one pair.

    Args:
        question: The pair, `name` or `name.namespace`; the server may be an external name too.
        mapped: Every connection with what became of it.
    """
    inclusion = mapped.inclusion
    pair = AskedPair.of(question, mapped.snapshot, mapped.identities, mapped.held)
    fates: Counter[Fate] = Counter()
    speaking: list[tuple[Fate, Resolution]] = []
    for resolution in mapped.select(pair.is_spoken_of, pair.addresses):
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
    # A row that counts nothing is of a document.
    in_lines = not any(side.packets or side.unreachable for side in leg.row.sides)
    return Recorded(leg.recording.node, leg.file, leg.row.number, time, tunnels, in_lines)


def _end(party: Party | External | None) -> End | None:
    if party is None:
        return None
    return End(party.name) if isinstance(party, External) else _end_of(party)


def _end_of(party: Party) -> End:
    pod = party.certain_pod
    held = party.tenure.interval if pod and party.tenure else None
    return End(
        workload=full_name(party.workload),
        pod=f"{pod.namespace}/{pod.name}" if pod else None,
        node=pod.node or None if pod else None,
        held_from=format_time(held.start_ns) if held else None,
        held_until=format_time(held.end_ns) if held and held.end_ns < OPEN else None,
        inferred=party.inferred,
    )


def _hints(pair: AskedPair, fates: Mapping[Fate, int], mapped: MappedCapture) -> Iterator[str]:
    """Why there is no edge, and what would have shown one."""
    seen = what_was_seen(mapped)
    yield from map(unknown_name, pair.unknown)
    if pair.unknown and not seen.watched:
        yield MISSED
    elif not fates:
        yield NOTHING_RECORDED
        files = mapped.lookup.contents.files
        yield from dict.fromkeys(file.sample for file in files if file.sample)
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
    return f"{no_workload(asked.text)}{also}"


def no_workload(name: str) -> str:
    """That nothing in the snapshot has a name."""
    return f"no workload {name} in the snapshot"
