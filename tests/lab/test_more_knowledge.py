"""More knowledge makes nothing worse: no true edge vanishes, and no false one appears.

`MORE_KNOWLEDGE_EXAMPLES=200` looks at so many ways of knowing less of each scenario.
"""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.capture import contents_of
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.resolve.resolution import API_SERVER
from tests.lab.knowledge import MANIFEST, WATCH, Knowledge, Piece
from tests.lab.test_scenarios import (
    SCENARIOS,
    Edge,
    bearable_edges,
    each_scenario,
    edge,
    identity_of,
    mapped,
    opened,
    truth,
)
from tests.lab.views import RECORDED

EXAMPLES = int(os.environ.get("MORE_KNOWLEDGE_EXAMPLES", "2"))
# Where no slice says which address is the API server's, it goes by its static pod; and its port is
# the one that was called.
STATIC_POD = Workload("kube-apiserver", "kube-system", "Pod")


@cache
def knowledge(scenario: Path) -> Knowledge:
    """What is known of a scenario."""
    return Knowledge(scenario, truth(scenario), mapped(scenario))


@cache
def names(scenario: Path) -> dict[str, Workload]:
    """Whose each pod is where every owner is known, by its uid."""
    snapshot = contents_of(opened(scenario)).snapshot
    identities = Identities(snapshot)
    return {pod.uid: identities.of(pod).workload for pod in snapshot.pods}


def found_edges(scenario: Path, known: set[Piece], view: str) -> set[Edge]:
    """The edges that a capture shows which knows some pieces, by the names of those who know all.

    The name of a workload is knowledge as well: an owner that is absent makes it another one.
    """
    with TemporaryDirectory() as directory:
        capture = knowledge(scenario).write(Path(directory) / scenario.name, known, view)
        graph = graph_capture(capture)
    snapshot = contents_of(capture).snapshot
    identities = Identities(snapshot)
    whose: dict[Workload, set[Workload]] = {STATIC_POD: {API_SERVER}}
    for pod in snapshot.pods:
        named = identities.of(pod).workload
        if named != STATIC_POD:
            whose.setdefault(named, set()).add(names(scenario).get(pod.uid, named))
    return {
        (*identity_of(client), *identity_of(server), use.protocol, use.port)
        for call in graph.calls
        if isinstance(call.server, Workload)
        for use in call.uses
        for client in whose.get(call.client, {call.client})
        for server in whose.get(call.server, {call.server})
    }


def without_api_port(found: set[Edge]) -> set[Edge]:
    """The same, the API server's port left out."""
    api_server = identity_of(API_SERVER)
    return {(*one[:-1], 0) if one[4:8] == api_server else one for one in found}


@st.composite
def steps(draw: st.DrawFn, scenario: Path) -> tuple[set[Piece], set[Piece], str]:
    """What is known before and after something more is, and from where the packets are.

    A watch need not agree with the truth, as it may learn late that a pod is gone: it is known both
    before and after, or never. So is the manifest, which tells clocks.
    """
    all_of = knowledge(scenario)
    kinds = st.sets(st.sampled_from(sorted({piece.kind for piece in all_of.held})), max_size=3)
    some = st.sets(st.sampled_from(all_of.held), max_size=8)
    more = st.sets(st.sampled_from(all_of.beside), max_size=4)
    unknown_kinds, unknown, beside = draw(kinds), draw(some), draw(more)
    held = {piece for piece in all_of.held if piece.kind not in unknown_kinds} - unknown
    added = [one for one in (*all_of.held, *all_of.beside) if one not in {WATCH, MANIFEST}]
    new = draw(st.sets(st.sampled_from(added), min_size=1, max_size=6))
    before = (held | beside) - new
    return before, before | new, draw(st.sampled_from((RECORDED, "uplink")))


@each_scenario
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_more_knowledge_loses_no_call_and_makes_none_up(
    scenario: Path, data: st.DataObject
) -> None:
    """Objects, dumps and declarations that agree with the truth add calls and take none away.

    Who knows the cluster's DNS hides the calls to it (S45).
    """
    before, after, view = data.draw(steps(scenario))
    note(f"known too: {sorted(after - before)}")
    note(f"not known: {sorted(set(knowledge(scenario).held) - after)}")
    note(f"beside: {sorted(before - set(knowledge(scenario).held))}")
    looked_up = {
        edge(entry) for entry in truth(scenario)["notEdges"] if entry["why"] == "cluster-dns"
    }
    true = without_api_port(bearable_edges(scenario, view))
    less = without_api_port(found_edges(scenario, before, view))
    more = without_api_port(found_edges(scenario, after, view))
    assert less & true <= more
    assert more - true <= less | looked_up


@pytest.mark.parametrize("view", [RECORDED, "uplink"])
def test_the_slice_of_one_family_takes_no_call_away(view: str) -> None:
    """S21: one of a dual-stack Service's slices is no less knowledge than none."""
    scenario = next(path for path in SCENARIOS if path.name == "dual-stack")
    without = {"EndpointSlice", "conntrack-end", "line", "declared"}
    least = {piece for piece in knowledge(scenario).held if piece.kind not in without}
    slices = [piece for piece in knowledge(scenario).held if piece.kind == "EndpointSlice"]
    assert len(slices) > 1
    for one in slices:
        assert found_edges(scenario, least, view) <= found_edges(scenario, least | {one}, view)


def test_all_that_is_held_is_what_was_recorded() -> None:
    """Taken apart and put together again, a scenario shows what it shows."""
    scenario = next(path for path in SCENARIOS if path.name == "services")
    known = set(knowledge(scenario).held)
    assert MANIFEST in known
    assert found_edges(scenario, known, RECORDED) == bearable_edges(scenario)
