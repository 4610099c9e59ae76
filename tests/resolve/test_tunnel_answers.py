"""S25: a tunnel between two pods is two one-way 5-tuples, and one call of who sent first."""

from collections import Counter

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.resolve.build_graph import HIDDEN_ONE_WAY, SHOWN
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.tunnel_answers import ANSWERS
from tests.cluster_builder import Seen, capture, datagrams, edges, fates, pod, snapshot

A, B = "10.1.0.1", "10.1.0.2"
VXLAN = {"containerPort": 4789, "protocol": "UDP"}
KNOWN = snapshot(pod("a", A, ports=[VXLAN]), pod("b", B, ports=[VXLAN]))
CLOSED = Counter({Tunnel("vxlan", parse_address(A), parse_address(B)): 2})
ASKED = datagrams(f"{A}:50001", f"{B}:4789", 1, answered=False)
ANSWERED = datagrams(f"{B}:50002", f"{A}:4789", 1.5, answered=False)


def mapped(seen: list[Seen], closed: Counter[Tunnel] = CLOSED) -> MappedCapture:
    """What the mapper makes of datagrams, where these tunnels were left closed."""
    contents = replace(contents_of(capture(KNOWN, seen)), closed=closed)
    return map_capture(Capture(contents))


def test_who_sent_first_called() -> None:
    """S25, S40: the other way's datagrams answer, and are no call of their own."""
    found = mapped([*ASKED, *ANSWERED])
    assert edges(found) == {"a -> b:4789/UDP"}
    assert fates(found) == {SHOWN: 1, ANSWERS: 1}
    assert {one.connection.outcome for one in found.resolutions} == {"established", "unanswered"}


@pytest.mark.parametrize(
    ("seen", "closed", "connections"),
    [
        pytest.param(ASKED, CLOSED, 1, id="nobody answered"),
        pytest.param([*ASKED, *ANSWERED], Counter(), 2, id="no tunnel"),
        pytest.param(
            [*ASKED, *datagrams(f"{B}:50002", f"{A}:53", 1.5, answered=False)],
            CLOSED,
            2,
            id="to another port",
        ),
    ],
)
def test_one_way_datagrams_stay_unanswered(
    seen: list[Seen], closed: Counter[Tunnel], connections: int
) -> None:
    """S40: only a tunnel's both ways to its own port answer each other."""
    found = mapped(seen, closed)
    assert edges(found) == set()
    assert found.graph.coverage is not None
    assert sum(count for _, count in found.graph.coverage.connections) == connections
    assert HIDDEN_ONE_WAY in fates(found)
