"""S11, S14: whose a node's address is, and how long a hostNetwork pod was there."""

import json

import pytest

from otterize_pcap.addresses import format_address
from otterize_pcap.resolve.build_graph import SHOWN
from otterize_pcap.resolve.resolution import NODE_CLIENT, NODE_SERVER
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    NODE_A,
    Json,
    call,
    edges,
    fates,
    mapped,
    node,
    pod,
    snapshot,
    stamp,
)

CLIENT = pod("client", "10.1.0.1")


def on(host: str, made: Json, **more: object) -> Json:
    """A pod that names its node's address."""
    return made | {"status": made["status"] | {"hostIP": host, **more}}


def read(*items: Json) -> Snapshot:
    """A snapshot of these objects and no others."""
    return parse_snapshot([("x", json.dumps({"kind": "List", "items": items}).encode())])


def addresses(known: Snapshot) -> dict[str, str]:
    """Node addresses → names, as text."""
    return {format_address(address): name for address, name in known.nodes.items()}


def test_nodes_without_objects_have_the_addresses_that_pods_name() -> None:
    """S14: `hostIP`, `hostIPs`, and the addresses of hostNetwork pods, are their node's."""
    both = [{"ip": "192.168.0.8"}, {"ip": "fd00::8"}]
    agent = pod("agent", ["192.168.0.9", "fd00::9"], host_network=True, node="c", ports=[9100])
    known = read(
        on("192.168.0.7", CLIENT),
        on("192.168.0.8", pod("x", "10.1.0.2", node="b"), hostIPs=both),
        on("192.168.0.9", agent),
    )
    assert addresses(known) == {
        "192.168.0.7": "a",
        "192.168.0.8": "b",
        "fd00::8": "b",
        "192.168.0.9": "c",
        "fd00::9": "c",
    }
    found = mapped(known, call("10.1.0.1:1", "[::ffff:192.168.0.9]:9100"))
    assert edges(found) == {"client -> agent:9100"}
    assert fates(mapped(known, call("192.168.0.7:1", "10.1.0.1:80"))) == {NODE_CLIENT: 1}


def test_a_node_s_object_tells_its_addresses() -> None:
    """S14: what pods name counts only for nodes without an object."""
    known = read(node("a", NODE_A), on("192.168.0.7", CLIENT), on("192.168.0.7", pod("x", None)))
    assert addresses(known) == {NODE_A: "a"}


@pytest.mark.parametrize("objects", [[node("f", "10.1.0.9")], []], ids=["node object", "hostIP"])
def test_address_of_a_pod_that_is_a_node(objects: list[Json]) -> None:
    """S14: on Fargate a pod's address is its node's too; it is the pod's."""
    server = on("10.1.0.9", pod("server", "10.1.0.9", node="f", ports=[80]))
    known = read(CLIENT, server, *objects)
    assert addresses(known) == {}
    assert edges(mapped(known, call("10.1.0.1:1", "10.1.0.9:80"))) == {"client -> server:80"}
    assert edges(mapped(known, call("10.1.0.9:1", "10.1.0.1:80"))) == {"server -> client:80"}


def test_node_that_got_a_former_pod_s_address() -> None:
    """S14: an address that a pod of another node once had is still a node's."""
    old = pod("old", NODE_A, node="b", start=-500, finished=-400, phase="Succeeded")
    assert addresses(snapshot(CLIENT, old))[NODE_A] == "a"


@pytest.mark.parametrize(
    ("at", "expected"), [(5, {"client -> exporter:9100"}), (50, set())], ids=["there", "gone"]
)
def test_hostnetwork_pod_that_a_watch_saw_go(at: float, expected: set[str]) -> None:
    """S11, S14: it owns no address, and serves its node's only while it is there."""
    exporter = pod("exporter", NODE_A, host_network=True, node="a", ports=[9100])
    gone = {"uid": "app/exporter-pod", "ip": NODE_A, "kind": "Pod", "start": stamp(-90)}
    known = snapshot(CLIENT, exporter, observed=[gone | {"end": stamp(30)}])
    assert [format_address(address) for address in known.tenures] == ["10.1.0.1"]
    found = mapped(known, call("10.1.0.1:1", f"{NODE_A}:9100", at))
    assert edges(found) == expected
    assert fates(found) == {SHOWN if expected else NODE_SERVER: 1}
