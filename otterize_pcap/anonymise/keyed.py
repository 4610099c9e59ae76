"""Keyed functions: what is random to whoever lacks the key, and the same at every run with it.

All are made of HMAC-SHA-256 (RFC 2104, FIPS 180-4), each kind with a key of its own.
"""

import hmac
from functools import lru_cache

KEY_BYTES = 32
ROUNDS = 10
SHUFFLED = 1 << 10
"""Domains up to this size are shuffled whole: a Feistel network is weak on very small ones."""


class Keyed:
    """One kind of secret derived from the user's key; `purpose` keeps kinds apart."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = hmac.digest(key, purpose.encode(), "sha256")
        self._shuffle = lru_cache(maxsize=256)(self._shuffled)

    def digest(self, content: bytes) -> bytes:
        """32 bytes that depend on all of `content`."""
        return hmac.digest(self._key, content, "sha256")

    def permute(self, value: int, size: int) -> int:
        """A permutation of the numbers below `size`.

        A Feistel network over the next power of four, walked until it is below `size` again
        (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002).
        """
        if size <= SHUFFLED:
            return self._shuffle(size)[value]
        half = ((size - 1).bit_length() + 1) // 2
        while True:
            value = self._feistel(value, half, size)
            if value < size:
                return value

    def _feistel(self, value: int, half: int, size: int) -> int:
        mask = (1 << half) - 1
        left, right = value >> half, value & mask
        width = (half + 7) // 8
        for number in range(ROUNDS):
            tweak = b"%d/%d:" % (size, number)
            drawn = self.digest(tweak + right.to_bytes(width))
            while len(drawn) < width:
                drawn += self.digest(drawn)
            left, right = right, left ^ int.from_bytes(drawn[:width]) & mask
        return left << half | right

    def _shuffled(self, size: int) -> list[int]:
        return sorted(range(size), key=lambda number: self.digest(b"%d of %d" % (number, size)))
