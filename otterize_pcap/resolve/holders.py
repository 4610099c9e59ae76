"""Who held an address at a moment, asked once between two changes there."""

from bisect import bisect_right
from collections.abc import Callable, Collection

from otterize_pcap.resolve.resolution import Party, Unknown

Holder = Callable[[bytes, int, int], Party | Unknown]
Changes = Callable[[Collection[bytes]], list[int]]


class Holders:
    """The holders of addresses at moments, of which many are between the same two changes.

    Args:
        holder: Says who held an address over a time (S12).
        changes: The moments at which it changes who holds some addresses.
    """

    def __init__(self, holder: Holder, changes: Changes) -> None:
        self._holder = holder
        self._changes = changes
        self._moments: dict[bytes, list[int]] = {}
        self._found: dict[tuple[bytes, int], Party | Unknown] = {}

    def at(self, address: bytes, time_ns: int) -> Party | Unknown:
        """Who held an address at a moment (ns)."""
        moments = self._moments.get(address)
        if moments is None:
            moments = self._moments[address] = self._changes([address])
        key = address, bisect_right(moments, time_ns)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._holder(address, time_ns, time_ns)
        return found
