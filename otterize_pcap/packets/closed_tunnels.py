"""Tunnels that were left closed, and what they claim to hold (S25).

A pod's datagram that looks like a tunnel's is not opened. Masquerading can give a copy of it the
address of a node, and then it looks like the cluster's own tunnel. Its inside gives it away: a
5-tuple that any closed tunnel held is believed of no open one either.

A node takes what comes to its end of the network's tunnel from anybody, and sends on what is in it.
Outside of tunnels, what a client that a closed tunnel held seems to have sent is believed where its
own node recorded it, not on others.
"""

from collections import Counter

from msgspec import Struct, field

from otterize_pcap.packets.packet import Packet, Tunnel

Claim = tuple[int, tuple[bytes, int], tuple[bytes, int]]
"""Protocol and both endpoints of a packet inside, the lower one first."""

ClaimedEnd = tuple[int, tuple[bytes, int]]
"""Protocol and one endpoint of a packet inside."""

MAX_NOTED = 1 << 18
"""Tunnels, and claims, that are kept apart: who sends that many means to fill memory."""

FORGED = Tunnel("closed", bytes(16), bytes(16))
"""Stands for the tunnels of a row that a closed tunnel claimed as well."""


class ClosedTunnels(Struct):
    """The tunnels of one reading that were left closed.

    `packets` counts them by tunnel, as far as there is room. `claims` are the 5-tuples inside;
    `is_full` says that there were more.
    """

    packets: Counter[Tunnel] = field(default_factory=Counter)
    claims: set[Claim] = field(default_factory=set)
    is_full: bool = False

    def note(self, tunnel: Tunnel, inside: Packet | None) -> None:
        """Count one packet, and what it holds where that can be told."""
        self._count(tunnel, 1)
        if inside is not None:
            source = (inside.source, inside.source_port)
            target = (inside.destination, inside.destination_port)
            self._claim((inside.protocol, min(source, target), max(source, target)))

    def note_row(self, tunnel: Tunnel, claim: Claim, packets: int) -> None:
        """Note a 5-tuple inside, and packets of it that were not counted yet."""
        if packets:
            self._count(tunnel, packets)
        self._claim(claim)

    def append(self, later: "ClosedTunnels") -> None:
        """Add what was noted later."""
        for tunnel, packets in later.packets.items():
            self._count(tunnel, packets)
        for claim in later.claims:
            self._claim(claim)
        self.is_full |= later.is_full

    def ends(self) -> set[ClaimedEnd]:
        """The endpoints of all that was claimed."""
        return {(protocol, end) for protocol, *both in self.claims for end in both}

    def _count(self, tunnel: Tunnel, packets: int) -> None:
        if tunnel in self.packets or len(self.packets) < MAX_NOTED:
            self.packets[tunnel] += packets

    def _claim(self, claim: Claim) -> None:
        if len(self.claims) < MAX_NOTED:
            self.claims.add(claim)
        elif claim not in self.claims:
            self.is_full = True
