"""S14, S50: what a node's saved addresses and routes tell."""

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import in_network, parse_address, parse_network
from otterize_pcap.connections.node_files import parse_inside_networks, parse_node_addresses
from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.build_graph import HIDDEN_EXTERNAL, SHOWN
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.resolve.resolution import EXTERNAL_CLIENT, NO_POD
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import call, capture, edges, fates, pod, snapshot
from tests.conftest import FIXTURES

NEIGHBOUR = parse_address("192.168.0.2")
SAVED = """\
1: lo    inet 127.0.0.1/8 scope host lo
2: eth0    inet 192.168.0.1/24 scope global eth0
default via 192.168.0.254 dev eth0
192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.1
"""


@pytest.mark.parametrize(
    ("route", "inside"),
    [
        pytest.param(
            "25.10.1.0/24 dev cni0 proto kernel scope link src 25.10.1.1", True, id="bridge"
        ),
        pytest.param("25.10.1.7 dev cali1234 scope link", True, id="a pod's own interface"),
        pytest.param("25.10.1.0/24 via 192.168.0.2 dev eth0", True, id="another node"),
        pytest.param(
            "25.10.1.0/24 via 192.168.0.2 dev tunl0 proto bird onlink", True, id="IP-in-IP"
        ),
        pytest.param("blackhole 25.10.1.0/26 proto bird", True, id="Calico's block"),
        pytest.param("25.10.1.0/24 via 192.168.0.99 dev eth0", False, id="some other router"),
        pytest.param("25.10.1.0/24 dev eth0 scope link", False, id="the way out"),
        pytest.param("0.0.0.0/1 dev tun0 scope link", False, id="half of the Internet"),
        pytest.param(
            "local 25.10.1.7 dev lo table local scope host", False, id="no route to others"
        ),
        pytest.param("25.10.1.x dev cni0", False, id="no range"),
        pytest.param("25.10.1.0/24 via", False, id="cut off"),
    ],
)
def test_ranges_within_the_cluster(route: str, inside: bool) -> None:
    """S50: what lies behind a pod's interface or another node is inside, whatever its addresses."""
    found = parse_inside_networks(SAVED + route, {NEIGHBOUR})
    assert any(in_network(parse_address("25.10.1.7"), network) for network in found) == inside
    assert not any(in_network(NEIGHBOUR, network) for network in found)
    assert parse_node_addresses(SAVED + route) == {parse_address("192.168.0.1")}


def test_without_a_default_route_no_interface_is_the_way_out() -> None:
    """S50: then a route says nothing of what lies behind its interface."""
    assert parse_inside_networks("25.10.1.0/24 dev cni0 scope link", set()) == frozenset()


def test_ipv6_ranges() -> None:
    """S15, S50: IPv6 alike."""
    saved = "default via fd00::1 dev eth0\n2600:1f13::/64 dev cni0\n2000::/3 dev tun0"
    assert parse_inside_networks(saved, set()) == {parse_network("2600:1f13::/64")}


def test_pods_that_nobody_saw_are_not_the_internet() -> None:
    """S50: as a server and as a client an address inside is unresolved, others are external."""
    known = snapshot(pod("web", "25.10.1.2"))
    seen = [
        *call("25.10.1.2:40000", "25.10.1.7:80"),
        *call("25.10.1.7:40000", "25.10.1.2:80"),
        *call("25.10.1.2:40000", "25.99.0.7:80"),
        *call("25.99.0.7:40000", "25.10.1.2:80"),
        *call("25.10.1.2:40000", "25.10.1.2:80"),
    ]
    contents = contents_of(capture(known, seen))
    made = Capture(replace(contents, inside=(parse_network("25.10.1.0/24"),)))
    assert fates(map_capture(made)) == {NO_POD: 2, HIDDEN_EXTERNAL: 1, EXTERNAL_CLIENT: 1, SHOWN: 1}


def test_pod_with_a_global_address_that_the_snapshot_lacks() -> None:
    """S50: the recorded case; routes lead to its range through the nodes' tunnel."""
    path = FIXTURES / "cases" / "gua-pod-as-internet" / "capture"
    (found,) = open_captures([path], None, ReadOptions())
    graph = map_capture(found)
    assert edges(graph) == {"client -> server:8080"}
    assert HIDDEN_EXTERNAL not in fates(graph)
    assert fates(graph)[NO_POD] >= 1
