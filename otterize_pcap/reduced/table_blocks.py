"""Connection tables as nodes write them: blocks, one behind another, made without pyarrow.

A file of them is a recording without its packets, and two such files one behind the other are one:
a node writes a block now and then, and whoever pulls them appends each to the last. A block is

    8 bytes  MAGIC
    4 bytes  how long its head is, the lowest first
    head     MessagePack: `BlockHead`
    columns  one after the other, as the head lists them
    names    the payloads that names are read from, MessagePack, compressed

A column is `table.columns`' own, its values' lowest bytes first, then the second lowest, and so on
(an address as it is written), compressed by zlib (RFC 1950): like bytes next to like ones take a
tenth less. `docs/tables.md` says so too.
"""

import sys
import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from otterize_pcap.errors import CaptureError
from otterize_pcap.json_errors import BROKEN
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.reduced.saved_capture import (
    SavedCounts,
    SavedReading,
    counts_of,
    decode_payloads,
    encode_payloads,
    save_counts,
)
from otterize_pcap.reduced.saved_tunnels import known_tunnel
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.columns import COLUMNS, SIZES, Columns
from otterize_pcap.version import __version__

MAGIC = b"otzrows\n"
VERSION = 1
LEVEL = 4
"""How hard zlib tries: 6 takes twice as long for a twentieth."""
MOST_ROWS = 1 << 21
MOST_HEAD = 64 << 20
MOST_NAMES = 256 << 20
"""Bounds of what a block can ask for, whoever wrote it."""


class SavedRows(msgspec.Struct, frozen=True, gc=False):
    """Rows of a block: the tunnels that they came through, and the bytes of each column.

    A tunnel is its kind, its lower and its higher end.
    """

    rows: int
    paths: tuple[tuple[tuple[str, bytes, bytes], ...], ...]
    columns: tuple[tuple[str, int], ...]


class BlockHead(msgspec.Struct, frozen=True, gc=False):
    """What a block says of itself.

    `span` is from when to when its packets are, in ns; `names` the bytes of payloads. `within` are
    the rows with all tunnels opened. Where some may be tunnels that are not to be opened (S25),
    `around` are the rows between their ends with these closed, and `closed` what was counted so.
    """

    version: int
    tool: str
    reading: SavedReading
    counts: SavedCounts
    span: tuple[int, int] | None
    within: SavedRows
    around: SavedRows | None
    closed: SavedCounts | None
    names: int


class _Version(msgspec.Struct, frozen=True, gc=False):
    version: int


class TableBlock(Struct, frozen=True):
    """A block, read: what was counted, payloads for names, and how packets were read.

    For `within`, `around` and `closed` see `BlockHead`.
    """

    within: Columns
    around: Columns | None
    closed: CaptureCounts | None
    counts: CaptureCounts
    span: tuple[int, int] | None
    payloads: tuple[Payload, ...]
    reading: SavedReading


def encode_block(block: TableBlock) -> bytes:
    """A block as bytes."""
    within, columns = _packed_rows(block.within)
    around, more = (None, []) if block.around is None else _packed_rows(block.around)
    names = zlib.compress(encode_payloads(block.payloads), LEVEL)
    head = BlockHead(
        VERSION,
        __version__,
        block.reading,
        save_counts(block.counts),
        block.span,
        within,
        around,
        None if block.closed is None else save_counts(block.closed),
        len(names),
    )
    encoded = msgspec.msgpack.encode(head)
    size = len(encoded).to_bytes(4, "little")
    return b"".join((MAGIC, size, encoded, *columns, *more, names))


def _packed_rows(columns: Columns) -> tuple[SavedRows, list[bytes]]:
    packed = {name: zlib.compress(_planes(columns, name), LEVEL) for name in COLUMNS}
    paths = tuple(
        tuple((each.kind, each.low, each.high) for each in path) for path in columns.paths
    )
    sizes = tuple((name, len(column)) for name, column in packed.items())
    return SavedRows(columns.rows, paths, sizes), list(packed.values())


def read_head(stream: ByteStream, where: str) -> BlockHead | None:
    """The head of the next block; None at the end.

    Raises:
        CaptureError: There is no whole head, or one of another version.
    """
    begin = _read(stream, len(MAGIC) + 4)
    if not begin:
        return None
    size = int.from_bytes(begin[len(MAGIC) :], "little")
    if len(begin) < len(MAGIC) + 4 or begin[: len(MAGIC)] != MAGIC or size > MOST_HEAD:
        raise _damaged(where)
    encoded = _read(stream, size)
    try:
        found = msgspec.msgpack.decode(encoded, type=_Version).version
        if found == VERSION:
            return _checked(msgspec.msgpack.decode(encoded, type=BlockHead))
    except (*BROKEN, ValueError) as error:
        raise _damaged(where) from error
    message = (
        f"{where}: a table of version {found}, and this otterize reads {VERSION}; "
        "use the otterize that captured it"
    )
    raise CaptureError(message)


def _checked(head: BlockHead) -> BlockHead:
    """The head, where it asks for no more than a block can have.

    Raises:
        ValueError: It does.
    """
    for rows in (head.within, head.around):
        if rows is not None and not (
            0 <= rows.rows <= MOST_ROWS
            and [name for name, _ in rows.columns] == list(COLUMNS)
            and all(0 <= size <= (rows.rows + 1) * 32 + 64 for _, size in rows.columns)
        ):
            raise ValueError(rows.rows)
    if not 0 <= head.names <= MOST_NAMES:
        raise ValueError(head.names)
    return head


def read_block(stream: ByteStream, where: str) -> TableBlock | None:
    """The next block; None at the end.

    Raises:
        CaptureError: It is damaged, or of another version.
    """
    head = read_head(stream, where)
    if head is None:
        return None
    try:
        within = _rows(head.within, stream)
        around = None if head.around is None else _rows(head.around, stream)
        plain = _inflated(_read(stream, head.names), MOST_NAMES)
        counts = counts_of(head.counts)
        closed = None if head.closed is None else counts_of(head.closed)
    except (zlib.error, ValueError) as error:
        raise _damaged(where) from error
    payloads = decode_payloads(plain, where)
    if any(payload.part for payload in payloads):
        raise _damaged(where)
    return TableBlock(within, around, closed, counts, head.span, payloads, head.reading)


def _rows(saved: SavedRows, stream: ByteStream) -> Columns:
    values = {name: _values(name, _read(stream, size), saved.rows) for name, size in saved.columns}
    if any(values["part"]):
        raise ValueError(saved.rows)
    paths = [tuple(known_tunnel(*each) for each in path) for path in saved.paths]
    if saved.rows and max(memoryview(values["path"]).cast("I")) >= len(paths):
        raise ValueError(saved.rows)
    return Columns(saved.rows, values, paths)


def _planes(columns: Columns, name: str) -> bytes:
    values, size = bytes(columns.values[name]), SIZES[name]
    return b"".join(values[place::size] for place in _places(name))


def _values(name: str, packed: bytes, rows: int) -> bytearray:
    size = SIZES[name]
    planes = _inflated(packed, rows * size)
    if len(planes) != rows * size:
        raise ValueError(name)
    values = bytearray(rows * size)
    for number, place in enumerate(_places(name)):
        values[place::size] = planes[number * rows : (number + 1) * rows]
    return values


def _places(name: str) -> Sequence[int]:
    """Where in a value its bytes are, the lowest first; an address goes from left to right."""
    places = range(SIZES[name])
    return places if sys.byteorder == "little" or name.endswith("address") else places[::-1]


def _inflated(packed: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(packed, most) if most else b""
    if stream.unconsumed_tail and stream.decompress(stream.unconsumed_tail, 1):
        raise ValueError(most)
    return plain


def _read(stream: ByteStream, size: int) -> bytes:
    """So many bytes, fewer where the stream ends."""
    pieces: list[bytes] = []
    while size:
        buffer = bytearray(min(size, 1 << 20))
        count = stream.readinto(memoryview(buffer)) or 0
        if not count:
            break
        pieces.append(bytes(buffer[:count]))
        size -= count
    return b"".join(pieces)


def _damaged(where: str) -> CaptureError:
    return CaptureError(f"{where}: a damaged table of a node; capture again")
