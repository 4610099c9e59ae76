"""An added call that may be the absent one: other names, turned round, through a relay (S65)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.compare import renamed_ends
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.renamed_ends import RenamedEnds, may_be_renamed
from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    FileCoverage,
    Server,
    ServiceGraph,
    Use,
    Workload,
)
from otterize_pcap.resolve.resolution import API_SERVER
from tests.strategies import laws

WEB, DB = Workload("web", "app", "Deployment"), Workload("db", "app", "StatefulSet")
PROXY = Workload("proxy", "app", "Deployment")
HELLO = Workload("hello", "app", "Service", group="serving.knative.dev")
KAFKA = Workload("my", "app", "Kafka")
SETS = Workload("my-kafka", "app", "StrimziPodSet", group="core.strimzi.io")
APISERVER = Workload("kube-apiserver", "kube-system", "Pod")
USE = Use("TCP", 6443, 1, (1, 1), (1, 1), 1, 2, (("established", 1),), ())
WHOLE = Coverage((FileCoverage("a.pcap", "a", 9, 1, 9),))
WORKLOADS = st.builds(
    Workload,
    st.sampled_from(("web", "web-7d4b9c6f5-x2x9z", "web-00001", "web-00001-deployment", "we", "")),
    st.sampled_from(("app", "prod", "default", "")),
    st.sampled_from(("Deployment", "Pod", "Service", "Configuration", "")),
    group=st.sampled_from(("", "serving.knative.dev")),
)
Pairs = list[tuple[Workload, Server]]


def graph(pairs: Pairs) -> ServiceGraph:
    """A capture that saw these calls."""
    return ServiceGraph(tuple(Call(*pair, uses=(USE,)) for pair in pairs), WHOLE)


@pytest.mark.parametrize(
    ("old", "new", "removed"),
    [
        pytest.param((WEB, DB), (WEB, PROXY), True, id="another server"),
        pytest.param((WEB, DB), (PROXY, DB), True, id="another client"),
        pytest.param((WEB, DB), (DB, WEB), False, id="the other way round"),
        pytest.param((WEB, DB), (WEB, replace(DB, name="")), False, id="without a name"),
        pytest.param(
            (WEB, DB), (replace(WEB, namespace="default"), DB), False, id="without a namespace"
        ),
        pytest.param((WEB, DB), (replace(WEB, namespace="prod"), DB), True, id="other namespace"),
        pytest.param((WEB, DB), (Workload("web-x1", "app", "Pod"), DB), False, id="its pod"),
        pytest.param((WEB, DB), (replace(WEB, name="web-two"), DB), True, id="a namesake"),
        pytest.param(
            (HELLO, DB),
            (Workload("hello-00001-deployment", "app", "Deployment"), DB),
            False,
            id="its revision",
        ),
        pytest.param(
            (HELLO, DB), (replace(HELLO, kind="Configuration"), DB), False, id="its Configuration"
        ),
        pytest.param((KAFKA, DB), (SETS, DB), False, id="its set of pods"),
        pytest.param((SETS, DB), (KAFKA, DB), False, id="what owns its set of pods"),
        pytest.param((KAFKA, DB), (replace(KAFKA, name="my-two"), DB), True, id="one of its kind"),
        pytest.param((WEB, DB), (replace(SETS, name="web-x"), DB), True, id="no resource's"),
        pytest.param((WEB, API_SERVER), (WEB, APISERVER), False, id="the API server's pod"),
        pytest.param((WEB, API_SERVER), (DB, APISERVER), True, id="the API server by another"),
    ],
)
def test_removed_only_where_no_added_call_may_be_it(
    old: tuple[Workload, Server], new: tuple[Workload, Server], removed: bool
) -> None:
    """A call that is new and may be the absent one makes that one not seen; it stays new itself."""
    found = diff_graphs(graph([old]), graph([new]))
    assert [call.server for call in found.added] == [new[1]]
    assert (bool(found.removed), bool(found.not_seen)) == (removed, not removed)


def test_calls_through_an_absent_relay_are_not_removed() -> None:
    """Without the relay its two calls are one: neither is gone."""
    found = diff_graphs(graph([(WEB, PROXY), (PROXY, DB)]), graph([(WEB, DB)]))
    assert found.removed == ()
    reason = "a call that is new may have gone through what is absent"
    assert [entry.reasons for entry in found.not_seen] == [(reason,), (reason,)]


@pytest.mark.parametrize(
    ("reason", "removed"), [("cut off in IPv4", False), ("not IP", True)], ids=str
)
def test_packets_left_out_may_be_the_call(reason: str, removed: bool) -> None:
    """A reason that the old capture did not have, and that may concern calls."""
    new = replace(graph([(DB, WEB)]), coverage=replace(WHOLE, skipped=((reason, 3),)))
    assert bool(diff_graphs(graph([(WEB, PROXY), (DB, WEB)]), new).removed) is removed


def test_fewer_files_than_before_are_a_gap() -> None:
    """Without a manifest a file's absence is known from the old capture alone."""
    two = replace(WHOLE, files=(*WHOLE.files, FileCoverage("b.pcap", "b", 9, 1, 9)))
    old = replace(graph([(WEB, PROXY), (DB, WEB)]), coverage=two)
    found = diff_graphs(old, graph([(DB, WEB)]))
    assert [entry.reasons for entry in found.not_seen] == [
        ("no file of node b, which was captured before",)
    ]


@laws
@given(st.sets(WORKLOADS, max_size=8), WORKLOADS)
def test_ends_by_name_are_those_of_all(ends: set[Workload], absent: Workload) -> None:
    """Looking ends up by their names finds what comparing an end with each one finds."""
    expected = {end for end in ends if may_be_renamed(absent, end)}
    assert RenamedEnds(ends).may_be(absent) == expected


def test_many_calls_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client that lost a thousand servers and got others, and a thousand such clients."""
    compared = 0

    def counted(absent: Workload, added: Workload) -> bool:
        nonlocal compared
        compared += 1
        return may_be_renamed(absent, added)

    monkeypatch.setattr(renamed_ends, "may_be_renamed", counted)

    def calls(prefix: str) -> Pairs:
        pods = [Workload(f"{prefix}-{number}", "app", "Deployment") for number in range(1000)]
        return [*((WEB, pod) for pod in pods), *((pod, DB) for pod in pods)]

    found = diff_graphs(graph(calls("old")), graph(calls("new")))
    assert (len(found.removed), len(found.added)) == (2000, 2000)
    assert compared < 100
