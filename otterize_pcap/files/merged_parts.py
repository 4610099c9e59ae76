"""Parts of several captures → those of one: as if all their files had been read at once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from otterize_pcap.errors import UsageError
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.records.stream import NO_STOP
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import columns_of, restore


def merge_parts(all_parts: Sequence[CaptureParts]) -> CaptureParts:
    """Put captures together that are parts of one.

    Each file keeps its own table: which rows of neighbouring files are one is known when all files
    are there (`joined_recordings`). What was recorded twice counts once, with a note.

    Raises:
        UsageError: They are captures of their own: each has another manifest.
    """
    manifests = [parts for parts in all_parts if parts.manifest is not None]
    for parts in manifests[1:]:
        if parts.manifest != manifests[0].manifest:
            message = (
                f"{parts.place}: another capture than {manifests[0].place}, by its manifest; "
                "reduce each to a file of its own: every command takes several"
            )
            raise UsageError(message)
    recordings, notes = _without_copies(all_parts)
    return replace(
        (manifests or all_parts)[0],
        read=ReadFiles(
            tuple(recordings),
            tuple(dict.fromkeys(each for parts in all_parts for each in parts.read.unread)),
            (*dict.fromkeys(note for parts in all_parts for note in parts.read.notes), *notes),
            tuple(dict.fromkeys(each for parts in all_parts for each in parts.read.aside)),
        ),
        broken=tuple(dict.fromkeys(each for parts in all_parts for each in parts.broken)),
        folders={node: folder for parts in all_parts for node, folder in parts.folders.items()},
    )


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
    return tuple((node, _joined(found, options)) for node, found in by_path)


def _without_copies(
    all_parts: Sequence[CaptureParts],
) -> tuple[list[tuple[str, CaptureTable]], list[str]]:
    """The recordings, and what is to be said of those that are there twice."""
    recordings: list[tuple[str, CaptureTable]] = []
    notes = []
    for parts in all_parts:
        for node, table in parts.read.recordings:
            if any(node == other and _is_same(table, found) for other, found in recordings):
                notes.append(f"{', '.join(table.files)}: given twice, counted once")
            else:
                recordings.append((node, table))
    return recordings, notes


def _is_same(one: CaptureTable, other: CaptureTable) -> bool:
    """Whether two tables are of the same files: by name, times and all that was counted."""
    return (one.files, one.part_times, len(one)) == (
        other.files,
        other.part_times,
        len(other),
    ) and one.counts == other.counts


def _joined(tables: Sequence[CaptureTable], options: ReadOptions) -> CaptureTable:
    """One node's recordings as one."""
    first, *others = sorted(tables, key=_begin)
    if not others:
        return first
    joined = Reading(options, None).table
    files: list[str] = []
    payloads: list[Payload] = []
    for table in (first, *others):
        restore(joined, columns_of(table.table), len(files))
        payloads += (each._replace(part=each.part + len(files)) for each in table.payloads)
        files += table.files
    return CaptureTable(
        first.name,
        tuple(files),
        joined,
        _counted([table.counts for table in (first, *others)]),
        tuple(payloads),
        tuple(times for table in (first, *others) for times in table.part_times),
    )


def _begin(table: CaptureTable) -> tuple[int, tuple[str, ...]]:
    times = (times[0] for times in table.part_times if times is not None)
    return min(times, default=NO_STOP), table.files


def _counted(counts: Sequence[CaptureCounts]) -> CaptureCounts:
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
