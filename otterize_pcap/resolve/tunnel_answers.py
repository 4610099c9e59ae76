"""Tunnels between pods, each way a connection of its own (S25).

Both ends of a VXLAN or Geneve tunnel send to the tunnel's port, from source ports that they make
of what is inside (RFC 7348, 5; RFC 8926, 3.3). Question and answer are two 5-tuples then, and to
either alone nothing was answered.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.outcome import ESTABLISHED, UNANSWERED
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.resolve.resolution import GroupResolution, Resolution, Resolved, Unresolved

ANSWERS = Fate(FateKind.NOT_A_CALL, "answers to a tunnel between pods")

Way = tuple[bytes, bytes, int]
"""Who sent to whom, and to which port."""

Judged = TypeVar("Judged", Resolution, GroupResolution)


class TunnelAnswers:
    """Knows which one-way connections answer each other.

    Args:
        closed: The tunnels that were left closed.
        resolutions: What became of all connections.
    """

    def __init__(
        self,
        closed: Mapping[Tunnel, int],
        resolutions: Iterable[Resolution | GroupResolution],
    ) -> None:
        self._pairs = {(tunnel.low, tunnel.high) for tunnel in closed}
        self._began: dict[Way, int] = {}
        for resolution in resolutions if self._pairs else ():
            way = self._way(resolution)
            if way is not None:
                first_ns = resolution.connection.first_ns
                self._began[way] = min(self._began.get(way, first_ns), first_ns)

    def judge(self, resolution: Judged) -> Judged:
        """The same, called by whoever sent first where the other sent as well."""
        way = self._way(resolution) if self._began else None
        if way is None:
            return resolution
        source, target, port = way
        answered_ns = self._began.get((target, source, port))
        if answered_ns is None:
            return resolution
        connection = resolution.connection
        if (self._began[way], source) > (answered_ns, target):
            return Unresolved(connection, ANSWERS)
        if isinstance(connection, Connection):
            answered = replace(connection, outcome=ESTABLISHED)
            return replace(resolution, connection=answered)
        kind = replace(connection.kind, outcome=ESTABLISHED)
        return replace(resolution, connection=connection._replace(kind=kind))

    def _way(self, resolution: Resolution | GroupResolution) -> Way | None:
        """The way that a one-way connection within a closed tunnel went."""
        connection = resolution.connection
        if (
            not isinstance(resolution, Resolved)
            or connection.protocol != UDP
            or connection.outcome != UNANSWERED
        ):
            return None
        (source, _), (target, port) = connection.clients[0], connection.servers[-1]
        return (source, target, port) if tuple(sorted((source, target))) in self._pairs else None
