"""Conntrack entries, each at the time at which its dump shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otterize_pcap.connections.conntrack import Dump, last_packet_ns
from otterize_pcap.table.rows import Endpoint


@dataclass(frozen=True, slots=True)
class Sighting:
    """One entry of one dump.

    `client` and `target` are the original direction's endpoints, `server` and `reply_to` the
    reply's source and destination. `time_ns`, without the clock's offset, is when its last packet
    passed where `tells_last`, else when the dump was taken.
    """

    protocol: int
    client: Endpoint
    target: Endpoint
    server: Endpoint
    reply_to: Endpoint
    time_ns: int
    tells_last: bool
    assured: bool

    @property
    def is_translated(self) -> bool:
        """Whether NAT rewrote an end of it."""
        return (self.client, self.target) != (self.reply_to, self.server)


def sightings_of(dumps: Iterable[Dump], offsets: Mapping[str, int]) -> list[Sighting]:
    """The entries of all dumps in order; `offsets` are the nodes' clock offsets in ns."""
    found: list[Sighting] = []
    for dump in dumps:
        offset = offsets.get(dump.node, 0)
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
                )
            )
    return found
