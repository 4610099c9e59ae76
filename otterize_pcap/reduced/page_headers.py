"""What each page of a Parquet column says of itself, before anything is made of it.

pyarrow believes page headers: it decompresses to the size that one names, and makes as many values
as it counts, whatever the file's footer says. They are Thrift structs in the compact protocol:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md, and the fields
have their numbers from https://github.com/apache/parquet-format (parquet.thrift).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from otterize_pcap.table.rows import MOST_PARTS

_BOOLEANS, _BYTE, _NUMBERS, _I32, _DOUBLE, _BINARY, _STRUCT = (1, 2), 3, (4, 5, 6), 5, 7, 8, 12
"""Types of the compact protocol; of the others, no field of a page header is one."""
_MOST_DEPTH = 4
_KIND, _SIZE, _STORED, _V1, _DICTIONARY, _V2 = 1, 2, 3, 5, 7, 8
"""Fields of PageHeader: kind, sizes as it is and as it is stored, and what each kind says."""
_SAYS = {0: _V1, 2: _DICTIONARY, 3: _V2}
"""The field of each kind; an index, 1, is nothing that is read."""
_VALUES = 1
"""Field of DataPageHeader, DictionaryPageHeader and DataPageHeaderV2."""
_ENCODING = {_V1: 2, _DICTIONARY: 2, _V2: 4}
_PLAIN, _PLAIN_DICTIONARY, _DELTA_BINARY_PACKED, _RLE_DICTIONARY = 0, 2, 5, 8
_ENCODINGS = {_PLAIN, _PLAIN_DICTIONARY, _DELTA_BINARY_PACKED, _RLE_DICTIONARY}
"""Encodings of reduced captures. No value of these is longer than what stands in the page; one of
DELTA_BYTE_ARRAY repeats the one before it: a million texts of 1 MiB in a few KB."""
_LEAST = 4
"""Bytes that the shortest value of a dictionary takes: a number, or the length of a text."""


class Said(Struct, frozen=True):
    """What a file's footer says of a column in one group of rows."""

    rows: int
    size: int


class _Page(NamedTuple):
    """What the header of one page says; `begin` is where the page's content does."""

    is_dictionary: bool
    size: int
    stored: int
    values: int
    encoding: int
    begin: int


def require_true(chunk: bytes, said: Said) -> None:
    """See that a column's pages are what the footer says of them, and no more.

    Raises:
        ValueError: They are not.
    """
    rows = size = end = 0
    for page in _pages(chunk):
        is_first = end == 0
        size += page.size + page.begin - end
        end = page.begin + page.stored
        if page.is_dictionary:
            # Not each of them is some row's: one of files has all of the recording.
            if not is_first or page.values > min(MOST_PARTS, page.size // _LEAST):
                raise ValueError(page)
        else:
            rows += page.values
        if size > said.size or rows > said.rows or page.encoding not in _ENCODINGS:
            raise ValueError(page)
    if rows != said.rows:
        raise ValueError(rows)


def _pages(chunk: bytes) -> Iterator[_Page]:
    at = 0
    while at < len(chunk):
        page = _page(chunk, at)
        at = page.begin + page.stored
        if at > len(chunk):
            raise ValueError(page)
        yield page


def _page(chunk: bytes, at: int) -> _Page:
    try:
        header, begin = _fields(chunk, at, _MOST_DEPTH)
        kind = _SAYS[_number(header, _KIND)]
        of_kind = header[kind]
        if isinstance(of_kind, int):
            raise ValueError(kind)
        page = _Page(
            kind == _DICTIONARY,
            _number(header, _SIZE),
            _number(header, _STORED),
            _number(of_kind, _VALUES),
            _number(of_kind, _ENCODING[kind]),
            begin,
        )
    except (LookupError, TypeError) as error:
        raise ValueError(at) from error
    # A data page of no values is one that a file can have any number of.
    if page.size < 0 or page.stored < 0 or page.values < (0 if page.is_dictionary else 1):
        raise ValueError(page)
    return page


_Fields = Mapping[int, "int | _Fields"]


def _number(fields: _Fields, number: int) -> int:
    found = fields[number]
    if not isinstance(found, int):
        raise TypeError(number)
    return found


def _fields(data: bytes, at: int, depth: int) -> tuple[_Fields, int]:
    """The 32-bit numbers and structs of a struct, by field, and where the struct ends.

    Whatever readers could take one way or the other is refused: fields out of order or twice.
    """
    found: dict[int, int | _Fields] = {}
    number = 0
    while head := data[at]:
        at += 1
        kind, step = head & 15, head >> 4
        if not step:
            value, at = _zigzag(data, at)
            step = value - number
        if step <= 0 or depth == 0:
            raise ValueError(head)
        number += step
        if kind in _NUMBERS:
            value, at = _zigzag(data, at)
            if kind == _I32:
                found[number] = value
        elif kind == _STRUCT:
            found[number], at = _fields(data, at, depth - 1)
        else:
            at = _behind(data, at, kind)
    return found, at + 1


def _behind(data: bytes, at: int, kind: int) -> int:
    """Where a value ends of which nothing is asked."""
    if kind in _BOOLEANS:
        return at
    if kind == _BYTE:
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        size, at = _varint(data, at)
        return at + size
    raise ValueError(kind)


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) > 127:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise ValueError(at)
    return value | byte << shift, at + 1
