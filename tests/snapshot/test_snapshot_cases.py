"""Captures on which the mapper was wrong because of what a snapshot says, or leaves out."""

import itertools
from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.build_graph import HIDDEN_EXTERNAL, SHOWN, Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.resolution import CHANGED_HANDS
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import edges, fates
from tests.conftest import FIXTURES

CASES = FIXTURES / "cases"


def mapped(*paths: Path, snapshots: list[Path] | None = None) -> MappedCapture:
    """What the mapper makes of the only capture there."""
    (capture,) = open_captures(list(paths), snapshots, ReadOptions())
    return map_capture(capture)


def test_pods_that_a_rebooted_node_left_behind() -> None:
    """S10: Failed pods of which no container has a finish time gave their addresses up."""
    found = mapped(CASES / "rebooted-node-failed-pods" / "capture")
    assert edges(found) == {"web -> db:5432", "client -> api:8080"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["before", "after"], {"web -> db:5432"}, id="pending, then running"),
        pytest.param(["b3", "a3"], {"web -> db:5432"}, id="running, then succeeded"),
        pytest.param(["b2", "a2"], {"web -> db:5432"}, id="another's, then its own"),
    ],
)
def test_snapshots_before_and_after(names: list[str], expected: set[str]) -> None:
    """S10, S61: both states of an object count, each for its time, whatever the order of files."""
    case = CASES / "snapshot-order-decides" / "beforeafter"
    for order in itertools.permutations(case / f"{name}.json" for name in names):
        found = mapped(case / "pcap" / "node-a.pcap", snapshots=list(order))
        assert edges(found) == expected
        assert fates(found) == {SHOWN: 1}


@pytest.mark.parametrize("name", ["hostnet-nodes", "hostnet-nonodes", "hostnet-public-nonodes"])
def test_hostnetwork_pod_without_node_objects(name: str) -> None:
    """S14: what pods say of their nodes' addresses stands in for the nodes themselves."""
    found = mapped(CASES / "hostnetwork-without-nodes" / name)
    assert edges(found) == {"prometheus -> node-exporter:9100"}


def test_pod_that_is_a_node() -> None:
    """S14, S32: a Fargate pod's address is its own, and so are the ports that it declares."""
    found = mapped(CASES / "fargate-s32" / "capture")
    assert edges(found) == {"a -> fg:50051"}


@pytest.mark.parametrize("name", ["node-empty-extip", "svc-extip-zeros", "svc-lbip-name"])
def test_addresses_that_are_empty_or_odd(name: str) -> None:
    """S13: what clouds and older API servers put in the place of an address is no error."""
    assert edges(mapped(CASES / "node-empty-external-ip" / name)) == {"web -> db:5432"}


def test_address_that_a_pod_waited_for() -> None:
    """S10: before its first container began a pod without a sandbox time perhaps had no address.

    Its volume took 6 s to attach. Meanwhile a Job's pod, which the snapshot has no longer, called
    and was called at the address that this one got.
    """
    found = mapped(CASES / "static-slowvolume" / "capture")
    assert edges(found) == {"fresh -> source:7000"}
    assert fates(found) == {SHOWN: 1, CHANGED_HANDS: 4}


def test_job_that_ended_before_its_server_closed() -> None:
    """S12: the server's FIN came 5 s after the Job's pod was gone, and is no part of the call."""
    found = mapped(CASES / "s12-whole-connection-job-linger" / "capture")
    assert edges(found) == {"nightly -> slowcloser:7000"}
    assert fates(found) == {SHOWN: 1}


def test_host_network_pods_behind_cluster_ips() -> None:
    """S14, S21, S50: what is behind a ClusterIP is told as any destination is."""
    found = mapped(CASES / "hostnetwork-behind-clusterip" / "capture")
    assert {edge.partition(":")[0] for edge in edges(found)} == {
        "agent -> typha",
        "adapter -> metrics-server",
        "prometheus -> node-exporter",
        "caller -> edge",
    }
    assert fates(found)[HIDDEN_EXTERNAL] == 1


def test_host_port_on_a_node_that_was_not_captured() -> None:
    """S14: the snapshot tells whose hostPort it is."""
    found = mapped(CASES / "hostport-other-node" / "capture")
    assert {edge.partition(":")[0] for edge in edges(found)} == {
        "a -> edge",
        "b -> web",
        "c -> web",
    }


@pytest.mark.parametrize("name", ["rec-ext", "endpoints-ext", "slice-ext"])
def test_database_outside_behind_a_service(name: str) -> None:
    """S21, S50: to know the Service does not lose the call."""
    (capture,) = open_captures([CASES / "service-to-outside-lost" / name], None, ReadOptions())
    found = map_capture(capture, Rules(inclusion=Inclusion(internet=True)))
    assert edges(found) == {"web -> 52.1.2.3:5432"}


def test_relay_in_a_load_balancers_pod() -> None:
    """S20: k3s ServiceLB relays by NAT inside the pod; it calls the backend, not itself."""
    found = mapped(CASES / "k3s-servicelb" / "capture")
    assert edges(found) == {"svclb-traefik -> traefik:8000"}


def test_clocks_apart_without_a_manifest() -> None:
    """S12: by one of two clocks 15 s apart an address was another pod's: no edge of either."""
    found = mapped(CASES / "clock-two-nodes" / "capture")
    assert "one -> probe:7000" not in edges(found)
