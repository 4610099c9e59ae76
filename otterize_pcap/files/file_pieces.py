"""Large files → pieces that workers read, and what they sent → one table again.

As in threads, a place to cut at is a guess: a piece is believed only where the one before it ends
exactly there, and else the whole file is read at once.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.opening import open_stream, path_text
from otterize_pcap.files.worker_tasks import Piece, SentPiece
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.ranged_file import ranged_file
from otterize_pcap.records.stream import NO_STOP
from otterize_pcap.table.chunk_boundaries import boundaries
from otterize_pcap.table.read import CaptureTable, ReadOptions
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import restore

PIECE = 256 << 20
"""Bytes of a file that one worker reads at a time."""


def pieces_of(path: Path, options: ReadOptions) -> list[Piece]:
    """From where to where a file is read by itself; none where it is read at once."""
    # A ClientHello that goes on in the next segment is only told from what came before it.
    if options.collect_names or not path.is_file() or path.stat().st_size <= PIECE:
        return []
    with ExitStack() as stack:
        try:
            file = ranged_file(open_stream(stack, path))
            if file is None:
                return []
            capture = open_capture(file.from_offset(0), path_text(path))
            starts = boundaries(capture, file, -(-file.length // PIECE))
        except CaptureError:
            # Whoever reads it says why.
            return []
    return [Piece(*each) for each in pairwise((0, *starts, NO_STOP))] if starts else []


def joined_pieces(
    name: str, path: Path, sent: Sequence[SentPiece], options: ReadOptions
) -> CaptureTable | None:
    """The table of a file in pieces; None where one does not begin where the one before it ends.

    Raises:
        CaptureError: No packet of the file is decoded, or there is no room for all rows.
    """
    reading = Reading(options, None)
    restore(reading.table, sent[0].columns)
    first = sent[0].chunk.with_table(reading.table, options)
    for piece in sent[1:]:
        table = reading.new_table()
        later = piece.chunk.with_table(table, options)
        if not first.is_followed_by(later):
            return None
        restore(table, piece.columns)
        first.join(later)
    reading.finish(first, path_text(path))
    return CaptureTable(
        name,
        (path_text(path),),
        reading.table,
        reading.counts(),
        tuple(reading.total.payloads),
        tuple(reading.part_times),
    )
