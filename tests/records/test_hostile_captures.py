"""What somebody could make up to keep the mapper busy takes time in proportion, no more."""

import time
from collections.abc import Callable

import pytest

from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.resolve.map_capture import graph_capture, map_capture
from otterize_pcap.table.rows import SYN
from tests.cluster_builder import (
    Seen,
    call,
    capture,
    conntrack,
    entry,
    packet,
    pod,
    recording,
    service,
    snapshot,
    talk,
)

CLIENT, VIP, POD = "10.1.0.1:5", "10.96.0.1:80", "10.1.0.8:8080"
KNOWN = snapshot(
    pod("client", "10.1.0.1"),
    pod("s", "10.1.0.8"),
    pod("s2", "10.1.0.9", labels={"app": "s"}),
    service("s", "10.96.0.1", 80, target=8080),
)
LINE = entry(CLIENT, VIP, POD)
MANY = 6000
# Quadratic, each of these takes minutes; as it is, a few seconds on a slow machine.
SECONDS = 40


def one_port() -> list[Seen]:
    """SYN after SYN with another number between the same endpoints, before and after NAT."""
    return [(packet(CLIENT, end, SYN, n), n * 0.001, 1) for n in range(MANY) for end in (VIP, POD)]


def pauses() -> list[Seen]:
    """Datagrams with a pause after each, before and after NAT."""
    return [
        (packet(CLIENT, end, protocol=17), n * 31.0, 1) for n in range(MANY) for end in (VIP, POD)
    ]


def one_number() -> list[Seen]:
    """SYNs from many ports that all have one number and timestamp."""
    return [
        (packet(f"10.1.0.1:{n}", end, SYN, 7, timestamp=3), n * 0.001, 1)
        for n in range(MANY)
        for end in (VIP, POD)
    ]


def one_pair_of_numbers() -> list[Seen]:
    """Whole handshakes that all have the same two numbers."""
    return [seen for n in range(MANY // 4) for seen in call(f"10.1.0.1:{n}", POD, isn=7, answer=9)]


def strays() -> list[Seen]:
    """SYN after SYN into one connection."""
    seen: list[Seen] = []
    for n in range(MANY // 4):
        seen += [(packet(CLIENT, POD, SYN, n), n * 0.1, 1), *talk(CLIENT, POD, n * 0.1 + 0.05)]
    return seen


@pytest.mark.parametrize(
    ("make", "dumps"),
    [
        pytest.param(one_port, (), id="one port"),
        pytest.param(one_port, [conntrack(*[LINE] * MANY)], id="one entry again and again"),
        pytest.param(pauses, (), id="pauses"),
        pytest.param(one_number, (), id="one number"),
        pytest.param(one_pair_of_numbers, (), id="one pair of numbers"),
        pytest.param(strays, (), id="strays"),
    ],
)
def test_made_up_captures(make: Callable[[], list[Seen]], dumps: list[Dump]) -> None:
    """S20: however often endpoints, numbers or entries repeat, joining looks at a few of them."""
    made = capture(KNOWN, recording(make()), dumps=dumps)
    begun = time.process_time()
    assert graph_capture(made) == map_capture(made).graph
    assert time.process_time() - begun < SECONDS
