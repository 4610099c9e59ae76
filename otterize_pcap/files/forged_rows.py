"""What was seen only because a tunnel that was left closed held it is no call (S25)."""

from collections.abc import Collection, Container, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.connections.conntrack import Dump, Entry
from otterize_pcap.packets.closed_tunnels import ClaimedEnd, ClosedTunnels
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.read import CaptureTable


def closed_of(recordings: Sequence[tuple[str, CaptureTable]]) -> ClosedTunnels:
    """The tunnels left closed, in all recordings together."""
    closed = ClosedTunnels()
    for _, table in recordings:
        closed.append(table.counts.closed)
    return closed


class Strays(Struct, frozen=True):
    """Endpoints in closed tunnels whose own node would have recorded what they send.

    `homes` has the nodes on which pods had each of their addresses, all of them recorded. Looked
    up by address: to list for each node who is elsewhere took nodes times pods.
    """

    ends: Collection[ClaimedEnd]
    homes: Mapping[bytes, frozenset[str]]

    @classmethod
    def of(cls, closed: ClosedTunnels, recorded: Collection[str], snapshot: Snapshot) -> "Strays":
        """Those of closed tunnels, where these nodes were recorded."""
        claimed = closed.ends()
        homes = {}
        for address in {address for _, (address, _) in claimed}:
            nodes = frozenset(held.pod.node for held in snapshot.tenures.get(address, ()))
            if nodes and nodes.issubset(recorded):
                homes[address] = nodes
        return cls({end for end in claimed if end[1][0] in homes}, homes)

    def elsewhere(self, node: str) -> Container[bytes]:
        """The addresses of pods that were only on other nodes."""
        return _Elsewhere(self.homes, node)

    def left_out(self, dumps: Sequence[Dump]) -> list[Dump]:
        """Dumps without what nodes track of packets that came in closed tunnels."""
        if not self.ends:
            return list(dumps)
        return [
            replace(
                dump, entries=tuple(e for e in dump.entries if not self._is_stray(e, dump.node))
            )
            for dump in dumps
        ]

    def _is_stray(self, entry: Entry, node: str) -> bool:
        client = (entry.protocol, entry.client)
        return client in self.ends and entry.client[0] in self.elsewhere(node)


class _Elsewhere(Struct, frozen=True):
    homes: Mapping[bytes, frozenset[str]]
    node: str

    def __contains__(self, address: object) -> bool:
        nodes = self.homes.get(address) if isinstance(address, bytes) else None
        return nodes is not None and self.node not in nodes
