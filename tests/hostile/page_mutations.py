"""Reduced captures whose pages lie: headers changed field by field, pages that become huge."""

from collections.abc import Callable
from functools import cache
from random import Random

import pyarrow as pa

from tests.hostile.mutations import changed_bytes
from tests.hostile.parquet_pages import (
    COMPRESSED,
    DATA_AT,
    DICTIONARY_AT,
    ENCODING,
    GROUP_ROWS,
    PAGE_VALUES,
    PLAIN_SIZE,
    SIZE,
    UNCOMPRESSED,
    VALUES,
    Chunk,
    Page,
    ParquetPages,
)
from tests.hostile.thrift_compact import BINARY, I32, I64, LIST, Elements, Field

HUGE = 1 << 30
ODD_NUMBERS = (
    *(0, -1, 1, 2, 3, 5, 6, 7, 8, 9, 127, 1 << 16, 1 << 20, HUGE, (1 << 31) - 1, 1 << 31),
    *(-(1 << 31), 1 << 32, (1 << 32) + 25, (1 << 63) - 1, -(1 << 63)),
)


def mutated_pages(document: bytes, seed: int) -> bytes:
    """One reduced capture with one to three lies; the footer tells them too, or does not."""
    random = Random(seed)
    file = ParquetPages(document)
    for _ in range(random.choice((1, 1, 2, 3))):
        group = random.randrange(len(file.chunks))
        chunk = random.choice(file.chunks[group])
        if chunk.pages:
            _CHANGES[random.randrange(len(_CHANGES))](chunk, random)
        if random.random() < 0.15:
            rows = file.groups[group][GROUP_ROWS]
            rows.value = random.choice((0, 1, -1, 1 << 17, HUGE, rows.value + 1))
    return file.written(honest=random.random() < 0.5)


@cache
def zeros(size: int) -> bytes:
    """So many of them, packed."""
    packed: bytes = pa.compress(bytes(size), codec="zstd", asbytes=True)
    return packed


def _number(chunk: Chunk, random: Random) -> None:
    """Another number in a header, of the page or of its kind."""
    page = random.choice(chunk.pages)
    fields, number = random.choice(
        (
            *((page.header, each) for each in (1, PLAIN_SIZE, SIZE)),
            *((page.inner, each) for each in (PAGE_VALUES, ENCODING, 3, 4)),
        )
    )
    if number in fields:
        fields[number].value = random.choice(
            (*ODD_NUMBERS, fields[number].value + 1, fields[number].value - 1)
        )


def _bomb(chunk: Chunk, random: Random) -> None:
    """A page that becomes huge, all zeros."""
    size = random.choice((1 << 20, 32 << 20, 512 << 20))
    random.choice(chunk.pages).pack(zeros(size), size)


def _many_texts(chunk: Chunk, random: Random) -> None:
    """A dictionary of so many empty texts, whose header counts them."""
    page = chunk.pages[0]
    if page.is_dictionary:
        count = random.choice((100, 1 << 17, 1 << 23))
        page.pack(zeros(4 * count), 4 * count)
        page.inner[PAGE_VALUES].value = count


def _many_rows(chunk: Chunk, random: Random) -> None:
    """More values than there are rows, and a footer that says so."""
    count = random.choice((0, 26, 1 << 17, HUGE))
    chunk.pages[-1].inner[PAGE_VALUES].value = count
    chunk.meta[VALUES].value = count


def _pages(chunk: Chunk, random: Random) -> None:
    """A page once more, gone, or in another place."""
    place = random.randrange(len(chunk.pages))
    match random.randrange(4):
        case 0:
            chunk.pages *= random.choice((2, 40))
        case 1:
            del chunk.pages[place]
        case 2:
            chunk.pages.insert(0, chunk.pages[place])
        case _:
            chunk.pages.reverse()


def _content(chunk: Chunk, random: Random) -> None:
    """What a page holds, a little changed: levels, lengths, runs."""
    page = random.choice(chunk.pages)
    try:
        page.fill(changed_bytes(page.plain(), random))
    except (pa.ArrowException, OSError, ValueError):
        page.content = changed_bytes(page.content, random)


def _fields(chunk: Chunk, random: Random) -> None:
    """A field that no header has, one that is gone, or one of another type."""
    page: Page = random.choice(chunk.pages)
    fields = random.choice((page.header, page.inner))
    match random.randrange(4):
        case 0:
            del fields[random.choice(sorted(fields))]
        case 1:
            fields[random.choice((9, 20, 300))] = Field(BINARY, b"a" * random.choice((0, 5, 1000)))
        case 2:
            fields[12] = Field(LIST, Elements(I32, [0] * random.choice((0, 3, 20))))
        case _:
            number = random.choice(sorted(fields))
            if fields[number].kind == I32:
                fields[number].kind = I64


def _footer(chunk: Chunk, random: Random) -> None:
    """A number that the footer says of the column."""
    number = random.choice((VALUES, UNCOMPRESSED, COMPRESSED, DATA_AT, DICTIONARY_AT))
    chunk.lies[number] = random.choice(ODD_NUMBERS)


_CHANGES: tuple[Callable[[Chunk, Random], None], ...] = (
    *(_number, _number, _number, _bomb, _many_texts, _many_rows, _pages, _content, _fields),
    _footer,
)
