"""Laws of flow logs: no order matters, what is there twice counts once, nothing crashes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.resolve.build_graph import Inclusion
from tests.conftest import FIXTURES
from tests.flow_logs.logs import as_lines, graph_of, read_log
from tests.strategies import laws

ALL = Inclusion(attempts=True, one_way_udp=True, cluster_dns=True, internet=True)
FOLDER = FIXTURES / "flow-logs"
STORIES = {
    "hubble": (FOLDER / "hubble.jsonl").read_bytes().splitlines(),
    "netobserv": [
        line.rstrip(b",") for line in (FOLDER / "netobserv.json").read_bytes().splitlines()
    ],
}
stories = pytest.mark.parametrize("story", sorted(STORIES))


def graph_without_lines(lines: list[bytes]) -> tuple[ServiceGraph, object]:
    """The graph, and what became of connections, without the numbers of lines and records."""
    graph = graph_of(b"\n".join(lines), ALL)
    calls = tuple(
        replace(call, uses=tuple(replace(use, evidence=None) for use in call.uses))
        for call in graph.calls
    )
    assert graph.coverage is not None
    told = graph.coverage.connections, graph.coverage.undecided, graph.coverage.notes
    return replace(graph, calls=calls, coverage=None), told


@stories
@laws
@given(data=st.data())
def test_no_order_of_lines_matters(story: str, data: st.DataObject) -> None:
    """Relay merges nodes' flows as they come."""
    lines = STORIES[story]
    shuffled = data.draw(st.permutations(lines))
    assert graph_without_lines(shuffled) == graph_without_lines(lines)


@stories
@laws
@given(data=st.data())
def test_line_that_is_there_twice_counts_once(story: str, data: st.DataObject) -> None:
    """Exports overlap: calls, connections, packets and bytes stay; the log has more records."""
    lines = STORIES[story]
    # What was lost twice was lost twice: only flows are alike.
    flows = [line for line in lines if b"lost_events" not in line]
    more = data.draw(st.lists(st.sampled_from(flows), max_size=20))
    assert graph_without_lines([*lines, *more]) == graph_without_lines(lines)


@stories
def test_nothing_differs_from_itself(story: str) -> None:
    """diff(a, a) is empty, whatever the log lacks."""
    graph = graph_of(b"\n".join(STORIES[story]), ALL)
    assert diff_graphs(graph, graph).is_empty


@stories
@laws
@given(data=st.data())
def test_fewer_lines_never_remove_a_call(story: str, data: st.DataObject) -> None:
    """Whatever is missing of a log, no call is said to be gone."""
    lines = STORIES[story]
    kept = data.draw(st.lists(st.sampled_from(lines), min_size=1, unique=True))
    whole, part = (graph_of(b"\n".join(some), ALL) for some in (lines, kept))
    assert diff_graphs(whole, part).removed == ()


FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def parts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """Where in a document there is something."""
    found = [path] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += parts(inner, (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found += parts(inner, (*path, at))
    return found


@stories
@laws
@given(data=st.data())
def test_odd_parts_cost_themselves(story: str, data: st.DataObject) -> None:
    """Anything in the place of anything: no error, and the other records stay."""
    lines = STORIES[story]
    number = data.draw(st.integers(0, len(lines) - 1))
    record = json.loads(lines[number])
    place = data.draw(st.sampled_from(parts(record)))
    inner = record
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = data.draw(JSON)
    others = [*lines[:number], *lines[number + 1 :]]
    mutated = as_lines([record]).rstrip()
    found = read_log(b"\n".join((*others, mutated)))
    left = read_log(b"\n".join(others))
    assert found.records == len(lines)
    assert len(found.flows) >= len(left.flows)
    graph_of(b"\n".join((*others, mutated)), ALL)
