"""Rules that run once a shape say of every connection what they say of it alone."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.verdicts import Judged, Verdicts
from otterize_pcap.files.captures import open_captures
from otterize_pcap.packets.protocols import ACK, SYN, TCP, UDP
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import FAST_PATH
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES
from tests.connections.one_by_one import Calls, calls_one_by_one, connections_one_by_one
from tests.connections.traffic import SECOND, Traffic, packet, traffic
from tests.connections.traffic_cluster import (
    API_VIP,
    NODE_A,
    NODE_B,
    NODE_PORT,
    OTHER_VIP,
    POD_A,
    POD_B,
    POD_C,
    POD_E,
    SNAPSHOTS,
    VIP,
    end,
)

EXAMPLES = int(os.environ.get("SHAPE_EXAMPLES", "200"))
# Where who answers changes with time: pods, Services, hostPorts, hostNetwork pods by both ways.
MOVING_ENDS = (
    (POD_B, 80),
    (POD_E, 8080),
    (VIP, 80),
    (VIP, 1024),
    (OTHER_VIP, 80),
    (API_VIP, 443),
    (NODE_A, NODE_PORT),
    (NODE_A, 6443),
    (NODE_B, 1023),
    (NODE_B, 1024),
    (NODE_B, 8080),
)
# Forced: captures of two clusters (S13) have shapes as well.
EVERYTHING = Rules(inclusion=Inclusion(attempts=True, one_way_udp=True), force=True)

compiled = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")


class RecordedVerdicts(Verdicts):
    """Verdicts that remember which shapes were asked for, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def judge(self, shape: bytes) -> list[Judged]:
        """The connections of a shape."""
        self.asked.append(shape)
        return super().judge(shape)


def grouped(
    found: Traffic, *, fast: bool, threads: int = 1
) -> tuple[GroupedConnections, list[bytes]]:
    """The connections of a capture by shape, and the shapes in the order in which they came."""
    capture = found.capture(fast=fast)
    lookup = CaptureLookup(capture, EVERYTHING)
    verdicts = RecordedVerdicts()
    make: Callable[[], Verdicts] = lambda: verdicts  # noqa: E731 - stands in for a class
    with patch("otterize_pcap.connections.grouped.Verdicts", make):
        return (
            GroupedConnections(
                lookup.contents.recordings,
                lookup.routes,
                lookup.contents.dumps,
                believed=lookup.believes,
                listed=True,
                ranges=lookup.port_ranges(),
                borders=lookup.borders(),
                threads=threads,
            ),
            verdicts.asked,
        )


@compiled
@settings(max_examples=EXAMPLES)
@given(found=traffic())
def test_compiled_and_readable_shapes_are_equal(found: Traffic) -> None:
    """Both kinds of components have the same shapes, stands, groups, connections and odd rows."""
    (fast, fast_shapes), (slow, slow_shapes) = (grouped(found, fast=fast) for fast in (True, False))
    assert fast_shapes == slow_shapes
    assert_equal(fast, slow)


@compiled
@settings(max_examples=EXAMPLES)
@given(found=traffic(), threads=st.integers(2, 5))
def test_threads_that_count_change_nothing(found: Traffic, threads: int) -> None:
    """What several threads count is that of one, numbered alike and in the same order."""
    with patch("otterize_pcap.connections._index.ENOUGH_FOR_THREADS", 0):
        fast, fast_shapes = grouped(found, fast=True, threads=threads)
    slow, slow_shapes = grouped(found, fast=False)
    assert set(fast_shapes) == set(slow_shapes)
    assert_equal(fast, slow)


def assert_equal(fast: GroupedConnections, slow: GroupedConnections) -> None:
    """All that two ways found of a capture is the same."""
    assert fast.shapes == slow.shapes
    assert fast.offsets == slow.offsets
    assert (fast.ageless, fast.left_out_packets) == (slow.ageless, slow.left_out_packets)
    assert fast.stands == slow.stands
    assert fast.groups == slow.groups
    assert list(fast.listing()) == list(slow.listing())
    assert [*map(_told, fast.odd)] == [*map(_told, slow.odd)]
    every = range(len(fast.groups))
    assert [(group, _told(one)) for group, one in fast.connections(every)] == [
        (group, _told(one)) for group, one in slow.connections(every)
    ]


def _told(one: Connection) -> tuple[object, ...]:
    """All of a connection, its legs by their files instead of their tables."""
    return (
        replace(one, legs=()),
        [(leg.file, leg.row, leg.first_ns, leg.last_ns) for leg in one.legs],
    )


def calls_by_shape(found: Traffic, *, fast: bool) -> Calls:
    """What the graph says of calls where rules run once a shape."""
    graph = graph_capture(found.capture(fast=fast), EVERYTHING)
    assert graph.coverage is not None
    return Calls(graph.calls, graph.hidden, graph.coverage.connections)


@settings(max_examples=EXAMPLES)
@given(found=traffic())
def test_shapes_change_no_graph(found: Traffic) -> None:
    """Whatever two nodes saw, and whatever conntrack said, the graph is that of one by one."""
    assert calls_by_shape(found, fast=False) == calls_one_by_one(
        found.capture(fast=False), EVERYTHING
    )


@compiled
@settings(max_examples=EXAMPLES)
@given(found=traffic())
def test_compiled_shapes_change_no_graph(found: Traffic) -> None:
    """The same of the compiled part."""
    assert calls_by_shape(found, fast=True) == calls_one_by_one(
        found.capture(fast=True), EVERYTHING
    )


def scenarios() -> list[Path]:
    """Every recorded capture with a snapshot of its own whose servers are told by address."""
    apart = {"load-balancer-name"}
    return sorted(
        path.parent
        for path in FIXTURES.glob("*/snapshot.json")
        if path.with_name("truth.json").exists() and path.parent.name not in apart
    )


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=compiled)])
@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.name)
def test_shapes_change_no_recorded_capture(path: Path, *, fast: bool) -> None:
    """Every recorded capture has the same calls by shape and one by one."""
    capture = open_captures([path], None, ReadOptions(fast=fast))[0]
    graph = graph_capture(capture, EVERYTHING)
    assert graph.coverage is not None
    assert Calls(graph.calls, graph.hidden, graph.coverage.connections) == calls_one_by_one(
        capture, EVERYTHING
    )


@settings(max_examples=EXAMPLES)
@given(found=traffic())
def test_shapes_change_no_connection(found: Traffic) -> None:
    """By shape there are the connections that there are one by one, each with all that it tells."""
    by_shape, _ = grouped(found, fast=False)
    lines = [one for _, one in by_shape.connections(range(len(by_shape.groups)))]
    found_one_by_one = connections_one_by_one(found.capture(fast=False), EVERYTHING)
    assert sorted(map(_line, [*lines, *by_shape.odd])) == sorted(map(_line, found_one_by_one))


@settings(max_examples=EXAMPLES)
@given(found=traffic())
def test_a_listing_tells_what_connections_tell(found: Traffic) -> None:
    """A listing has every connection that has a shape, in order, as they are one by one."""
    by_shape, _ = grouped(found, fast=False)
    listed = [
        (
            one.protocol,
            one.client,
            one.server,
            one.rule,
            one.outcome,
            one.first_ns,
            one.last_ns,
            one.packets,
            one.bytes,
            one.syns,
            one.file,
            one.packet,
        )
        for one in by_shape.listing()
    ]
    assert [line[5] for line in listed] == sorted(line[5] for line in listed)
    every = range(len(by_shape.groups))
    assert sorted(listed) == sorted(
        (
            one.protocol,
            one.clients[0],
            one.servers[-1],
            one.rule,
            one.outcome,
            one.first_ns,
            one.last_ns,
            one.packets,
            one.bytes,
            one.syns,
            one.legs[0].file,
            one.legs[0].row.number,
        )
        for _, one in by_shape.connections(every)
    )


def _line(one: Connection) -> tuple[object, ...]:
    """All that a connection tells, its legs by where they are.

    What conntrack alone knows of the other side of NAT makes a leg without packets one by one only.
    """
    legs = [
        (leg.file, leg.row.number, leg.row.low, leg.row.high, leg.first_ns)
        for leg in one.legs
        if any(side.packets or side.unreachable for side in leg.row.sides)
    ]
    return legs, one.clients, one.servers, repr(replace(one, legs=()))


@pytest.mark.parametrize("cluster", range(len(SNAPSHOTS)))
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_each_side_is_asked_anew_whenever_anything_changes(cluster: int, protocol: int) -> None:
    """S12, S14, S21: connections at every time to every endpoint, each alone and in groups."""
    seen = []
    for number, (after, (server, port)) in enumerate(itertools.product(range(60), MOVING_ENDS)):
        client = end((POD_A, POD_C, NODE_A)[number % 3], 1 + number)
        target = end(server, port)
        at = after * SECOND
        seen += [
            (packet(protocol, client, target, SYN, number), at, 1, 0),
            (packet(protocol, target, client, SYN | ACK, number, number + 1), at + 1, 1, 0),
            (packet(protocol, client, target, ACK, number + 1, number + 1), at + 2, 1, 0),
        ]
    found = Traffic(tuple(seen), (), cluster, ("a", "b"))
    expected = calls_one_by_one(found.capture(fast=False), EVERYTHING)
    assert calls_by_shape(found, fast=FAST_PATH) == expected
    assert len(expected.shown) > 1
