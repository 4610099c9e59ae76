"""The service graph of a capture, connection by connection: what shapes must not change."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from otterize_pcap.connections.clocks import measure_differences, other_readings, relative_offsets
from otterize_pcap.connections.component_index import RowIndex
from otterize_pcap.connections.connect import Connection, connect
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_flows import MANY
from otterize_pcap.connections.conntrack_only import ageless_entries, tracked_recordings
from otterize_pcap.connections.evidence import Known, conntrack_originals
from otterize_pcap.connections.facts import SnapshotFacts
from otterize_pcap.connections.known_ends import KnownEnds
from otterize_pcap.connections.legs import UDP_GAP_NS, Flow, Recording, Tuple5
from otterize_pcap.connections.pieces import NEVER, TableTimes
from otterize_pcap.connections.port_ranges import Ranges
from otterize_pcap.connections.shapes import EndFact
from otterize_pcap.connections.sightings import Sighting, sightings_of
from otterize_pcap.connections.snapshot_answers import SnapshotAnswers
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Call, HiddenCall
from otterize_pcap.resolve.build_graph import build_calls
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.resolve.tunnel_answers import TunnelAnswers
from otterize_pcap.resolve.undecided import AGELESS
from otterize_pcap.table.rows import Endpoint


@dataclass(frozen=True, slots=True)
class Calls:
    """What a graph says of calls."""

    shown: tuple[Call, ...]
    hidden: tuple[HiddenCall, ...]
    fates: tuple[tuple[Fate, int], ...]


def calls_one_by_one(capture: Capture, rules: Rules) -> Calls:
    """The calls of connections that were looked at one by one."""
    lookup = CaptureLookup(capture, rules)
    connections = connections_one_by_one(capture, rules)
    recordings = _with_tracked(capture, lookup)
    resolver = lookup.resolver(_settled(recordings, lookup)[1])
    resolutions = [resolver.resolve(connection) for connection in connections]
    answers = TunnelAnswers(lookup.contents.closed, resolutions)
    calls, fates, hidden = build_calls(
        map(answers.judge, resolutions), rules.inclusion, lookup.cluster_dns
    )
    if ageless := ageless_entries(_dumps(capture), _shown(_believed(lookup)).__contains__):
        fates[AGELESS] += len(ageless)
    return Calls(calls, hidden, tuple(sorted(fates.items())))


def connections_one_by_one(capture: Capture, rules: Rules) -> list[Connection]:
    """Every row joined and directed on its own: no component, no shape, no group."""
    lookup = CaptureLookup(capture, rules)
    recordings = _with_tracked(capture, lookup)
    offsets, _ = _settled(recordings, lookup)
    sightings = sightings_of(_dumps(capture), offsets)
    surveyed = partial(survey, recordings, lookup.routes, lookup.port_ranges(), offsets)
    return connect(recordings, lookup.routes, sightings, offsets, surveyed)


def _with_tracked(capture: Capture, lookup: CaptureLookup) -> list[Recording]:
    """What packets show, and what conntrack alone knows."""
    recordings = _believed(lookup)
    return recordings + tracked_recordings(_dumps(capture), _shown(recordings).__contains__)


def _settled(
    recordings: Sequence[Recording], lookup: CaptureLookup
) -> tuple[dict[str, int], tuple[int, ...]]:
    """The clocks, as far as hands of addresses tell which was right."""
    clocks = _clocks(recordings, lookup)
    return lookup.hands.settle(relative_offsets(*clocks), other_readings(*clocks))


def _clocks(
    recordings: Sequence[Recording], lookup: CaptureLookup
) -> tuple[dict[tuple[str, str], int], list[str], Mapping[str, int]]:
    """Measured differences, nodes, and what was measured against the API server's clock."""
    nodes = sorted({recording.node for recording in recordings})
    return measure_differences(recordings), nodes, lookup.contents.clocks_ahead


def _believed(lookup: CaptureLookup) -> list[Recording]:
    """The recordings without what a pod put into a tunnel itself (S25)."""
    return [
        replace(
            recording,
            rows=tuple(row for row in recording.rows if lookup.believes(row.tunnels)),
            table=None,
        )
        for recording in lookup.contents.recordings
    ]


def _dumps(capture: Capture) -> Sequence[Dump]:
    return contents_of(capture).dumps


def _shown(recordings: Iterable[Recording]) -> set[Tuple5]:
    return {(row.protocol, row.low, row.high) for each in recordings for row in each.rows}


def survey(
    recordings: Sequence[Recording],
    snapshot: SnapshotFacts,
    ranges: Ranges,
    offsets: Mapping[str, int],
    flows: Collection[Flow],
    sightings: Sequence[Sighting],
) -> Known:
    """What direction asks of the whole capture, of every endpoint there is."""
    index = RowIndex()
    for table, recording in enumerate(recordings):
        for row in recording.rows:
            index.add(row, table)
    files = sorted({file for each in recordings for file in each.files})
    times = [
        TableTimes(
            offsets.get(each.node, 0),
            NEVER if each.first_ns is None else each.first_ns + UDP_GAP_NS,
            [files.index(file) for file in each.files],
        )
        for each in recordings
    ]
    ends = KnownEnds(index, SnapshotAnswers(snapshot), times, ranges)
    asked = {(flow.protocol, flow.endpoint(side)) for flow in flows for side in (0, 1)}
    for one in sightings:
        asked |= {(one.protocol, end) for end in (one.client, one.target, one.server, one.reply_to)}
    facts = {end: ends.facts(*end) for end in asked}

    def having(fact: EndFact) -> frozenset[tuple[int, Endpoint]]:
        return frozenset(end for end, found in facts.items() if found & fact)

    began: dict[Tuple5, int] = {}
    for flow in flows:
        began[flow.tuple5] = min(began.get(flow.tuple5, flow.first_ns), flow.first_ns)
    return Known(
        servers=having(EndFact.ANSWERED),
        originals=conntrack_originals(sightings),
        shared=having(EndFact.SHARED),
        mostly_clients=having(EndFact.MOSTLY_CLIENT),
        mostly_servers=having(EndFact.MOSTLY_SERVER),
        ports={end: ends.port_facts(end) for _, end in asked},
        crowded=crowded_isns(flows),
        began=began,
    )


def crowded_isns(flows: Iterable[Flow]) -> frozenset[tuple[int, int]]:
    """The (protocol, client ISN) that more 5-tuples show than one connection can have."""
    shown: dict[tuple[int, int], set[Tuple5]] = {}
    for flow in flows:
        for leg in flow.legs:
            if leg.row.client_isn is not None:
                shown.setdefault((flow.protocol, leg.row.client_isn), set()).add(flow.tuple5)
    return frozenset(key for key, tuples in shown.items() if len(tuples) > MANY)
