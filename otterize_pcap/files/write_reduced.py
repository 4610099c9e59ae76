"""A capture's parts, written to one file as a reduced capture."""

from collections.abc import Sequence
from typing import BinaryIO

from otterize_pcap.capture_dir import encode_manifest
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.reduced_files import require_pyarrow
from otterize_pcap.reduced.saved_capture import (
    VERSION,
    SavedBroken,
    SavedCapture,
    SavedDocument,
    SavedFolder,
    SavedRecording,
    SavedUnread,
    save_counts,
    saved_reading,
)
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.table.table_columns import in_batches
from otterize_pcap.version import __version__


def write_reduced(
    stream: BinaryIO,
    parts: CaptureParts,
    documents: Sequence[SavedDocument],
    options: ReadOptions,
) -> None:
    """Write a capture's parts, its snapshot's documents, and how it was read.

    Raises:
        CaptureError: pyarrow is not installed.
        OSError: The stream cannot be written.
    """
    require_pyarrow("otterize reduce")
    # pyarrow takes a tenth of a second to import, and need not be installed.
    from otterize_pcap.reduced.parquet import ROW_GROUP, RecordingRows, write_parquet  # noqa: PLC0415

    write_parquet(
        stream,
        _saved(parts, documents, options),
        (
            RecordingRows(in_batches(table.table, ROW_GROUP), node, table.files, table.payloads)
            for node, table in parts.read.recordings
        ),
    )


def _saved(
    parts: CaptureParts, documents: Sequence[SavedDocument], options: ReadOptions
) -> SavedCapture:
    """All that a capture is made of, but for its rows."""
    return SavedCapture(
        version=VERSION,
        tool=__version__,
        place="" if parts.place is None else str(parts.place),
        reading=saved_reading(options),
        recordings=tuple(_recording(node, table) for node, table in parts.read.recordings),
        documents=tuple(documents),
        folders={
            node: SavedFolder(str(folder.place), dict(folder.contents))
            for node, folder in parts.folders.items()
        },
        manifest=None if parts.manifest is None else encode_manifest(parts.manifest),
        unread=tuple(
            SavedUnread(str(each.path), each.node, each.reason) for each in parts.read.unread
        ),
        broken=tuple(SavedBroken(each.node, each.file, each.reason) for each in parts.broken()),
        notes=parts.read.notes,
        aside=parts.read.aside,
    )


def _recording(node: str, table: CaptureTable) -> SavedRecording:
    return SavedRecording(
        node, table.name, table.files, len(table), table.part_times, save_counts(table.counts)
    )
