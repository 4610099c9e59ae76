"""Absent from the graph is not absent from the capture: what may have been the call (S65)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.thresholds import ungrounded
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    External,
    FileCoverage,
    HiddenCall,
    ServiceGraph,
    UndecidedCall,
    Use,
    Workload,
)
from otterize_pcap.resolve.build_graph import HIDDEN_DNS, HIDDEN_EXTERNAL, HIDDEN_HALF
from otterize_pcap.resolve.resolution import AMBIGUOUS, API_SERVER, NO_POD, NODE_CLIENT, UNDIRECTED
from tests.conftest import FIXTURES, Otterize
from tests.strategies import graphs, laws

CASE = FIXTURES / "cases" / "diff-gone-though-ambiguous"
WEB, LEGACY = Workload("web", "app", "Deployment"), Workload("legacy", "app", "Deployment")
DB, CACHE = Workload("db", "app", "StatefulSet"), Workload("cache", "app", "StatefulSet")
OUTSIDE = External("192.0.2.1", is_address=True)
USE = Use("TCP", 5432, 1, (1, 1), (1, 1), 1, 2, (("established", 1),), ())
CALLED = ServiceGraph((Call(WEB, DB, uses=(USE,)),), Coverage())
WHOLE = Coverage((FileCoverage("a.pcap", "a", 9, 1, 9),))


def after(seen: Coverage, hidden: tuple[HiddenCall, ...] = ()) -> ServiceGraph:
    """A later capture without the call; another one shows that it recorded."""
    return ServiceGraph((Call(CACHE, DB, uses=(USE,)),), seen, hidden)


@pytest.mark.parametrize(
    ("seen", "removed"),
    [
        pytest.param(UndecidedCall(AMBIGUOUS, (LEGACY, WEB), (DB,), "TCP", 1), False, id="either"),
        pytest.param(UndecidedCall(AMBIGUOUS, (LEGACY, CACHE), (DB,), "TCP", 1), True, id="others"),
        pytest.param(UndecidedCall(NO_POD, None, (DB,), "TCP", 1), False, id="any client"),
        pytest.param(UndecidedCall(NO_POD, (WEB,), None, "TCP", 1), False, id="any server"),
        pytest.param(UndecidedCall(NO_POD, (WEB,), None, "UDP", 1), True, id="other protocol"),
        pytest.param(UndecidedCall(NO_POD, None, (CACHE,), "TCP", 1), True, id="other server"),
        pytest.param(UndecidedCall(NO_POD, None, (OUTSIDE,), "TCP", 1), True, id="outside"),
        pytest.param(UndecidedCall(UNDIRECTED, (WEB,), (DB,), "TCP", 1), False, id="undirected"),
        pytest.param(UndecidedCall(NO_POD, None, None, "", 1), False, id="nothing known"),
    ],
)
def test_removed_only_where_nothing_could_be_the_call(seen: UndecidedCall, removed: bool) -> None:
    """Both ends and the protocol must fit; the reason is the fate of what fits."""
    found = diff_graphs(CALLED, after(replace(WHOLE, undecided=(seen,))))
    assert bool(found.removed) is removed
    assert [entry.reasons for entry in found.not_seen] == (
        [] if removed else [(f"connections that may be it are {seen.fate}",)]
    )


@pytest.mark.parametrize(
    ("before", "removed"),
    [
        pytest.param((), False, id="no node called"),
        pytest.param((UndecidedCall(NODE_CLIENT, None, (DB,), "TCP", 9),), True, id="probes"),
        pytest.param((UndecidedCall(NODE_CLIENT, None, (DB,), "UDP", 9),), False, id="by UDP"),
        pytest.param((UndecidedCall(NODE_CLIENT, None, (CACHE,), "TCP", 9),), False, id="another"),
    ],
)
def test_node_that_did_not_call_before_may_be_its_pod(
    before: tuple[UndecidedCall, ...], removed: bool
) -> None:
    """A snapshot without the hostNetwork pod leaves its calls to the node; probes were there."""
    probe = UndecidedCall(NODE_CLIENT, (API_SERVER,), (DB,), "TCP", 1)
    old = replace(CALLED, coverage=Coverage(undecided=before))
    found = diff_graphs(old, after(replace(WHOLE, undecided=(probe,))))
    assert bool(found.removed) is removed


@pytest.mark.parametrize(
    ("ends", "removed"), [(900, True), (500, True), (440, False), (10, False)], ids=str
)
def test_node_whose_packets_end_early_takes_no_call_away(ends: int, removed: bool) -> None:
    """A file cut between packets, without a manifest: it ended at 90 % of the time before."""

    def seen(end: int) -> Coverage:
        whole = FileCoverage("a.pcap", "a", 9, 0, 1000)
        return Coverage((whole, FileCoverage("b.pcap", "b", 9, 0, end)))

    old = replace(CALLED, coverage=seen(900))
    assert bool(diff_graphs(old, after(seen(ends))).removed) is removed


def test_call_to_outside_is_not_removed_where_such_calls_are_hidden() -> None:
    """An earlier graph had them shown; without --internet the new one only counts them."""
    before = ServiceGraph((Call(WEB, External("example.com"), uses=(USE,)),))
    assert diff_graphs(before, after(WHOLE)).removed
    assert diff_graphs(before, after(replace(WHOLE, connections=((HIDDEN_EXTERNAL, 2),)))).not_seen


@pytest.mark.parametrize(
    ("fate", "removed"),
    [(HIDDEN_DNS, False), (HIDDEN_HALF, False), (Fate(FateKind.HIDDEN, "refused"), True)],
    ids=str,
)
def test_what_an_option_hides_is_not_removed(fate: Fate, removed: bool) -> None:
    """A call that is refused now took place before: that one is gone."""
    found = diff_graphs(CALLED, after(WHOLE, (HiddenCall(WEB, DB, fate),)))
    assert (bool(found.removed), bool(found.not_seen)) == (removed, not removed)


@laws
@given(graphs(), graphs(), st.booleans())
def test_nothing_is_removed_where_anything_may_be_anything(
    old: ServiceGraph, new: ServiceGraph, written: bool
) -> None:
    """One connection of which nothing is known is enough, in a capture and in its graph JSON."""
    anything = UndecidedCall(NO_POD, None, None, "", 1)
    seen = replace(new, coverage=replace(WHOLE, undecided=(anything,)))
    if written:
        seen = decode_graph(encode_graph(seen).encode(), "graph.json")
    gone = {(call.client, call.server) for call in diff_graphs(old, seen).removed}
    assert not {pair for pair in gone if isinstance(pair[1], Workload)}


@pytest.mark.parametrize(
    ("old", "new"), [("d-old", "d-new-evicted"), ("d-old-watch", "d-new-evicted-watch")]
)
def test_leftover_pod_takes_no_call_away(old: str, new: str, otterize: Otterize) -> None:
    """The same eight packets: no difference, in words and as annotations."""
    for form in ("text", "github"):
        done = otterize("diff", CASE / old, CASE / new, "--format", form)
        assert (done.returncode, done.stdout) == (0, "")


def test_snapshot_without_the_client_takes_no_call_away(otterize: Otterize) -> None:
    """Rights limited to a namespace: not seen, but the comparison rests on what may be the call."""
    done = otterize("diff", CASE / "d-old", CASE / "d-new-nsonly")
    assert (done.returncode, done.stdout) == (0, "  web calls:\n?   - db\n")
    assert "may be it are unresolved: no pod had the address then" in done.stderr


@pytest.mark.parametrize(
    ("undecided", "rests"),
    [
        pytest.param((UndecidedCall(NO_POD, None, (DB,), "TCP", 1),), True, id="server known"),
        pytest.param((UndecidedCall(NO_POD, (WEB,), None, "TCP", 1),), True, id="client known"),
        pytest.param((UndecidedCall(NO_POD, None, None, "TCP", 1),), False, id="nobody known"),
        pytest.param((UndecidedCall(NO_POD, None, (CACHE,), "TCP", 1),), False, id="no call's"),
        pytest.param((UndecidedCall(NODE_CLIENT, None, (DB,), "TCP", 1),), False, id="probes"),
        pytest.param(
            (
                UndecidedCall(NO_POD, None, (DB,), "TCP", 1),
                UndecidedCall(NO_POD, None, None, "TCP", 1),
            ),
            False,
            id="one of nobody",
        ),
        pytest.param((), False, id="nothing"),
    ],
)
def test_what_may_be_a_call_is_something_to_rest_on(
    undecided: tuple[UndecidedCall, ...], rests: bool
) -> None:
    """Where every connection may be a call of the other side; for a single side, never."""
    later = ServiceGraph((), replace(WHOLE, undecided=undecided))
    assert ungrounded((CALLED, later)) is (None if rests else later)
    assert ungrounded((later,)) is later
