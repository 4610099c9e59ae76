"""The footer of a Parquet file, before pyarrow makes objects of all of it.

One byte of a list can be an object of 500 there. So what a footer becomes is reckoned from what it
lists, and held against its size: https://github.com/apache/parquet-format (parquet.thrift), in
Thrift's compact protocol, of which `page_headers` has more.
"""

from io import SEEK_END, SEEK_SET
from typing import BinaryIO

MAGIC = b"PAR1"
_TAIL = 4 + len(MAGIC)
BASE, TIMES, MOST = 16 << 20, 16, 2 << 30
"""Bytes that a footer may become: so many, and so many times its own size, and no more than that.
What we write, of groups of one row each, becomes 11 times its size."""
MOST_TEXT = 1 << 14
"""Bytes of a text: pyarrow's schema is one of 4 KB.
That is made objects of, too: at most eight for each of its bytes."""
_MOST_DEPTH = 8
_STRUCT, _BINARY, _LISTS = 12, 8, (9, 10)
_NUMBERS = (4, 5, 6)
_WIDTHS = {1: 0, 2: 0, 3: 1, 7: 8}
"""Bytes of booleans, which stand in their field's head, bytes and doubles."""
_STRUCTS = (0, 288, 640)
"""What an object takes that a list has at this depth: one of the file, and a group's column."""
_DEEPER, _TEXT, _NUMBER = 96, 40, 8
_LONG_COUNT, _MOST_SHIFT = 15, 35


def require_bounded(stream: BinaryIO) -> None:
    """See that a file's footer becomes no more than it may; the stream is left at its beginning.

    Raises:
        ValueError: It does, or it is none.
        OSError: The file cannot be read.
    """
    footer = _footer(stream)
    stream.seek(0)
    walk = _Walk(footer)
    try:
        walk.struct(0, 1)
    except LookupError as error:
        raise ValueError(len(footer)) from error


def _footer(stream: BinaryIO) -> bytes:
    size = stream.seek(0, SEEK_END)
    stream.seek(max(0, size - _TAIL), SEEK_SET)
    tail = stream.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size - _TAIL:
        raise ValueError(size)
    stream.seek(size - _TAIL - length)
    return stream.read(length)


class _Walk:
    """Follows a footer's fields; `left` is what they may become still."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.left = min(BASE + TIMES * len(data), MOST)

    def struct(self, at: int, depth: int) -> int:
        """Where the struct ends that begins there."""
        data = self._data
        while head := data[at]:
            at += 1
            if not head >> 4:
                # The field's number in full.
                at = self._behind_number(at)
            kind = head & 15
            if kind in _NUMBERS:
                # As `_behind_number`, which would take twice as long.
                while data[at] > 127:
                    at += 1
                at += 1
            elif kind == _BINARY:
                size, at = self._count(at)
                if size > MOST_TEXT:
                    raise ValueError(size)
                at += size
            elif kind == _STRUCT:
                at = self._inner(at, depth)
            elif kind in _LISTS:
                at = self._elements(at, depth)
            else:
                at += _WIDTHS[kind]
        return at + 1

    def _inner(self, at: int, depth: int) -> int:
        if depth == _MOST_DEPTH:
            raise ValueError(depth)
        return self.struct(at, depth + 1)

    def _elements(self, at: int, depth: int) -> int:
        """Where the list ends whose elements are counted there."""
        data = self._data
        head = data[at]
        count, kind = head >> 4, head & 15
        at += 1
        if count == _LONG_COUNT:
            count, at = self._count(at)
        self._take(count, kind, depth)
        if kind == _STRUCT:
            for _ in range(count):
                at = self._inner(at, depth)
        elif kind == _BINARY:
            for _ in range(count):
                size, at = self._count(at)
                at += size
        elif kind in _NUMBERS:
            for _ in range(count):
                at = self._behind_number(at)
        else:
            at += count * (_WIDTHS[kind] or 1)
        return at

    def _take(self, count: int, kind: int, depth: int) -> None:
        if kind == _STRUCT:
            each = _STRUCTS[depth] if depth < len(_STRUCTS) else _DEEPER
        else:
            each = _TEXT if kind == _BINARY else _NUMBER
        self.left -= count * each
        if self.left < 0:
            raise ValueError(count)

    def _behind_number(self, at: int) -> int:
        data = self._data
        while data[at] > 127:
            at += 1
        return at + 1

    def _count(self, at: int) -> tuple[int, int]:
        """A number without a sign, and where it ends."""
        data = self._data
        value = shift = 0
        while (byte := data[at]) > 127:
            value |= (byte & 127) << shift
            shift += 7
            at += 1
            if shift > _MOST_SHIFT:
                raise ValueError(at)
        return value | byte << shift, at + 1
