"""Conntrack entries, each at the time at which its dump shows it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from otterize_pcap.connections.conntrack import Dump, Entry, last_packet_ns
from otterize_pcap.table.rows import Endpoint


class Sighting(Struct, frozen=True):
    """One entry of one dump.

    `client` and `target` are the original direction's endpoints, `server` and `reply_to` the
    reply's source and destination. `time_ns`, without the clock's offset, is when its last packet
    passed where `tells_last`, else when the dump was taken. `began_within` tells that no dump shows
    it at the start of the capture, so that it may have been made since: perhaps for a connection
    that was there already (`nf_conntrack_tcp_loose`, or UDP after its timeout).
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
    known = _at_start(taken)
    found: list[Sighting] = []
    for dump in taken:
        offset = offsets.get(dump.node, 0)
        before = known[dump.node]
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
                    _original(entry) not in before,
                )
            )
    return found


Original = tuple[int, Endpoint, Endpoint]


def _original(entry: Entry) -> Original:
    return entry.protocol, entry.client, entry.target


def _at_start(dumps: Iterable[Dump]) -> dict[str, frozenset[Original]]:
    """The original directions that each node's table had when its capture began."""
    first: dict[str, Dump] = {}
    for dump in dumps:
        if dump.node not in first or dump.time_ns < first[dump.node].time_ns:
            first[dump.node] = dump
    return {
        node: frozenset(map(_original, dump.entries if dump.at_start else ()))
        for node, dump in first.items()
    }
