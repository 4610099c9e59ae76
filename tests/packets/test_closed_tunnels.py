"""S25: what is kept of tunnels that were left closed, and that it is bounded."""

from unittest.mock import patch

from otterize_pcap.packets import closed_tunnels
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.packets.packet import Packet, Tunnel

LOW, HIGH = bytes(15) + b"\1", bytes(15) + b"\2"
ONE, OTHER = Tunnel("vxlan", LOW, HIGH), Tunnel("geneve", LOW, HIGH)
ASKED = Packet(6, LOW, HIGH, 40000, 80, 60)
ANSWERED = Packet(6, HIGH, LOW, 80, 40000, 60)
ELSEWHERE = Packet(6, LOW, HIGH, 40000, 81, 60)


def test_both_directions_claim_one_connection() -> None:
    """A claim has no direction, and what holds no packet claims nothing."""
    closed = ClosedTunnels()
    for inside in (ASKED, ANSWERED, None):
        closed.note(ONE, inside)
    assert closed.claims == {(6, (LOW, 40000), (HIGH, 80))}
    assert closed.packets == {ONE: 3}


def test_parts_of_a_reading_add_up() -> None:
    """What several threads noted is what one would have."""
    first, second, both = ClosedTunnels(), ClosedTunnels(), ClosedTunnels()
    for part, tunnel, inside in ((first, ONE, ASKED), (second, ONE, ELSEWHERE)):
        part.note(tunnel, inside)
        both.note(tunnel, inside)
    first.append(second)
    assert first == both


def test_flood_of_tunnels_is_bounded() -> None:
    """Who sends more than there is room for makes everything inside tunnels doubtful."""
    with patch.object(closed_tunnels, "MAX_NOTED", 1):
        closed = ClosedTunnels()
        closed.note(ONE, ASKED)
        before = closed.is_full
        closed.note(OTHER, ELSEWHERE)
    assert (before, closed.is_full) == (False, True)
    assert len(closed.claims) == len(closed.packets) == 1
