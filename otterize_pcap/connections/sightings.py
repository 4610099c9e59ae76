"""Conntrack entries, each at the time at which its dump shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otterize_pcap.connections.conntrack import Dump, Entry, last_packet_ns
from otterize_pcap.table.rows import Endpoint


@dataclass(frozen=True, slots=True)
class Sighting:
    """One entry of one dump.

    `client` and `target` are the original direction's endpoints, `server` and `reply_to` the
    reply's source and destination. `time_ns`, without the clock's offset, is when its last packet
    passed where `tells_last`, else when the dump was taken. `began_within` tells that an earlier
    dump of the node lacks it, so that it was made between the two: perhaps for a connection that
    was there already (`nf_conntrack_tcp_loose`, or UDP after its timeout).
    """

    protocol: int
    client: Endpoint
    target: Endpoint
    server: Endpoint
    reply_to: Endpoint
    time_ns: int
    tells_last: bool
    assured: bool
    began_within: bool = False

    @property
    def is_translated(self) -> bool:
        """Whether NAT rewrote an end of it."""
        return (self.client, self.target) != (self.reply_to, self.server)


def sightings_of(dumps: Iterable[Dump], offsets: Mapping[str, int]) -> list[Sighting]:
    """The entries of all dumps in order; `offsets` are the nodes' clock offsets in ns."""
    taken = list(dumps)
    earliest = _earliest(taken)
    found: list[Sighting] = []
    for dump in taken:
        offset = offsets.get(dump.node, 0)
        before = earliest[dump.node]
        for entry in dump.entries:
            last_ns = last_packet_ns(entry, dump)
            found.append(
                Sighting(
                    entry.protocol,
                    entry.client,
                    entry.target,
                    entry.server,
                    entry.reply_to,
                    (dump.time_ns if last_ns is None else last_ns) - offset,
                    last_ns is not None,
                    entry.assured,
                    dump.time_ns > before[0] and _original(entry) not in before[1],
                )
            )
    return found


Original = tuple[int, Endpoint, Endpoint]


def _original(entry: Entry) -> Original:
    return entry.protocol, entry.client, entry.target


def _earliest(dumps: Iterable[Dump]) -> dict[str, tuple[int, frozenset[Original]]]:
    """When each node's table was dumped first, and the original directions that it had then."""
    found: dict[str, tuple[int, frozenset[Original]]] = {}
    for dump in dumps:
        if dump.node not in found or dump.time_ns < found[dump.node][0]:
            found[dump.node] = dump.time_ns, frozenset(map(_original, dump.entries))
    return found
