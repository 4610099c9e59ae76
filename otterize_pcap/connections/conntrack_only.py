"""Conntrack entries of which no packet was recorded → recordings of them alone (S46).

A connection that was silent while packets were recorded is known from conntrack only. Each open
entry becomes rows without packets, one for each pair of endpoints that NAT gave it, at the time
of its last packet. From there on it is joined, directed and resolved as any other; its evidence
names the dump, and the line in it instead of a packet's number.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

from otterize_pcap.connections.conntrack import Dump, Entry, is_open, last_packet_ns
from otterize_pcap.connections.conntrack_flows import tuple5
from otterize_pcap.connections.legs import Recording, Tuple5
from otterize_pcap.table.rows import Row


def tracked_recordings(dumps: Iterable[Dump], shows: Callable[[Tuple5], bool]) -> list[Recording]:
    """What conntrack alone knows, a recording a dump.

    Args:
        dumps: Conntrack dumps of the nodes.
        shows: Whether the captures hold a packet between two endpoints.
    """
    recordings = []
    for dump in dumps:
        # As packets are: a dump may list a connection twice, and evidence is the earlier one's.
        rows = tuple(sorted(_rows(dump, shows), key=attrgetter("first_ns", "number")))
        if rows:
            recordings.append(Recording((dump.where,), dump.node, rows))
    return recordings


def ends_of(entry: Entry) -> tuple[Tuple5, Tuple5]:
    """The 5-tuples of an entry before and after NAT."""
    return (
        tuple5(entry.protocol, entry.client, entry.target),
        tuple5(entry.protocol, entry.reply_to, entry.server),
    )


def ageless_entries(dumps: Iterable[Dump], shows: Callable[[Tuple5], bool]) -> tuple[Entry, ...]:
    """The open connections that conntrack alone knows without telling when they last spoke."""
    found = {
        ends_of(entry): entry
        for dump in dumps
        for entry in dump.entries
        if _alone(entry, shows) and last_packet_ns(entry, dump) is None
    }
    return tuple(found.values())


def _alone(entry: Entry, shows: Callable[[Tuple5], bool]) -> bool:
    return is_open(entry) and not any(map(shows, ends_of(entry)))


def _rows(dump: Dump, shows: Callable[[Tuple5], bool]) -> Iterator[Row]:
    for entry in dump.entries:
        if not _alone(entry, shows):
            continue
        time_ns = last_packet_ns(entry, dump)
        if time_ns is None:
            continue
        before, after = ends_of(entry)
        yield _row(before, entry, time_ns)
        if after != before:
            yield _row(after, entry, time_ns)


def _row(ends: Tuple5, entry: Entry, time_ns: int) -> Row:
    protocol, low, high = ends
    sender = entry.client if entry.client in (low, high) else entry.reply_to
    return Row(
        protocol=protocol,
        tunnels=(),
        interface=0,
        low=low,
        high=high,
        number=entry.line,
        first_sender=int(sender != low),
        first_ns=time_ns,
        last_ns=time_ns,
    )
