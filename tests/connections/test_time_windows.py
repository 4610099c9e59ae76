"""A time that is asked for: whole connections that touch it, counted as if looked at one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.files.captures import open_captures
from otterize_pcap.intervals import Interval
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.resolve.map_capture import graph_capture, map_capture
from otterize_pcap.resolve.time_asked import TimeAsked
from otterize_pcap.table.chunk import FAST_PATH
from tests.cluster_builder import START
from tests.conftest import FIXTURES
from tests.connections.one_by_one import Calls, calls_one_by_one
from tests.connections.test_shapes import EVERYTHING, EXAMPLES, compiled
from tests.connections.traffic import SECOND, Traffic, traffic

HALF_SECONDS = st.integers(-4, 240)
WINDOWS = st.tuples(HALF_SECONDS, HALF_SECONDS).map(
    lambda ends: Interval(*(START + half * SECOND // 2 for half in sorted(ends)))
)


def asking(window: Interval) -> Rules:
    """Everything of a time."""
    return replace(EVERYTHING, time=TimeAsked(window.start_ns, window.end_ns))


def expected(found: Traffic, window: Interval, *, fast: bool) -> Calls:
    """What each connection by itself says."""
    inclusion = replace(EVERYTHING.inclusion, within=window)
    return calls_one_by_one(found.capture(fast=fast), replace(EVERYTHING, inclusion=inclusion))


@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=compiled)])
@settings(max_examples=EXAMPLES // 2)
@given(found=traffic(), window=WINDOWS)
def test_a_window_keeps_what_it_keeps_one_by_one(
    fast: bool,
    found: Traffic,
    window: Interval,
) -> None:
    """The graph of a time has the calls, counts and fates of its connections, looked at singly."""
    graph = graph_capture(found.capture(fast=fast), asking(window))
    assert graph.coverage is not None
    calls = Calls(graph.calls, graph.hidden, graph.coverage.connections)
    assert calls == expected(found, window, fast=fast)


@settings(max_examples=EXAMPLES // 2)
@given(found=traffic(), window=WINDOWS)
def test_groups_of_a_window_are_within_or_not(found: Traffic, window: Interval) -> None:
    """All connections of a group touch the window, or none; each is told with its own group."""
    groups = grouped(found, window, fast=FAST_PATH)
    by_number = {group.number: group for group in groups.groups}
    for number, one in groups.connections(by_number.keys()):
        group = by_number[number]
        assert window.touches(one.first_ns, one.last_ns, 0) == window.touches(
            group.first_ns, group.last_ns, 0
        )
    whole = grouped(found, None, fast=FAST_PATH)
    assert sum(group.connections for group in groups.groups) == sum(
        group.connections for group in whole.groups
    )
    assert sorted(groups.stands, key=str) == sorted(whole.stands, key=str)


@compiled
@settings(max_examples=EXAMPLES // 2)
@given(found=traffic(), window=WINDOWS)
def test_compiled_and_readable_windows_are_equal(found: Traffic, window: Interval) -> None:
    """Both make the same groups of a time, in one order."""
    fast, slow = (grouped(found, window, fast=fast) for fast in (True, False))
    assert fast.groups == slow.groups


def grouped(found: Traffic, window: Interval | None, *, fast: bool) -> GroupedConnections:
    """The groups of a capture of which a time is asked for."""
    lookup = CaptureLookup(found.capture(fast=fast), EVERYTHING)
    return GroupedConnections(
        lookup.contents.recordings,
        lookup.routes,
        lookup.contents.dumps,
        believed=lookup.believes,
        ranges=lookup.port_ranges(),
        borders=lookup.borders(),
        within=window,
    )


@pytest.mark.parametrize("fixture", ["two-nodes", "outcomes", "tutorial-after", "outside"])
def test_selected_connections_of_a_window_are_those_of_its_graph(fixture: str) -> None:
    """What other commands are given of a time is what its graph counts."""
    [capture] = open_captures([FIXTURES / fixture])
    whole = map_capture(capture, EVERYTHING)
    times = sorted(each.connection.first_ns for each in whole.resolutions)
    window = Interval(times[0] + 1, times[len(times) // 2])
    mapped = map_capture(capture, asking(window))
    singles = [
        each.connection
        for each in whole.resolutions
        if window.touches(each.connection.first_ns, each.connection.last_ns, 0)
    ]
    assert 0 < len(singles) < len(times)
    counted = [*mapped.groups, *mapped.odd]
    assert sum(getattr(each.connection, "connections", 1) for each in counted) == len(singles)
