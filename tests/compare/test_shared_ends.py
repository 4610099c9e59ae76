"""An absent call may be counted for a workload that had the same address (S12, S65)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    External,
    FileCoverage,
    Server,
    ServiceGraph,
    SharedAddresses,
    Use,
    Workload,
)
from otterize_pcap.resolve.build_graph import HIDDEN_EXTERNAL
from otterize_pcap.resolve.resolution import EXTERNAL_CLIENT
from tests.compare.damage import SNAPSHOT, Damage
from tests.conftest import FIXTURES, Otterize

WEB, JOB = Workload("web", "app", "Deployment"), Workload("job", "app", "Job")
DB, CACHE = Workload("db", "app", "StatefulSet"), Workload("cache", "app", "StatefulSet")
OUTSIDE = External("192.0.2.1", is_address=True)
WHOLE = (FileCoverage("a.pcap", "a", 9, 1, 9),)
Pair = tuple[Workload, Server]


def use(protocol: str) -> Use:
    """One connection."""
    return Use(protocol, 5432, 1, (1, 1), (1, 1), 1, 2, (("established", 1),), ())


def seen(
    pair: Pair,
    shared: tuple[SharedAddresses, ...] = (),
    protocol: str = "TCP",
    outside: tuple[Workload, ...] = (),
) -> ServiceGraph:
    """A capture that shows one call, as its graph JSON keeps it."""
    graph = ServiceGraph(
        (Call(*pair, uses=(use(protocol),)),), Coverage(WHOLE, shared=shared, outside=outside)
    )
    return decode_graph(encode_graph(graph).encode(), "graph.json")


@pytest.mark.parametrize(
    ("before", "after", "now", "protocol", "removed"),
    [
        pytest.param(1, 0, (JOB, DB), "TCP", False, id="its heir calls"),
        pytest.param(0, 0, (JOB, DB), "TCP", True, id="no address in common"),
        pytest.param(1, 1, (JOB, DB), "TCP", True, id="both are known still"),
        pytest.param(2, 1, (JOB, DB), "TCP", False, id="one of two addresses"),
        pytest.param(1, 0, (JOB, CACHE), "TCP", True, id="its heir calls another"),
        pytest.param(1, 0, (JOB, DB), "UDP", True, id="by another protocol"),
        pytest.param(1, 0, (DB, JOB), "TCP", False, id="the other way round"),
    ],
)
def test_heir_of_an_address_may_have_its_calls(
    before: int, after: int, now: Pair, protocol: str, removed: bool
) -> None:
    """Only where the later snapshot knows less of who had one address between them."""

    def common(addresses: int) -> tuple[SharedAddresses, ...]:
        return (SharedAddresses((JOB, WEB), addresses),) if addresses else ()

    found = diff_graphs(seen((WEB, DB), common(before)), seen(now, common(after), protocol))
    assert (bool(found.removed), bool(found.not_seen)) == (removed, not removed)


@pytest.mark.parametrize("server", [DB, JOB])
def test_server_may_be_its_heir_as_well(server: Workload) -> None:
    """Either end, or both."""
    shared = (SharedAddresses((CACHE, DB), 1), SharedAddresses((JOB, WEB), 1))
    found = diff_graphs(seen((WEB, DB), shared), seen((JOB, CACHE)))
    assert not found.removed
    assert not diff_graphs(seen((WEB, DB), shared), seen((WEB, CACHE))).removed
    assert bool(diff_graphs(seen((WEB, DB), shared), seen((server, CACHE))).removed) is (
        server == DB
    )


@pytest.mark.parametrize(
    ("stood", "fates", "now", "removed"),
    [
        pytest.param((DB,), (HIDDEN_EXTERNAL,), (CACHE, JOB), False, id="server, calls hidden"),
        pytest.param((), (HIDDEN_EXTERNAL,), (CACHE, JOB), True, id="server within"),
        pytest.param((DB,), (), (CACHE, JOB), True, id="no calls to outside"),
        pytest.param((DB,), (), (WEB, OUTSIDE), False, id="server, calls shown"),
        pytest.param((DB,), (), (CACHE, OUTSIDE), True, id="calls of another"),
        pytest.param((WEB,), (EXTERNAL_CLIENT,), (CACHE, JOB), False, id="client"),
        pytest.param((WEB,), (HIDDEN_EXTERNAL,), (CACHE, JOB), True, id="client, but no callers"),
    ],
)
def test_who_had_an_address_outside_may_be_outside(
    stood: tuple[Workload, ...],
    fates: tuple[Fate, ...],
    now: tuple[Workload, Server],
    removed: bool,
) -> None:
    """A node's public address, a load balancer's: without the object nobody knows them (S50)."""
    later = ServiceGraph(
        (Call(*now, uses=(use("TCP"),)),),
        Coverage(WHOLE, connections=tuple((fate, 2) for fate in fates)),
    )
    found = diff_graphs(seen((WEB, DB), outside=stood), later)
    assert (bool(found.removed), bool(found.not_seen)) == (removed, not removed)


def leavers(source: Path) -> Iterator[tuple[int, str]]:
    """The pods of a snapshot that were being deleted, with their addresses."""
    for place, item in enumerate(json.loads((source / SNAPSHOT).read_bytes())["items"]):
        if item["kind"] == "Pod" and "deletionTimestamp" in item["metadata"]:
            yield place, item["status"]["podIP"]


@pytest.mark.parametrize("how", ["handover", "handover-cooked-v1", "handover-one-mac"])
def test_pod_that_a_watch_lost_shows_in_packets(
    how: str, tmp_path: Path, otterize: Otterize
) -> None:
    """Its calls are another's, which packets contradict: so says the summary, and diff `?`."""
    source = FIXTURES / how
    assert "changed hands, but" not in otterize("intents", "list", source).stderr
    for place, address in leavers(source):
        hurt = tmp_path / address
        Damage(SNAPSHOT, path=("items", place)).apply(source, hurt)
        done = otterize("diff", source, hurt)
        assert f"packets show that {address} changed hands, but" in done.stderr
        assert "?   - audit-" in done.stdout
        assert "\n- " not in done.stdout
