"""S12: where each address sent from, in compiled tables and in readable ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.connections.origins import Origin, origins_in_rows, origins_of
from otterize_pcap.packets.link_layer import CAME_IN, ON_SEGMENT, OUTGOING
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.protocols import ACK, RST
from tests.cluster_builder import START, Seen, end, packet, recording

WEB, DB = "10.1.0.1:40000", "10.1.0.2:80"
ADDRESSES = frozenset(end(text)[0] for text in (WEB, DB))
MAC, OTHER_MAC = 0x0A58A9FE0101, 0xEEEEEEEEEEEE
TUNNEL = Tunnel("vxlan", end(WEB)[0], end(DB)[0])

seen = st.tuples(
    st.builds(
        lambda ends, flags, station, tunnels: packet(
            ends[0], ends[1], flags, station=station, tunnels=tunnels
        ),
        st.permutations([WEB, DB, "8.8.8.8:53"]),
        st.sampled_from([ACK, RST]),
        st.sampled_from([0, OUTGOING << 48 | MAC, CAME_IN << 48 | MAC, ON_SEGMENT << 48 | MAC]),
        st.sampled_from([(), (), (TUNNEL,)]),
    ),
    st.integers(0, 90).map(float),
    st.sampled_from([0, 2, 1 << 32 | 2]),
)


@given(found=st.lists(seen, min_size=1, max_size=12))
def test_compiled_tables_say_the_same(found: list[Seen]) -> None:
    """Both kinds of tables have the same origins of the addresses asked for, and no others."""
    compiled = origins_of(recording(found), ADDRESSES)
    assert compiled == origins_in_rows(recording(found, compiled=False).rows, ADDRESSES)
    assert {origin.address for origin in compiled} <= ADDRESSES


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        pytest.param(packet(WEB, DB, ACK, station=CAME_IN << 48 | MAC), True, id="came in"),
        pytest.param(packet(WEB, DB, ACK, station=ON_SEGMENT << 48 | MAC), True, id="Ethernet"),
        pytest.param(packet(WEB, DB, ACK, station=OUTGOING << 48 | MAC), False, id="sent on"),
        pytest.param(packet(WEB, DB, ACK), False, id="no link header"),
        pytest.param(packet(WEB, DB, RST, station=CAME_IN << 48 | MAC), False, id="RST"),
        pytest.param(
            packet(WEB, DB, ACK, station=CAME_IN << 48 | MAC, tunnels=(TUNNEL,)), False, id="tunnel"
        ),
    ],
)
def test_what_tells_where_an_address_is(sent: Packet, told: bool) -> None:
    """An address is where its packets came in, not where a node sent them on or a heir answers."""
    assert bool(origins_of(recording([(sent, 1, 7)]), ADDRESSES)) is told


def test_first_and_last_time_of_each_origin() -> None:
    """A time each for an interface and a MAC address, over all connections of the address."""
    sent = [
        (packet(WEB, DB, ACK, station=CAME_IN << 48 | MAC), 1, 7),
        (packet("10.1.0.1:50000", DB, ACK, station=CAME_IN << 48 | MAC), 4, 7),
        (packet("10.1.0.1:50001", DB, ACK, station=CAME_IN << 48 | OTHER_MAC), 6, 7),
        (packet("10.1.0.1:50002", DB, ACK, station=CAME_IN << 48 | MAC), 8, 9),
    ]
    second = 1_000_000_000
    address = end(WEB)[0]
    assert origins_of(recording(sent), ADDRESSES) == [
        Origin(address, 7, CAME_IN << 48 | MAC, START + second, START + 4 * second),
        Origin(address, 7, CAME_IN << 48 | OTHER_MAC, START + 6 * second, START + 6 * second),
        Origin(address, 9, CAME_IN << 48 | MAC, START + 8 * second, START + 8 * second),
    ]
