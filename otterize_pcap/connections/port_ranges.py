"""Which ports are ephemeral at an address: by its own SYNs, its node's sysctl, or the usual (S35).

A range that was tuned for one pod is written nowhere, and what a few SYNs show of it is a few
ports. They do show in which *zone* it lies: below its node's range, inside or above.
"""

from collections.abc import Mapping

from msgspec import Struct

USUAL = range(32768, 61000)
"""`net.ipv4.ip_local_port_range` of a kernel that nobody tuned (ip-sysctl.rst)."""
WELL_KNOWN = 1024
BELOW, INSIDE, ABOVE, SYSTEM = range(4)
"""Zones of ports; `SYSTEM` are those below 1024, which are ephemeral nowhere."""
ENOUGH_PORTS = 2
"""From so many different ports on, what an address calls from is no port that it chose."""
Ranges = Mapping[bytes, range]
"""The range of an address's node, where it was saved."""


class PortFacts(Struct, frozen=True):
    """The zone of a port, and the zones that its address called from, a bit each; 0 if it did not.

    `encoded` is both as a byte.
    """

    zone: int
    shown: int = 0

    @property
    def encoded(self) -> int:
        """The zone in the lower two bits, what was shown above them."""
        return self.zone | self.shown << 2

    @property
    def is_fixed(self) -> bool:
        """Whether it is outside the ephemeral range of its own address."""
        return not (self.shown or 1 << INSIDE) >> self.zone & 1

    def is_fixed_beside(self, other: "PortFacts") -> bool:
        """The same where the other end is known: what that one showed goes before a default."""
        return not (self.shown or other.shown or 1 << INSIDE) >> self.zone & 1


def port_facts(port: int, node_range: range = USUAL, shown: int = 0) -> PortFacts:
    """The facts of one port."""
    return PortFacts(zone_of(port, node_range), shown)


def decoded(encoded: int) -> PortFacts:
    """The facts of `PortFacts.encoded`."""
    return PortFacts(encoded & 3, encoded >> 2)


def zone_of(port: int, node_range: range) -> int:
    """The zone of a port where a node has some range."""
    if port < WELL_KNOWN:
        return SYSTEM
    if port < node_range.start:
        return BELOW
    return INSIDE if port < node_range.stop else ABOVE


def parse_port_range(text: str) -> range | None:
    """/proc/sys/net/ipv4/ip_local_port_range, `first last`; None where it is anything else."""
    words = text.split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    first, last = map(int, words)
    return range(first, last + 1) if first <= last <= 0xFFFF else None
