"""`otterize connections` with a snapshot: each connection, resolved as edges are."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from otterize_pcap.cli.each_mapped import with_time_of
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.inputs import open_captures
from otterize_pcap.cli.selection import Reporting
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import External
from otterize_pcap.intervals import Interval
from otterize_pcap.render.connections import NamedConnection, shown_connection
from otterize_pcap.resolve.build_graph import fate_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.merge_graphs import merge_graphs
from otterize_pcap.resolve.resolution import GroupResolution, Party, Resolution
from otterize_pcap.resolve.time_asked import TimeAsked
from otterize_pcap.table.read import ReadOptions


@dataclass(frozen=True, slots=True)
class NamedConnections:
    """The connections of some captures, of the clients in some namespaces, or of all."""

    captures: Sequence[MappedCapture]
    namespaces: Collection[str]

    @property
    def connections(self) -> Iterator[NamedConnection]:
        """Each connection, by capture and time."""
        for mapped in self.captures:
            chosen = list(mapped.select(partial(self._is_wanted, mapped.inclusion.within)))
            chosen.sort(key=lambda each: (each.connection.first_ns, each.connection.legs[0].file))
            yield from (_named(each, mapped) for each in chosen)

    def report(self, reporting: Reporting) -> None:
        """Print the summary; see `graph_input.report`."""
        report(merge_graphs([mapped.graph for mapped in self.captures]), reporting)

    def _is_wanted(self, within: Interval | None, resolution: Resolution | GroupResolution) -> bool:
        seen, client = resolution.connection, resolution.client
        if within is not None and not within.touches(seen.first_ns, seen.last_ns, 0):
            return False
        return not self.namespaces or (
            client is not None and client.workload.namespace in self.namespaces
        )


def named_connections(
    captures: Sequence[Path] | None,
    snapshots: Sequence[Path] | None,
    namespaces: Collection[str],
    options: ReadOptions,
    time: TimeAsked,
) -> NamedConnections:
    """Read captures with a snapshot, their own where none is given."""
    opened = open_captures(captures, snapshots, options)
    rules = with_time_of(opened, Rules(time=time))
    return NamedConnections([map_capture(each, rules) for each in opened], namespaces)


def _named(resolution: Resolution, mapped: MappedCapture) -> NamedConnection:
    fate = fate_of(resolution, mapped.inclusion, mapped.cluster_dns)
    return NamedConnection(
        shown_connection(resolution.connection),
        _name(resolution.client),
        _name(resolution.server),
        str(fate),
    )


def _name(end: Party | External | None) -> str:
    if end is None:
        return ""
    return full_name(end.workload if isinstance(end, Party) else end)
