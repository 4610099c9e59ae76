"""Tables of several files → the recordings of nodes: as if one reader had read them in order."""

from collections.abc import Iterable, Sequence

from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.records.stream import NO_STOP
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import in_batches, restore

BATCH = 1 << 17
"""Rows that are there twice while they are moved from one table to another."""


def joined_recordings(
    recordings: Iterable[tuple[str, CaptureTable]], options: ReadOptions
) -> tuple[tuple[str, CaptureTable], ...]:
    """The recordings of each node as one, its files in the order of their first packets.

    Raises:
        TooManyConnections: There is no room for all.
    """
    tables: dict[str, list[CaptureTable]] = {}
    for node, table in recordings:
        tables.setdefault(node, []).append(table)
    by_path = sorted(tables.items(), key=lambda found: min(table.files for table in found[1]))
    return tuple(
        (node, joined_table(sorted(found, key=_begin), options)) for node, found in by_path
    )


def joined_table(tables: Sequence[CaptureTable], options: ReadOptions) -> CaptureTable:
    """The tables of files that follow one another as one.

    Raises:
        TooManyConnections: There is no room for all.
    """
    first, *others = tables
    if not others:
        return first
    joined = Reading(options, None).table
    files: list[str] = []
    payloads: list[Payload] = []
    for table in (first, *others):
        for columns in in_batches(table.table, BATCH):
            restore(joined, columns, len(files))
        payloads += (each._replace(part=each.part + len(files)) for each in table.payloads)
        files += table.files
    return CaptureTable(
        first.name,
        tuple(files),
        joined,
        joined_counts([table.counts for table in (first, *others)]),
        tuple(payloads),
        tuple(times for table in (first, *others) for times in table.part_times),
    )


def _begin(table: CaptureTable) -> tuple[int, tuple[str, ...]]:
    times = (times[0] for times in table.part_times if times is not None)
    return min(times, default=NO_STOP), table.files


def joined_counts(counts: Sequence[CaptureCounts]) -> CaptureCounts:
    """Counts of several recordings together."""
    skipped: dict[str, int] = {}
    closed = ClosedTunnels()
    for each in counts:
        closed.append(each.closed)
        for reason, packets in each.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + packets
    dropped = [each.dropped for each in counts if each.dropped is not None]
    return CaptureCounts(
        packets=sum(each.packets for each in counts),
        bytes=sum(each.bytes for each in counts),
        first_ns=min((each.first_ns for each in counts if each.first_ns is not None), default=None),
        last_ns=max((each.last_ns for each in counts if each.last_ns is not None), default=None),
        skipped=skipped,
        declined=sum(each.declined for each in counts),
        truncated=sum(each.truncated for each in counts),
        damage=tuple(line for each in counts for line in each.damage),
        dropped=sum(dropped) if dropped else None,
        payloads_left_out=sum(each.payloads_left_out for each in counts),
        closed=closed,
    )
