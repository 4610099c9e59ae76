"""Tunnels as they were saved → `Tunnel`, where they are such as packets can have come through."""

from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.packets.tunnels import TUNNEL_KINDS

ADDRESS_SIZE = len(FORGED.low)


def known_tunnel(kind: str, low: bytes, high: bytes) -> Tunnel:
    """A tunnel, `FORGED` as well.

    Compiled code reads 16 bytes of an address, and numbers kinds: nothing else must get there.

    Raises:
        ValueError: No packet comes through such a one.
    """
    tunnel = Tunnel(kind, low, high)
    if tunnel == FORGED:
        return FORGED
    if kind not in TUNNEL_KINDS or {len(low), len(high)} != {ADDRESS_SIZE}:
        raise ValueError(kind)
    return tunnel
