"""Reduced captures as Parquet files: rows as columns, and all else between them and the footer.

Parquet's own format: https://parquet.apache.org/docs/file-format/. Whatever reads Parquet reads
the rows; `docs/tables.md` says what each column means. The footer says where the rest lies, and
does not hold it: its texts are UTF-8, as Polars requires, and pyarrow reads none above 100 MB.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import SEEK_END
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from otterize_pcap.errors import CaptureError
from otterize_pcap.reduced.arrow_rows import SCHEMA, TEXT, Arrow, arrow_of, columns_of
from otterize_pcap.reduced.footers import require_bounded
from otterize_pcap.reduced.packed_parts import (
    CODEC,
    PAYLOAD_TIMES,
    SAVED_TIMES,
    packed,
    unpacked,
)
from otterize_pcap.reduced.page_headers import Said, require_true
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

ROW_GROUP = 1 << 17
"""Rows that are made columns, and written, at a time."""
SAVED, PAYLOADS = "otterize.capture", "otterize.payloads."
OURS = b"otterize."
MAX_TEXTS, BYTES_A_ROW = 16 << 20, 1024
"""Bytes that a file's rows may be decompressed to: so many, and so many more for each row."""
_TEXTS = [field.name for field in SCHEMA if field.type == TEXT]
_FEW = ("part", "interface", "packets", "bytes", "flags", "syns", "hints", "unreachable", "station")
_VARIED = [
    field.name
    for field in SCHEMA
    if field.type != TEXT and not field.name.removesuffix("_acks").endswith(_FEW)
]
"""Columns whose values hardly come twice: delta encoding makes the whole file a third smaller than
dictionaries, and half as slow to write (793,705 rows: 22.0 MB instead of 37.4)."""


class RecordingRows(Struct, frozen=True):
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
    # The writer counts what passes through this, and would not see what is written past it.
    sink = pa.PythonFile(stream, mode="w")
    with pq.ParquetWriter(
        sink,
        SCHEMA,
        compression=CODEC,
        use_dictionary=few,
        column_encoding=dict.fromkeys(_VARIED, "DELTA_BINARY_PACKED"),
    ) as writer:
        kept = {}
        for number, each in enumerate(recordings):
            for columns in each.columns:
                writer.write_table(arrow_of(columns, each.node, each.files))
            part = packed(encode_payloads(each.payloads), PAYLOAD_TIMES)
            kept[f"{PAYLOADS}{number}"] = put_part(sink, part)
        kept[SAVED] = put_part(sink, packed(encode_saved(saved), SAVED_TIMES))
        writer.add_key_value_metadata(kept)


def put_part(sink: Arrow, part: bytes) -> str:
    """Write a part where the file has come to; the text for the footer that says where it lies."""
    begin = sink.tell()
    sink.write(part)
    return f"{begin} {len(part)}"


def places_of(kept: Mapping[bytes, bytes], size: int) -> dict[str, tuple[int, int]]:
    """Where the parts of a file of this size lie: the first byte of each, and how many it has.

    Raises:
        ValueError: No such file has them.
    """
    places = {}
    left = size
    for name, text in kept.items():
        if name.startswith(OURS):
            begin, length = map(int, text.split())
            # Parts that lie where others do would each be unpacked.
            left -= length
            if min(begin, length, left, size - begin - length) < 0:
                raise ValueError(text)
            places[name.decode()] = (begin, length)
    return places


class ReducedFile:
    """A reduced capture, opened.

    Raises:
        CaptureError: It is none, or damaged.
    """

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._where = where
        self._stream = stream
        try:
            require_bounded(stream)
            self._file = pq.ParquetFile(stream)
            size = stream.seek(0, SEEK_END)
            self._places = places_of(self._file.metadata.metadata or {}, size)
            plain = unpacked(self._part(SAVED), SAVED_TIMES) if SAVED in self._places else None
        except (pa.ArrowException, ValueError, OSError) as error:
            raise damaged(where) from error
        if plain is None:
            message = (
                f"{where}: a Parquet file, but no reduced capture; "
                "`otterize reduce CAPTURE -o FILE.parquet` makes one"
            )
            raise CaptureError(message)
        self.saved: SavedCapture = decode_saved(plain, where)

    def columns(self, max_rows: int) -> Iterator[Iterator[Columns]]:
        """The rows of each recording, in order, a group of them at a time.

        Raises:
            CaptureError: They are not what the rest of the file says, or a recording has more than
                `max_rows`.
        """
        rows = _Rows(self._stream, self._where, self._file.metadata)
        for recording in self.saved.recordings:
            if recording.rows > max_rows:
                raise too_many_connections(max_rows)
            yield rows.next(recording.rows)

    def payloads(self, number: int) -> tuple[Payload, ...]:
        """What names are read from, of one recording.

        Raises:
            CaptureError: It is damaged.
        """
        try:
            plain = unpacked(self._part(f"{PAYLOADS}{number}"), PAYLOAD_TIMES)
        except (pa.ArrowException, ValueError, LookupError, OSError) as error:
            raise damaged(self._where) from error
        return decode_payloads(plain, self._where)

    def _part(self, name: str) -> bytes:
        begin, length = self._places[name]
        self._stream.seek(begin)
        return self._stream.read(length)


class _Rows:
    """The groups of rows of a file, each read after what it says of itself was found true."""

    def __init__(self, stream: BinaryIO, where: str, metadata: Arrow) -> None:
        self._stream, self._where, self._metadata = stream, where, metadata
        self._group = 0
        self._stored = stream.seek(0, SEEK_END)
        self._size = MAX_TEXTS
        with self._damage():
            # Else a text of 1 MiB that a million rows have takes 1 TiB, in a file of 160 KB.
            self._file = pq.ParquetFile(
                stream, metadata=metadata, read_dictionary=_TEXTS, pre_buffer=False
            )
            self._require_flat()

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, ValueError, LookupError, OSError) as error:
            raise damaged(self._where) from error

    def next(self, rows: int) -> Iterator[Columns]:
        """So many rows, from where the last ended.

        Raises:
            CaptureError: They are none.
        """
        while rows:
            with self._damage():
                group = self._metadata.row_group(self._group)
                rows -= group.num_rows
                if not 0 < group.num_rows <= ROW_GROUP or rows < 0:
                    raise ValueError(group.num_rows)
                self._require_true(group)
                # With threads, which there need not be, it is no faster.
                columns = columns_of(
                    self._file.read_row_group(self._group, columns=SCHEMA.names, use_threads=False)
                )
                self._group += 1
            yield columns

    def _require_flat(self) -> None:
        """Refuse columns that are not there once, or hold what rows do not: lists, texts."""
        schema = self._file.schema_arrow
        for field in SCHEMA:
            kinds = (field.type, pa.utf8()) if field.type == TEXT else (field.type,)
            if schema.names.count(field.name) != 1 or schema.field(field.name).type not in kinds:
                raise ValueError(field.name)

    def _require_true(self, group: Arrow) -> None:
        """Refuse a group whose pages are not what it says, or are larger than rows can be."""
        self._size += BYTES_A_ROW * group.num_rows
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema not in SCHEMA.names:
                continue
            self._size -= column.total_uncompressed_size
            # A column that lies where another does too would be read, and unpacked, many times.
            self._stored -= column.total_compressed_size
            if min(self._size, self._stored, column.total_compressed_size) < 0:
                raise ValueError(column.path_in_schema)
            begin = column.data_page_offset
            if column.has_dictionary_page:
                begin = min(begin, column.dictionary_page_offset)
            self._stream.seek(begin)
            chunk = self._stream.read(column.total_compressed_size)
            require_true(chunk, Said(group.num_rows, column.total_uncompressed_size))
