"""The service graph of a capture, connection by connection: what shapes must not change."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from otterize_pcap.connections.clocks import measure_offsets
from otterize_pcap.connections.connect import Connection, connect
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_only import count_ageless, tracked_recordings
from otterize_pcap.connections.legs import Recording, Tuple5
from otterize_pcap.connections.sightings import sightings_of
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Call, HiddenCall
from otterize_pcap.resolve.build_graph import build_calls
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.map_capture import AGELESS, CaptureLookup, Rules


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
    calls, fates, hidden = build_calls(
        map(lookup.resolver.resolve, connections), rules.inclusion, lookup.cluster_dns
    )
    if ageless := count_ageless(_dumps(capture), _shown(_believed(lookup)).__contains__):
        fates[AGELESS] += ageless
    return Calls(calls, hidden, tuple(sorted(fates.items())))


def connections_one_by_one(capture: Capture, rules: Rules) -> list[Connection]:
    """Every row joined and directed on its own: no component, no shape, no group."""
    lookup = CaptureLookup(capture, rules)
    recordings = _believed(lookup)
    recordings += tracked_recordings(_dumps(capture), _shown(recordings).__contains__)
    offsets = measure_offsets(recordings, lookup.contents.clocks_ahead)
    sightings = sightings_of(_dumps(capture), offsets)
    return connect(recordings, lookup.routes, sightings, offsets)


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


def _dumps(capture: Capture) -> list[Dump]:
    return [dump for dump in contents_of(capture).dumps if dump.entries]


def _shown(recordings: Iterable[Recording]) -> set[Tuple5]:
    return {(row.protocol, row.low, row.high) for each in recordings for row in each.rows}
