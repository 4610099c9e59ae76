"""What is kept beside the rows, compressed: MessagePack in zstd, behind its size in 8 bytes.

A few KB can be packed to be anything, so what they may become is held against what they are.
"""

import pyarrow as pa

CODEC = "zstd"
_SIZE = 8
MOST = 2 << 30
"""Bytes that a part may become, and …"""
BASE = 16 << 20
"""… so many more than a number of times its packed bytes."""
SAVED_TIMES, PAYLOAD_TIMES = 512, 64
"""Of a snapshot's objects, which are alike but for names, addresses and times: 200 measured of the
most alike. Of packets, each with its time, id and port: 10."""
BASE_VALUES, VALUES_A_BYTE = 1_000_000, 2
"""Values that a part may have: so many, and so many more for each packed byte. A million absent
times are a megabyte of MessagePack, a few bytes packed, and 16 MB once they are objects."""


_SKIPPABLE = bytes.fromhex("502a4d18")
"""How a frame begins that holds nothing, and that zstd reads past (RFC 8878, 3.1.2)."""


def packed(plain: bytes, times: int) -> bytes:
    """A part as it is written: no smaller than what may be unpacked to so many times its size."""
    content: bytes = pa.compress(plain, codec=CODEC, asbytes=True)
    part = len(plain).to_bytes(_SIZE, "little") + content
    lacks = (len(plain) - BASE) // times - len(part)
    if lacks <= 0:
        return part
    return part + _SKIPPABLE + lacks.to_bytes(4, "little") + bytes(lacks)


def unpacked(part: bytes, times: int) -> bytes:
    """The part again, which may be so many times its size.

    Raises:
        ValueError: It is longer, or of more values than can be.
        pyarrow.ArrowException: It is not what it says.
    """
    size = int.from_bytes(part[:_SIZE], "little")
    if size > min(MOST, BASE + times * len(part)):
        raise ValueError(size)
    plain: bytes = pa.decompress(part[_SIZE:], size, codec=CODEC, asbytes=True)
    if size > BASE:
        require_few(plain, BASE_VALUES + VALUES_A_BYTE * len(part))
    return plain


_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Arrays and maps by their first byte: the bytes of their count, and values of each entry."""
_STRINGS = {
    **dict(zip(range(0xC4, 0xC7), (1, 2, 4), strict=True)),
    **dict(zip(range(0xD9, 0xDC), (1, 2, 4), strict=True)),
}
"""Strings and bytes by their first byte: the bytes of their length."""
_NUMBERS = dict(zip(range(0xCA, 0xD4), (4, 8, 1, 2, 4, 8, 1, 2, 4, 8), strict=True))
"""Numbers by their first byte: the bytes behind it."""


def require_few(plain: bytes, most: int) -> None:
    """See that MessagePack has no more values than that, strings and containers counted too.

    https://github.com/msgpack/msgpack/blob/master/spec.md; what is no such document is for whoever
    decodes it to say.

    Raises:
        ValueError: It has more.
    """
    at, left, end = 0, 1, len(plain)
    for _ in range(most):
        if not left or at >= end:
            return
        head = plain[at]
        at, left = at + 1, left - 1
        if 0xA0 <= head <= 0xBF:
            at += head & 31
        elif 0x80 <= head <= 0x9F:
            left += (head & 15) * (2 if head < 0x90 else 1)
        elif head in _STRINGS:
            behind = at + _STRINGS[head]
            at = behind + int.from_bytes(plain[at:behind])
        elif head in _CONTAINERS:
            size, each = _CONTAINERS[head]
            left += each * int.from_bytes(plain[at : at + size])
            at += size
        else:
            at += _NUMBERS.get(head, 0)
    if left and at < end:
        raise ValueError(most)
