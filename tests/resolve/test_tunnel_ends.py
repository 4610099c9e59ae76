"""S25: tunnels are opened between nodes only, and nobody else can forge calls by them."""

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address, parse_network
from otterize_pcap.files.captures import open_captures
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.tunnel_ends import NO_NODES, TunnelEnds
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import NODE_A, NODE_B, edges, node, pod, snapshot
from tests.conftest import FIXTURES
from tests.readers import readers

CASES = FIXTURES / "cases"
LOCAL, GIVEN, OTHER = "192.168.9.9", "172.20.0.5", "198.51.100.7"
POD, UNSEEN_POD = "10.1.0.7", "10.9.0.7"
KNOWN = snapshot(
    pod("forger", POD),
    node("a", NODE_A),
    node("b", NODE_B, pod_cidr="10.9.0.0/16"),
)
NO_NODE = replace(KNOWN, nodes={}, pod_networks=())


@pytest.mark.parametrize(
    ("known", "address", "expected"),
    [
        pytest.param(KNOWN, NODE_B, True, id="a node's"),
        pytest.param(KNOWN, LOCAL, True, id="saved by the capture"),
        pytest.param(KNOWN, GIVEN, True, id="given"),
        pytest.param(KNOWN, POD, False, id="a pod's"),
        pytest.param(KNOWN, UNSEEN_POD, False, id="in a pod range"),
        pytest.param(KNOWN, OTHER, False, id="nobody's"),
    ],
)
def test_who_is_the_end_of_a_tunnel(known: Snapshot, address: str, expected: bool) -> None:
    """S25: both outer ends must be nodes, by the snapshot, the capture or an option."""
    ends = TunnelEnds(known, [parse_address(LOCAL)], (parse_network("172.20.0.0/24"),))
    assert ends.opens(parse_address(NODE_A), parse_address(address)) is expected
    assert ends.opens(parse_address(address), parse_address(NODE_A)) is expected


def test_option_does_not_open_what_pods_had() -> None:
    """S25: a wide `--tunnel-endpoints` lets no pod forge calls."""
    ends = TunnelEnds(KNOWN, (), (parse_network("10.0.0.0/8"),))
    assert ends.trusts(parse_address(UNSEEN_POD))
    assert not ends.trusts(parse_address(POD))


def test_snapshot_without_nodes_trusts_whom_no_pod_was() -> None:
    """S25: without any node, outer ends that no pod ever had are trusted, and it is said."""
    ends = TunnelEnds(NO_NODE, ())
    assert ends.trusts(parse_address(OTHER))
    assert not ends.trusts(parse_address(POD))
    assert list(ends.notes({}, opened=True)) == [NO_NODES]
    assert list(ends.notes({}, opened=False)) == []


def test_what_was_left_closed_is_said_with_how_to_open_it() -> None:
    """S25: the summary names outer addresses, most packets first, and the option for each."""
    ends = TunnelEnds(KNOWN, ())
    node_a, other, pods = map(parse_address, (NODE_A, OTHER, POD))
    closed = Counter({Tunnel("vxlan", node_a, other): 3, Tunnel("geneve", pods, other): 2})
    pod_note, node_note = ends.notes(closed, opened=True)
    assert pod_note == (
        "2 packets look like a tunnel's with a pod at its end, and were left closed "
        f"(UDP counts as a call): {POD} and {OTHER}"
    )
    assert node_note == (
        "3 packets of tunnels were left closed, as their ends are not known to be nodes: "
        f"{NODE_A} and {OTHER}; to open them: --tunnel-endpoints {OTHER}/32"
    )


def mapped(
    *paths: Path, snapshots: list[Path] | None = None, one_way: bool = False, **options: object
) -> MappedCapture:
    """What the mapper makes of the only capture there."""
    reading = replace(ReadOptions(), **options)
    (capture,) = open_captures(list(paths), snapshots, reading)
    return map_capture(capture, Rules(inclusion=Inclusion(one_way_udp=one_way)))


@readers
def test_masqueraded_copy_of_a_pods_tunnel_is_not_believed(fast: bool) -> None:
    """S25: node NAT gives a forged VXLAN the node's address; its other leg is a pod's."""
    case = CASES / "vxlan-masquerade-forgery"
    for given in ((), (parse_network("8.8.8.8/32"),)):
        found = mapped(
            case / "real.pcap", snapshots=[case / "s.json"], fast=fast, tunnel_endpoints=given
        )
        assert not edges(found)
    assert found.graph.coverage is not None
    skipped = dict(found.graph.coverage.skipped)
    assert skipped["inside a tunnel, but sent by a pod as well: forged"] == 5


@readers
def test_datagrams_that_look_like_tunnels_are_calls(fast: bool) -> None:
    """S25: what is not opened is an ordinary call of its outer ends, on all tunnels' ports."""
    case = CASES / "tunnel-shaped-udp-hides"
    found = mapped(case / "x.pcap", snapshots=[case / "s.json"], one_way=True, fast=fast)
    ports = (4500, 6081, 8472, 51820)
    assert edges(found) == {f"evil -> drop2:{port}/UDP" for port in ports}


@readers
def test_too_short_for_a_tunnel_is_a_datagram(fast: bool) -> None:
    """S25: a game server on 8472 gets five bytes that are no VXLAN header."""
    found = mapped(CASES / "pod-made-tunnel-silent" / "capture", fast=fast)
    assert "gclient -> game:8472/UDP" in edges(found)


@readers
def test_tunnel_inside_a_stale_pod_range_is_opened_by_an_option(fast: bool) -> None:
    """S25: left closed, the summary says so and how to open it; opened, the call is there."""
    capture = CASES / "tunnel-endpoint-in-podcidr" / "capture"
    closed = mapped(capture, fast=fast)
    assert not edges(closed)
    assert closed.graph.coverage is not None
    assert any(
        "--tunnel-endpoints 10.0.0.211/32 --tunnel-endpoints 10.0.0.212/32" in note
        for note in closed.graph.coverage.notes
    )
    given = tuple(map(parse_network, ("10.0.0.211/32", "10.0.0.212/32")))
    opened = mapped(capture, fast=fast, tunnel_endpoints=given)
    assert {edge.rpartition(":")[0] for edge in edges(opened)} == {"a -> b"}
