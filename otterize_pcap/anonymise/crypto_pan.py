"""Crypto-PAn: a permutation of addresses that keeps which prefixes they share.

Xu, Fan, Ammar and Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002: bit by bit, an
address is XORed with a keyed function of the bits before it. Any pseudorandom function will do
(theorem 1 there). The published one is AES, which Python's library lacks; HMAC-SHA-256 stands in
for it here, so that the command needs no package that is not installed with it. Tests run the
published vectors through this code with AES.

Ranges that mean something are pinned: no bit is flipped on the way to them, so that each is mapped
onto itself, and the rest around it still keeps its prefixes.
"""

from collections.abc import Callable, Iterable

BlockFunction = Callable[[bytes], bytes]
"""16 bytes in, pseudorandom bytes out."""
BLOCK = 16


class CryptoPan:
    """The permutation of addresses of `bits` bits.

    Args:
        function: The pseudorandom function, already keyed.
        pad: 16 secret bytes that fill the block behind an address's own bits.
        bits: 32 or 128.
        pinned: Ranges, as (value, prefix length), that are mapped onto themselves.
        fixed: Ranges in which every address stays as it is.
    """

    def __init__(
        self,
        function: BlockFunction,
        pad: bytes,
        bits: int,
        pinned: Iterable[tuple[int, int]] = (),
        fixed: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._function = function
        self._pad = int.from_bytes(pad[:BLOCK])
        self._bits = bits
        self._fixed = [(value >> (bits - length), length) for value, length in fixed]
        ways = [*pinned, *fixed]
        self._unflipped = {
            (place, value >> (bits - place)) for value, length in ways for place in range(length)
        }

    def permute(self, address: int) -> int:
        """The address that stands for one."""
        if any(address >> (self._bits - length) == value for value, length in self._fixed):
            return address
        flips = 0
        for place in range(self._bits):
            flips = flips << 1 | self._flips(address, place)
        return address ^ flips

    def _flips(self, address: int, place: int) -> int:
        """Whether the bit behind the first `place` ones is turned over."""
        before = address >> (self._bits - place)
        if (place, before) in self._unflipped:
            return 0
        left = BLOCK * 8 - place
        block = before << left | self._pad & ((1 << left) - 1)
        return self._function(block.to_bytes(BLOCK))[0] >> 7
