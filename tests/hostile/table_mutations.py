"""Tables of nodes a little wrong: what a block says of itself, its columns, or bytes."""

import zlib
from random import Random
from typing import Any

import msgspec

from otterize_pcap.reduced.table_blocks import MAGIC
from tests.hostile.mutations import changed_bytes, changed_value

SIZE = 4
"""Bytes of the size of a block's head, which stands behind the magic."""


def mutated_table(document: bytes, seed: int) -> bytes:
    """A table of one block, with values of its columns or its head's structure changed."""
    random = Random(seed)
    begin = len(MAGIC) + SIZE
    end = begin + int.from_bytes(document[len(MAGIC) : begin], "little")
    value, rest = msgspec.msgpack.decode(document[begin:end]), document[end:]
    if random.random() < 0.4:
        rest = _changed_column(value["within"]["columns"], rest, random)
    else:
        for _ in range(random.choice((1, 1, 2, 4))):
            value = changed_value(value, random)
    try:
        head = msgspec.msgpack.encode(value)
    except (OverflowError, msgspec.MsgspecError):
        # MessagePack has no number of more than 64 bits.
        head = changed_bytes(document[begin:end], random)
    if random.random() < 0.1:
        rest = changed_bytes(rest, random)
    whole = MAGIC + len(head).to_bytes(SIZE, "little") + head + rest
    return changed_bytes(whole, random) if random.random() < 0.1 else whole


def _changed_column(columns: list[list[Any]], rest: bytes, random: Random) -> bytes:
    """The columns' bytes with some of one column's replaced; `columns` then says its new size."""
    place = random.randrange(len(columns))
    begin = sum(size for _, size in columns[:place])
    end = begin + columns[place][1]
    plain = bytearray(zlib.decompress(rest[begin:end]))
    for _ in range(random.choice((1, 1, 8))):
        if plain:
            plain[random.randrange(len(plain))] = random.choice((0, 1, 255, random.randrange(256)))
    packed = zlib.compress(plain)
    columns[place][1] = len(packed)
    return rest[:begin] + packed + rest[end:]
