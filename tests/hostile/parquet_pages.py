"""A Parquet file as its pages, which can be changed one by one, and put together again.

https://parquet.apache.org/docs/file-format/, and parquet.thrift for the fields' numbers. Where a
page becomes longer or shorter, the footer says so: what is wrong in a file made here is only what
was made wrong.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tests.hostile.thrift_compact import I64, Field, Struct, decode_struct, encode_struct
from tests.reduced.kept_parts import kept_parts

MAGIC = b"PAR1"
COLUMNS, ROW_GROUPS, ROWS, GROUP_ROWS, META = 1, 4, 3, 3, 3
"""Fields of RowGroup, FileMetaData, FileMetaData, RowGroup, ColumnChunk."""
KEPT = 5
"""The field of FileMetaData that says where parts lie."""
PATH, VALUES, UNCOMPRESSED, COMPRESSED, DATA_AT, INDEX_AT, DICTIONARY_AT = 3, 5, 6, 7, 9, 10, 11
"""Fields of ColumnMetaData."""
KIND, PLAIN_SIZE, SIZE, DATA, DICTIONARY, DATA_V2 = 1, 2, 3, 5, 7, 8
"""Fields of PageHeader."""
PAGE_VALUES, ENCODING = 1, 2
"""Fields of DataPageHeader and DictionaryPageHeader."""


@dataclass
class Page:
    """One page: its header's fields, and what follows it, compressed."""

    header: Struct
    content: bytes

    @property
    def inner(self) -> Struct:
        """What the header says of a page of its kind."""
        number = next(each for each in (DATA, DICTIONARY, DATA_V2) if each in self.header)
        fields: Struct = self.header[number].value
        return fields

    @property
    def is_dictionary(self) -> bool:
        """Whether it is a dictionary."""
        return DICTIONARY in self.header

    @property
    def size(self) -> int:
        """How much the header says that it holds; 0 where it does not."""
        return self.header[PLAIN_SIZE].value if PLAIN_SIZE in self.header else 0

    def plain(self) -> bytes:
        """What it holds."""
        size = self.size
        return pa.decompress(self.content, size, codec="zstd", asbytes=True) if size else b""

    def fill(self, plain: bytes) -> None:
        """Let it hold something else; the header says how much that is."""
        self.pack(pa.compress(plain, codec="zstd", asbytes=True), len(plain))

    def pack(self, content: bytes, size: int) -> None:
        """Let it hold what is compressed already, of so many bytes."""
        self.content = content
        self.header[PLAIN_SIZE].value = size
        self.header[SIZE].value = len(content)


@dataclass
class Chunk:
    """A column of a group of rows: what the footer says of it, and its pages."""

    meta: Struct
    pages: list[Page]
    lies: dict[int, int] = field(default_factory=dict)
    """Numbers that the footer is to have in place of the true ones."""

    @property
    def name(self) -> str:
        """The column's name."""
        return bytes(self.meta[PATH].value.values[0]).decode()


class ParquetPages:
    """A file, taken apart."""

    def __init__(self, document: bytes) -> None:
        size = int.from_bytes(document[-8:-4], "little")
        self.footer, _ = decode_struct(document, len(document) - 8 - size)
        self._parts = kept_parts(document)
        self.chunks = [
            [
                Chunk(column[META].value, _pages(document, column[META].value))
                for column in group[COLUMNS].value.values
            ]
            for group in self.groups
        ]

    @property
    def groups(self) -> list[Any]:
        """What the footer says of each group of rows."""
        groups: list[Any] = self.footer[ROW_GROUPS].value.values
        return groups

    def named(self, name: str, group: int = 0) -> Chunk:
        """One column of a group."""
        return next(each for each in self.chunks[group] if each.name == name)

    def written(self, *, honest: bool = False) -> bytes:
        """The file; `honest` lets the footer tell the pages' sizes as the pages do."""
        out = bytearray(MAGIC)
        for chunk in (chunk for group in self.chunks for chunk in group):
            begin = len(out)
            for number in (DICTIONARY_AT, INDEX_AT):
                chunk.meta.pop(number, None)
            plain, data_at = 0, None
            for page in chunk.pages:
                if page.is_dictionary:
                    chunk.meta[DICTIONARY_AT] = Field(I64, len(out))
                elif data_at is None:
                    data_at = len(out)
                header = encode_struct(page.header)
                plain += len(header) + (
                    page.header[PLAIN_SIZE].value if PLAIN_SIZE in page.header else 0
                )
                out += header + page.content
            chunk.meta[DATA_AT].value = begin if data_at is None else data_at
            chunk.meta[COMPRESSED].value = len(out) - begin
            if honest:
                chunk.meta[UNCOMPRESSED].value = plain
            for number, value in chunk.lies.items():
                chunk.meta[number] = Field(I64, value)
        for each in self.footer[KEPT].value.values:
            if part := self._parts.get(each[1].value.decode()):
                each[2].value = b"%d %d" % (len(out), len(part))
                out += part
        footer = encode_struct(self.footer)
        return bytes(out) + footer + len(footer).to_bytes(4, "little") + MAGIC


def _pages(document: bytes, meta: Struct) -> list[Page]:
    at = meta[DATA_AT].value
    if DICTIONARY_AT in meta:
        at = min(at, meta[DICTIONARY_AT].value)
    end = at + meta[COMPRESSED].value
    pages = []
    while at < end:
        header, at = decode_struct(document, at)
        size = header[SIZE].value
        pages.append(Page(header, document[at : at + size]))
        at += size
    return pages
