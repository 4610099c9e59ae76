"""Later IP fragments have no ports; what their first one is part of is remembered here.

A first fragment may be too short for its headers: 8 bytes hold no TCP flags, and whoever sends
such hides nothing. What came is held until enough of it is there.

Fragments of one packet travel together, so what is remembered is bounded by distance in the file,
not by time: memory stays small on hostile input, and the rule needs no clock.
"""

from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.packets.packet import Packet, Skipped, Tunnel

WINDOW = 65_536
"""Packets that may lie between a first fragment and a later one."""

FragmentKey = tuple[bytes, bytes, int, int, tuple[Tunnel, ...]]
"""Source, destination, protocol, identification (RFC 791, 3.2), tunnels around it."""


MOST_HELD = 512
"""Bytes held of a packet whose headers are not all there: a tunnel's and those inside it."""


class FirstFragment(Struct, frozen=True):
    """What a packet's first fragment showed, and its packet number.

    `found` is the innermost packet, or why there is none. `held` is all that came so far of what
    is behind the IP header, None where no more of it is wanted.
    """

    number: int
    found: Packet | Skipped
    held: bytes | None = None


class FragmentMemory:
    """First fragments by key; `orphans` are the fragments whose first was not seen yet.

    Orphans are kept only near the start of what was read, where the first may lie in the part of
    the file before it.
    """

    def __init__(self) -> None:
        self._firsts: OrderedDict[FragmentKey, FirstFragment] = OrderedDict()
        self.orphans: dict[FragmentKey, int] = {}

    def remember(self, key: FragmentKey, first: FirstFragment) -> None:
        """Keep a first fragment; a later one with the same key replaces it."""
        self._firsts.pop(key, None)
        self._firsts[key] = first
        while next(iter(self._firsts.values())).number < first.number - WINDOW:
            self._firsts.popitem(last=False)

    def find(self, key: FragmentKey, number: int) -> FirstFragment | None:
        """The first fragment that the one numbered `number` belongs to."""
        first = self._firsts.get(key)
        if first is not None and number - first.number <= WINDOW:
            return first
        if number <= WINDOW:
            self.orphans.setdefault(key, number)
        return None

    def misses(self, earlier: "FragmentMemory", numbers: int) -> bool:
        """Whether an orphan's first fragment is in the part of the file before.

        `numbers` is how many packets that part has.
        """
        for key, number in self.orphans.items():
            first = earlier._firsts.get(key)
            if first is not None and number + numbers - first.number <= WINDOW:
                return True
        return False

    def take_over(self, earlier: "FragmentMemory", numbers: int) -> None:
        """Remember what the part before knew, and count on from its `numbers` packets."""
        firsts = earlier._firsts
        for key, first in self._firsts.items():
            firsts.pop(key, None)
            firsts[key] = replace(first, number=first.number + numbers)
        self._firsts = firsts
        self.orphans = earlier.orphans

    def for_what_follows(self, numbers: int) -> "FragmentMemory":
        """What this knows after `numbers` packets, for a reader that counts from 1 again."""
        later = FragmentMemory()
        for key, first in self._firsts.items():
            if numbers - first.number < WINDOW:
                later._firsts[key] = replace(first, number=first.number - numbers)
        return later
