"""Rules that run once a shape say of every connection what they say of it alone."""

import os
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.verdicts import Judged, Verdicts
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.map_capture import CaptureLookup, Rules, graph_capture
from otterize_pcap.table.chunk import FAST_PATH
from tests.connections.one_by_one import Calls, calls_one_by_one
from tests.connections.traffic import Traffic, traffic

EXAMPLES = int(os.environ.get("SHAPE_EXAMPLES", "200"))
EVERYTHING = Rules(inclusion=Inclusion(attempts=True, one_way_udp=True))

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


def grouped(found: Traffic, *, fast: bool) -> tuple[GroupedConnections, list[bytes]]:
    """The connections of a capture by shape, and the shapes in the order in which they came."""
    capture = found.capture(fast=fast)
    lookup = CaptureLookup(capture, EVERYTHING)
    verdicts = RecordedVerdicts()
    make: Callable[[], Verdicts] = lambda: verdicts  # noqa: E731 - stands in for a class
    with patch("otterize_pcap.connections.grouped.Verdicts", make):
        return (
            GroupedConnections(
                capture.recordings,
                lookup.routes,
                capture.dumps,
                believed=lookup.believes,
                listed=True,
                ranges=lookup.port_ranges(),
            ),
            verdicts.asked,
        )


@compiled
@settings(max_examples=EXAMPLES, deadline=None)
@given(found=traffic())
def test_compiled_and_readable_shapes_are_equal(found: Traffic) -> None:
    """Both kinds of components have the same shapes, stands, groups, connections and odd rows."""
    (fast, fast_shapes), (slow, slow_shapes) = (grouped(found, fast=fast) for fast in (True, False))
    assert fast_shapes == slow_shapes
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


@settings(max_examples=EXAMPLES, deadline=None)
@given(found=traffic())
def test_shapes_change_no_graph(found: Traffic) -> None:
    """Whatever two nodes saw, and whatever conntrack said, the graph is that of one by one."""
    assert calls_by_shape(found, fast=False) == calls_one_by_one(
        found.capture(fast=False), EVERYTHING
    )


@compiled
@settings(max_examples=EXAMPLES, deadline=None)
@given(found=traffic())
def test_compiled_shapes_change_no_graph(found: Traffic) -> None:
    """The same of the compiled part."""
    assert calls_by_shape(found, fast=True) == calls_one_by_one(
        found.capture(fast=True), EVERYTHING
    )
