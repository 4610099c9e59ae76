"""Parts of several captures → those of one: as if all their files had been read at once."""

from collections.abc import Sequence

from msgspec.structs import replace

from otterize_pcap.errors import UsageError
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.table.read import CaptureTable


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
        broken=lambda: tuple(dict.fromkeys(each for parts in all_parts for each in parts.broken())),
        folders={node: folder for parts in all_parts for node, folder in parts.folders.items()},
    )


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
