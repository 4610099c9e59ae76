"""The service graph of a capture, connection by connection: what shapes must not change."""

from dataclasses import dataclass, replace

from otterize_pcap.connections.clocks import measure_differences, other_readings, relative_offsets
from otterize_pcap.connections.connect import connect
from otterize_pcap.connections.conntrack_only import count_ageless, tracked_recordings
from otterize_pcap.connections.sightings import sightings_of
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Call, HiddenCall
from otterize_pcap.resolve.build_graph import build_calls
from otterize_pcap.resolve.map_capture import AGELESS, Capture, CaptureLookup, Rules


@dataclass(frozen=True, slots=True)
class Calls:
    """What a graph says of calls."""

    shown: tuple[Call, ...]
    hidden: tuple[HiddenCall, ...]
    fates: tuple[tuple[Fate, int], ...]


def calls_one_by_one(capture: Capture, rules: Rules) -> Calls:
    """Every row joined, directed and resolved on its own: no component, no shape, no group."""
    lookup = CaptureLookup(capture, rules)
    recordings = [
        replace(
            recording,
            rows=tuple(row for row in recording.rows if lookup.believes(row.tunnels)),
            table=None,
        )
        for recording in capture.recordings
    ]
    shown = {(row.protocol, row.low, row.high) for each in recordings for row in each.rows}
    dumps = [dump for dump in capture.dumps if dump.entries]
    recordings += tracked_recordings(dumps, shown.__contains__)
    differences = measure_differences(recordings)
    nodes = sorted({recording.node for recording in recordings})
    offsets = relative_offsets(differences, nodes, capture.clocks_ahead)
    resolver = lookup.resolver(other_readings(differences, nodes, capture.clocks_ahead))
    connections = connect(recordings, lookup.routes, sightings_of(dumps, offsets), offsets)
    calls, fates, hidden = build_calls(
        map(resolver.resolve, connections), rules.inclusion, lookup.cluster_dns
    )
    if ageless := count_ageless(dumps, shown.__contains__):
        fates[AGELESS] += ageless
    return Calls(calls, hidden, tuple(sorted(fates.items())))
