"""`otterize connections` with a snapshot: each connection, resolved as edges are."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from otterize_pcap.cli.each_mapped import each_mapped
from otterize_pcap.cli.graph_input import report
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import External
from otterize_pcap.intervals import Interval
from otterize_pcap.render.connections import NamedConnection, shown_connection
from otterize_pcap.resolve.build_graph import fate_of
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.merge_graphs import MergedGraphs
from otterize_pcap.resolve.resolution import GroupResolution, Party, Resolution


class NamedConnections:
    """The connections of some captures, of the clients in some namespaces, or of all.

    A capture is read, with its own snapshot where none is given, when its connections are asked
    for, and let go with the last of them.
    """

    def __init__(
        self, captures: Sequence[Path] | None, selection: Selection, namespaces: Collection[str]
    ) -> None:
        self._captures, self._selection = captures, selection
        self._namespaces = namespaces
        self._graphs = MergedGraphs()

    def connections(self) -> Iterator[NamedConnection]:
        """Each connection, by capture and time."""
        for mapped in each_mapped(self._captures, self._selection):
            chosen = list(mapped.select(partial(self._is_wanted, mapped.inclusion.within)))
            chosen.sort(key=lambda each: (each.connection.first_ns, each.connection.legs[0].file))
            yield from (_named(each, mapped) for each in chosen)
            self._graphs.add(mapped.graph)
            # Else they would be held until the next capture is read.
            del mapped, chosen

    def report(self, reporting: Reporting) -> None:
        """Print the summary of those that were read; see `graph_input.report`."""
        report(self._graphs.merged(), reporting)

    def _is_wanted(self, within: Interval | None, resolution: Resolution | GroupResolution) -> bool:
        seen, client = resolution.connection, resolution.client
        if within is not None and not within.touches(seen.first_ns, seen.last_ns, 0):
            return False
        return not self._namespaces or (
            client is not None and client.workload.namespace in self._namespaces
        )


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
