"""Later IP fragments have no ports; the first one's are remembered here.

Fragments of one packet travel together, so what is remembered is bounded by distance in the file,
not by time: memory stays small on hostile input, and the rule needs no clock.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from otterize_pcap.packets.packet import Tunnel

WINDOW = 65_536
"""Packets that may lie between a first fragment and a later one."""

FragmentKey = tuple[bytes, bytes, int, int, tuple[Tunnel, ...]]
"""Source, destination, protocol, identification (RFC 791, 3.2), tunnels around it."""


@dataclass(frozen=True, slots=True)
class FirstFragment:
    """The ports that the first fragment had, and its packet number.

    `in_tunnel` where it is a tunnel's outer packet, whose inner one is counted with the first.
    """

    number: int
    source_port: int
    destination_port: int
    in_tunnel: bool = False


class FragmentMemory:
    """Ports by fragment; `orphans` are the fragments whose first was not seen yet.

    Orphans are kept only near the start of what was read, where the first may lie in the part of
    the file before it.
    """

    def __init__(self) -> None:
        self._firsts: OrderedDict[FragmentKey, FirstFragment] = OrderedDict()
        self.orphans: dict[FragmentKey, int] = {}

    def remember(self, key: FragmentKey, first: FirstFragment) -> None:
        """Keep the ports of a first fragment; a later one with the same key replaces it."""
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
