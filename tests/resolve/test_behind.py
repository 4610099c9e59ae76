"""Graphs that keep the pods behind each call, and the labels of workloads."""

import pytest
from msgspec.structs import replace

from otterize_pcap import graph_capture, open_captures
from otterize_pcap.explain.asked_pair import Question
from otterize_pcap.explain.explain import explain
from otterize_pcap.explain.explanation import End
from otterize_pcap.graph.service_graph import ServiceGraph, Use
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.resolve.merge_graphs import merge_graphs
from otterize_pcap.resolve.resolution import Party, Resolved
from tests.cluster_builder import call, mapped, pod, service, snapshot
from tests.conftest import FIXTURES

BEHIND = Rules(inclusion=Inclusion(behind=True))
WEB = ["10.1.0.1", "10.1.0.2", "10.1.0.3"]
API = ["10.1.0.11", "10.1.0.12"]
TEAMS = {"team": "shop", "pod-template-hash": "5d4f"}
PODS = snapshot(
    *(
        pod("web", address, name=f"web-{n}", labels={**TEAMS, "zone": f"z{n}"})
        for n, address in enumerate(WEB)
    ),
    *(pod("api", address, name=f"api-{n}", labels={"app": "api"}) for n, address in enumerate(API)),
    service("api", "10.96.0.10", 80, backends=API),
    {
        "kind": "Namespace",
        "metadata": {
            "name": "app",
            "labels": {"team": "unknown", "tier": "front", "x/revision": "1"},
        },
    },
)
FIRST = [*call(f"{WEB[0]}:1", f"{API[0]}:80"), *call(f"{WEB[1]}:1", f"{API[0]}:80")]
SECOND = [*call(f"{WEB[2]}:1", f"{API[1]}:80"), *call(f"{WEB[1]}:2", f"{API[0]}:80")]


def only_use(graph: ServiceGraph) -> Use:
    """The only port of the only call."""
    [found] = graph.calls
    [use] = found.uses
    return use


def test_pods_behind_a_call() -> None:
    """Those that called and answered, sorted; none where nobody asked for them."""
    use = only_use(mapped(PODS, FIRST, rules=BEHIND).graph)
    assert (use.client_pods, use.server_pods) == (("web-0", "web-1"), ("api-0",))
    use = only_use(mapped(PODS, FIRST).graph)
    assert (use.client_pods, use.server_pods) == ((), ())


def test_pods_of_several_captures_add_up() -> None:
    """S13: a pod that both captures show is named once, whichever comes first."""
    graphs = [mapped(PODS, seen, rules=BEHIND).graph for seen in (FIRST, SECOND)]
    for order in (graphs, graphs[::-1]):
        use = only_use(merge_graphs(order))
        assert use.client_pods == ("web-0", "web-1", "web-2")
        assert use.server_pods == ("api-0", "api-1")


def test_a_service_that_was_not_seen_through_shows_no_pod() -> None:
    """Which of a Service's pods answered is not known where only its address was seen."""
    use = only_use(mapped(PODS, call(f"{WEB[0]}:1", "10.96.0.10:80"), rules=BEHIND).graph)
    assert (use.client_pods, use.server_pods, use.services) == (("web-0",), (), ("api.app",))


def test_explanations_name_no_pod_that_was_not_seen() -> None:
    """Of several pods behind a Service none is said to have answered, and each could have."""
    found = mapped(PODS, call(f"{WEB[0]}:1", "10.96.0.10:80"))
    [shown] = explain(Question("web", "api"), found).connections
    assert shown.server == End("api.app", inferred="Deployment api is not in the snapshot")
    for asked in ("api-0", "api-1"):
        assert explain(Question("web-0", asked), found).connections == (shown,)
    [single] = explain(Question("web", "api"), mapped(PODS, FIRST[:8])).connections[:1]
    assert single.server is not None
    assert single.server.pod == "app/api-0"


@pytest.mark.parametrize("fixture", ["two-nodes", "services", "hostnetwork", "tutorial-after"])
def test_pods_of_groups_are_those_of_each_connection(fixture: str) -> None:
    """What a graph keeps of groups is what each connection says by itself."""
    [capture] = open_captures([FIXTURES / fixture])
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for each in map_capture(capture, BEHIND).resolutions:
        if isinstance(each, Resolved) and isinstance(each.server, Party):
            pair = each.client.workload.name, each.server.workload.name
            for names, party in zip(
                found.setdefault(pair, (set(), set())), (each.client, each.server), strict=True
            ):
                names.update({party.pod.name} if party.pod else ())
    graph = graph_capture(capture, BEHIND)
    assert graph.calls
    for one in graph.calls:
        clients, servers = found[one.client.name, one.server.name]
        assert {name for use in one.uses for name in use.client_pods} == clients
        assert {name for use in one.uses for name in use.server_pods} == servers
    plain = graph_capture(capture)
    without = [
        replace(one, uses=tuple(replace(u, client_pods=(), server_pods=()) for u in one.uses))
        for one in graph.calls
    ]
    assert tuple(without) == plain.calls
    assert (plain.labels, graph.coverage) == ((), plain.coverage)


def labels(graph: ServiceGraph) -> dict[str, dict[str, tuple[str, ...]]]:
    """The labels that a graph keeps, by workload."""
    return {one.name: dict(of) for one, of in graph.labels}


def test_labels_of_workloads() -> None:
    """Those of all pods, else of their namespace; none that controllers set."""
    assert labels(mapped(PODS, FIRST, rules=BEHIND).graph) == {
        "api": {"app": ("api",), "team": ("unknown",), "tier": ("front",)},
        "web": {"team": ("shop",), "tier": ("front",), "zone": ("z0", "z1", "z2")},
    }


def test_labels_of_several_captures_add_up() -> None:
    """S13: a workload that changed hands has the values of both times."""
    later = snapshot(
        pod("web", WEB[0], labels={"team": "checkout"}), pod("api", API[0], labels={"app": "api"})
    )
    graphs = [mapped(each, FIRST, rules=BEHIND).graph for each in (PODS, later)]
    assert labels(merge_graphs(graphs))["web"]["team"] == ("checkout", "shop")


def test_a_label_of_each_pod_puts_nothing_together() -> None:
    """A key with more than five values among one workload's pods is left out."""
    pods = [pod("web", f"10.1.0.{n}", name=f"web-{n}", labels={"id": str(n)}) for n in range(1, 7)]
    known = snapshot(*pods, pod("api", API[0]))
    graph = mapped(known, call(f"{WEB[0]}:1", f"{API[0]}:80"), rules=BEHIND).graph
    assert labels(graph) == {"api": {"app": ("api",)}}
