"""S13, S42, S50, S51, S60: from resolved connections to the calls that are shown."""

import pytest

from otterize_pcap.errors import UsageError
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.filters import GraphFilter, filter_graph, parse_server
from otterize_pcap.graph.service_graph import LOOKUP, Call, Coverage, ServiceGraph, Workload
from otterize_pcap.resolve.build_graph import (
    HIDDEN_EXTERNAL,
    HIDDEN_LABEL,
    HIDDEN_NAMESPACE,
    Inclusion,
)
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.merge_graphs import merge_graphs
from otterize_pcap.resolve.resolution import EXTERNAL_CLIENT, NO_POD, UNKNOWN_PRIVATE
from tests.cluster_builder import (
    OUTSIDE,
    call,
    edges,
    fates,
    mapped,
    node,
    pod,
    snapshot,
)

WEB, API, DB = "10.1.0.1", "10.1.0.2", "10.1.0.3"
KNOWN = snapshot(
    pod("web", WEB, namespace="shop"),
    pod("api", API, namespace="shop", labels={"tier": "back", "empty": ""}),
    pod("db", DB, namespace="data"),
    node("c", "192.168.0.3", pod_cidr="10.1.0.0/16"),
)
SEEN = [
    *call(f"{WEB}:1", f"{API}:80"),
    *call(f"{API}:1", f"{DB}:5432"),
    *call(f"{WEB}:2", f"{DB}:9"),
]


def shown(**wanted: object) -> set[tuple[str, str]]:
    """Which calls a filter keeps."""
    graph = filter_graph(mapped(KNOWN, SEEN).graph, GraphFilter(**wanted))  # type: ignore[arg-type]
    return {(found.client.name, found.server.name) for found in graph.calls}


ALL = {("web", "api"), ("api", "db"), ("web", "db")}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, ALL, id="none"),
        pytest.param({"namespaces": frozenset({"shop"})}, ALL, id="clients' namespace"),
        pytest.param({"namespaces": frozenset({"data"})}, set(), id="not the servers'"),
        pytest.param({"server": ("api", "shop")}, {("web", "api"), ("web", "db")}, id="server"),
        pytest.param({"server": ("api", "data")}, set(), id="server elsewhere"),
        pytest.param(
            {"exclude_services": frozenset({"api"})}, {("web", "db")}, id="excluded, both sides"
        ),
        pytest.param({"exclude_services": frozenset({"api.data"})}, ALL, id="excluded elsewhere"),
    ],
)
def test_filters(wanted: dict[str, object], expected: set[tuple[str, str]]) -> None:
    """S60: what is kept; `--server` keeps both calls of a client that calls two (upstream's)."""
    assert shown(**wanted) == expected


def test_filters_that_exclude_each_other() -> None:
    """S60: a server together with namespaces is a usage error, a server needs a namespace."""
    with pytest.raises(UsageError, match="drop one of them"):
        shown(server=("api", "shop"), namespaces=frozenset({"shop"}))
    with pytest.raises(UsageError, match=r"expected NAME\.NAMESPACE"):
        parse_server("api")


@pytest.mark.parametrize(
    ("inclusion", "fate", "left"),
    [
        (Inclusion(exclude_labels=(("tier", "back"),)), HIDDEN_LABEL, {"web -> db:9"}),
        (Inclusion(exclude_labels=(("empty", ""),)), HIDDEN_LABEL, {"web -> db:9"}),
        (Inclusion(exclude_labels=(("tier", None),)), HIDDEN_LABEL, {"web -> db:9"}),
        (Inclusion(exclude_namespaces=frozenset({"data"})), HIDDEN_NAMESPACE, {"web -> api:80"}),
    ],
    ids=["label", "label without a value", "label with any value", "namespace"],
)
def test_exclusions(inclusion: Inclusion, fate: Fate, left: set[str]) -> None:
    """S60: an edge is dropped if either side matches, and counted."""
    found = mapped(KNOWN, SEEN, rules=Rules(inclusion=inclusion))
    assert edges(found) == left
    assert fates(found)[fate] == 2


@pytest.mark.parametrize(
    ("client", "server", "fate"),
    [
        pytest.param(WEB, OUTSIDE, HIDDEN_EXTERNAL, id="to the Internet"),
        pytest.param(WEB, "2001:db8::1", HIDDEN_EXTERNAL, id="over IPv6"),
        pytest.param(WEB, "172.20.5.5", UNKNOWN_PRIVATE, id="private, nobody's"),
        pytest.param(WEB, "10.1.77.7", NO_POD, id="a pod nobody saw"),
        pytest.param(OUTSIDE, API, EXTERNAL_CLIENT, id="from outside"),
        pytest.param("10.1.77.7", API, NO_POD, id="from a pod nobody saw"),
        pytest.param("172.20.5.5", API, UNKNOWN_PRIVATE, id="from private, nobody's"),
    ],
)
def test_outside(client: str, server: str, fate: Fate) -> None:
    """S50, S51: what is outside, what is a pod that we did not see, and what cannot be known."""
    ends = [f"[{end}]" if ":" in end else end for end in (client, server)]
    found = mapped(KNOWN, call(f"{ends[0]}:1", f"{ends[1]}:443"))
    assert edges(found) == set()
    assert fates(found) == {fate: 1}


def test_internet_shows_addresses_without_names() -> None:
    """S50: with `--internet` a server without a name goes by its address."""
    rules = Rules(inclusion=Inclusion(internet=True))
    assert edges(mapped(KNOWN, call(f"{WEB}:1", f"{OUTSIDE}:443"), rules=rules)) == {
        f"web -> {OUTSIDE}:443"
    }


def test_captures_have_their_own_snapshots() -> None:
    """S13: each capture is resolved with its own snapshot; then their calls are added up."""
    later = snapshot(pod("new", WEB), pod("api", API, namespace="shop"))
    graph = merge_graphs(
        [mapped(KNOWN, SEEN).graph, mapped(later, SEEN).graph, mapped(KNOWN, SEEN).graph]
    )
    uses = {
        (found.client.name, found.server.name): found.uses[0].connections for found in graph.calls
    }
    assert uses == {("web", "api"): 2, ("api", "db"): 2, ("web", "db"): 2, ("new", "api"): 1}


def test_merged_lookups_stay_lookups() -> None:
    """S13, S42: what was only looked up in every capture is no attempt, and no call."""
    looked_up = Call(Workload("web", "shop", "Deployment"), Workload("x", "shop"), LOOKUP)
    graphs = [ServiceGraph((looked_up,), Coverage()), ServiceGraph((looked_up,), Coverage())]
    assert merge_graphs(graphs).calls == (looked_up,)
