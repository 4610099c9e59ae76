"""Reduced captures as Parquet files: rows as columns, and all else in the file's metadata.

Parquet's own format: https://parquet.apache.org/docs/file-format/. Whatever reads Parquet reads
the rows; `docs/tables.md` says what each column means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from otterize_pcap.errors import CaptureError
from otterize_pcap.reduced.arrow_rows import SCHEMA, TEXT, Arrow, arrow_of, columns_of
from otterize_pcap.reduced.saved_capture import (
    SavedCapture,
    damaged,
    decode_payloads,
    decode_saved,
    encode_payloads,
    encode_saved,
)
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.columns import Columns
from otterize_pcap.table.rows import too_many_connections

CODEC = "zstd"
ROW_GROUP = 1 << 17
"""Rows that are made columns, and written, at a time."""
SAVED, PAYLOADS = "otterize.capture", "otterize.payloads."
MAX_SAVED = 2 << 30
"""Bytes that a part beside the rows may be decompressed to."""
MAX_TEXTS, BYTES_A_ROW = 256 << 20, 1024
"""Bytes that a group of rows may be decompressed to: so many, and so many more for each row."""
_TEXTS = [field.name for field in SCHEMA if field.type == TEXT]
_FEW = ("part", "interface", "packets", "bytes", "flags", "syns", "hints", "unreachable", "station")
_VARIED = [
    field.name
    for field in SCHEMA
    if field.type != TEXT and not field.name.removesuffix("_acks").endswith(_FEW)
]
"""Columns whose values hardly come twice: delta encoding makes the whole file a third smaller than
dictionaries, and half as slow to write (793,705 rows: 22.0 MB instead of 37.4)."""


@dataclass(frozen=True, slots=True)
class RecordingRows:
    """One recording as it is written: its rows in batches, and what names are read from."""

    columns: Iterable[Columns]
    node: str
    files: Sequence[str]
    payloads: Sequence[Payload]


def write_parquet(
    stream: BinaryIO, saved: SavedCapture, recordings: Iterable[RecordingRows]
) -> None:
    """Write a reduced capture; `recordings` are those that `saved` tells of, in order."""
    few = [name for name in SCHEMA.names if name not in _VARIED]
    with pq.ParquetWriter(
        stream,
        SCHEMA,
        compression=CODEC,
        use_dictionary=few,
        column_encoding=dict.fromkeys(_VARIED, "DELTA_BINARY_PACKED"),
    ) as writer:
        kept = {SAVED: _packed(encode_saved(saved))}
        for number, each in enumerate(recordings):
            for columns in each.columns:
                writer.write_table(arrow_of(columns, each.node, each.files))
            kept[f"{PAYLOADS}{number}"] = _packed(encode_payloads(each.payloads))
        writer.add_key_value_metadata(kept)


def _packed(plain: bytes) -> bytes:
    """Compressed, behind its size: 8 bytes, the lowest first."""
    packed: bytes = pa.compress(plain, codec=CODEC, asbytes=True)
    return len(plain).to_bytes(8, "little") + packed


def _unpacked(packed: bytes) -> bytes:
    size = int.from_bytes(packed[:8], "little")
    if size > MAX_SAVED:
        raise ValueError(size)
    plain: bytes = pa.decompress(packed[8:], size, codec=CODEC, asbytes=True)
    return plain


class ReducedFile:
    """A reduced capture, opened.

    Raises:
        CaptureError: It is none, or damaged.
    """

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._where = where
        self._stream = stream
        try:
            self._file = pq.ParquetFile(stream)
            self._kept = self._file.metadata.metadata or {}
            packed = self._kept.get(SAVED.encode())
            plain = None if packed is None else _unpacked(packed)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise damaged(where) from error
        if plain is None:
            message = (
                f"{where}: a Parquet file, but no reduced capture; "
                "`otterize reduce CAPTURE -o FILE.parquet` makes one"
            )
            raise CaptureError(message)
        self.saved: SavedCapture = decode_saved(plain, where)

    def columns(self, max_rows: int) -> Iterable[Columns]:
        """The rows of each recording, in order.

        Raises:
            CaptureError: They are not what the rest of the file says, or a recording has more than
                `max_rows`.
        """
        try:
            self._require_flat()
            # Else a text of 1 MiB that a million rows have takes 1 TiB, in a file of 160 KB.
            file = pq.ParquetFile(self._stream, read_dictionary=_TEXTS)
            group = 0
            for recording in self.saved.recordings:
                if recording.rows > max_rows:
                    raise too_many_connections(max_rows)
                groups, rows = [], 0
                while rows < recording.rows:
                    self._require_small(group)
                    rows += self._file.metadata.row_group(group).num_rows
                    groups.append(group)
                    group += 1
                if rows != recording.rows:
                    raise ValueError(rows)
                empty: Arrow = SCHEMA.empty_table()
                yield columns_of(
                    file.read_row_groups(groups, columns=SCHEMA.names) if groups else empty
                )
        except (pa.ArrowException, ValueError, LookupError, OSError) as error:
            raise damaged(self._where) from error

    def _require_flat(self) -> None:
        """Refuse columns that are not there once, or are lists, which hold more than rows say."""
        schema = self._file.schema_arrow
        for name in SCHEMA.names:
            if schema.names.count(name) != 1 or pa.types.is_nested(schema.field(name).type):
                raise ValueError(name)

    def _require_small(self, number: int) -> None:
        """Refuse a group of rows that is larger, by its own word, than rows can be."""
        group = self._file.metadata.row_group(number)
        columns = map(group.column, range(group.num_columns))
        size = sum(
            each.total_uncompressed_size for each in columns if each.path_in_schema in SCHEMA.names
        )
        if size > MAX_TEXTS + BYTES_A_ROW * group.num_rows:
            raise ValueError(size)

    def payloads(self, number: int) -> tuple[Payload, ...]:
        """What names are read from, of one recording.

        Raises:
            CaptureError: It is damaged.
        """
        try:
            plain = _unpacked(self._kept[f"{PAYLOADS}{number}".encode()])
        except (pa.ArrowException, ValueError, LookupError, OSError) as error:
            raise damaged(self._where) from error
        return decode_payloads(plain, self._where)
