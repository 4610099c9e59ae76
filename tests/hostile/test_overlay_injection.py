"""S25: what a pod sends to a node's end of the overlay, the node itself takes out and sends on.

`forger` on node a sends VXLAN to node b, as a pod without rights can. Node b's kernel believes it:
packets in the name of `client`, which is on node a too, come out there and go to `server`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.files.captures import open_captures
from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import SECOND, ethernet, ipv4, pcap, tcp, udp, vxlan
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    NODES,
    edges,
    endpoint_slice,
    pod,
    service,
)
from tests.conftest import Otterize
from tests.readers import readers

CLIENT, FORGER, SERVER, VIRTUAL = "10.1.0.1", "10.1.0.66", "10.1.1.2", "10.96.0.9"
ITEMS = [
    pod("client", CLIENT),
    pod("forger", FORGER),
    pod("server", SERVER, node="b", ports=[80]),
    service("front", VIRTUAL, selector={"app": "server"}),
    endpoint_slice("front", [SERVER]),
    *NODES,
]
TRACKED = (
    f"ipv4 2 tcp 6 86399 ESTABLISHED src={CLIENT} dst={SERVER} sport=40000 dport=80 "
    f"src={SERVER} dst={CLIENT} sport=80 dport=40000 [ASSURED] mark=0 use=2\n"
)


def handshake(client: str = CLIENT, server: str = SERVER) -> list[bytes]:
    """The packets of a call."""
    return [
        ipv4(tcp(40000, 80, SYN, 7, 0), source=client, target=server),
        ipv4(tcp(80, 40000, SYN | ACK, 9, 8), source=server, target=client),
        ipv4(tcp(40000, 80, ACK, 8, 10), source=client, target=server),
    ]


def datagrams() -> list[bytes]:
    """Question and answer by UDP."""
    return [
        ipv4(udp(40000, 80, b"?"), 17, source=CLIENT, target=SERVER),
        ipv4(udp(80, 40000, b"!"), 17, source=SERVER, target=CLIENT),
    ]


def sent(packets: Sequence[bytes], source: str) -> list[bytes]:
    """Packets in VXLAN from an address to node b."""
    return [
        ethernet(ipv4(vxlan(ethernet(packet)), 17, source=source, target=NODE_B))
        for packet in packets
    ]


def came_out(packets: Sequence[bytes]) -> list[bytes]:
    """The same as they are."""
    return [ethernet(packet) for packet in packets]


def calls_of(
    tmp_path: Path, on_a: list[bytes], on_b: list[bytes], *, fast: bool, step: int = SECOND // 1000
) -> set[str]:
    """What the mapper sees of both nodes' recordings."""
    (tmp_path / "s.json").write_text(json.dumps({"kind": "List", "items": ITEMS}))
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    for path, frames in zip(paths, (on_a, on_b), strict=True):
        path.write_bytes(pcap(frames, step=step))
    (found,) = open_captures(paths, [tmp_path / "s.json"], ReadOptions(fast=fast))
    return edges(map_capture(found))


@readers
def test_packets_that_a_node_took_out_make_no_call(fast: bool, tmp_path: Path) -> None:
    """No call of a client that sent nothing where it is."""
    packets = handshake()
    on_a = sent(packets, FORGER) + sent(packets, NODE_A)
    on_b = sent(packets, NODE_A) + came_out(packets)
    calls = calls_of(tmp_path, on_a, on_b, fast=fast)
    assert not {edge for edge in calls if edge.startswith("client ->")}


@readers
def test_datagrams_that_a_node_took_out_make_no_call(fast: bool, tmp_path: Path) -> None:
    """Nor one by UDP, which the server answered by itself."""
    packets = datagrams()
    on_a = sent(packets[:1], FORGER) + sent(packets[:1], NODE_A)
    on_b = [ethernet(ipv4(udp(9, 9), 17, source=NODE_B, target=NODE_A))] * 4
    on_b += sent(packets[:1], NODE_A) + came_out(packets)
    calls = calls_of(tmp_path, on_a, on_b, fast=fast, step=11 * SECOND)
    assert not {edge for edge in calls if edge.startswith("client ->")}


@readers
def test_service_that_a_node_leads_on_makes_no_call(fast: bool, tmp_path: Path) -> None:
    """Nor by a Service's address, which no tunnel held with the pod's behind it."""
    inside = handshake(server=VIRTUAL)
    on_a = sent(inside[::2], FORGER) + sent(inside[::2], NODE_A)
    on_b = sent(inside[::2], NODE_A) + came_out([inside[0], *handshake(), inside[2]])
    calls = calls_of(tmp_path, on_a, on_b, fast=fast)
    assert not {edge for edge in calls if edge.startswith("client ->")}


@readers
def test_call_that_its_node_recorded_is_one(fast: bool, tmp_path: Path) -> None:
    """Who copies another pod's call into a tunnel of his own hides it not, nor his own."""
    for client, edge in ((CLIENT, "client -> server:80"), (FORGER, "forger -> server:80")):
        packets = handshake(client)
        on_a = sent(packets, FORGER) + sent(packets, NODE_A) + came_out(packets)
        on_b = sent(packets, NODE_A) + came_out(packets)
        assert edge in calls_of(tmp_path, on_a, on_b, fast=fast)


def test_what_a_node_tracked_of_it_makes_no_call(otterize: Otterize, tmp_path: Path) -> None:
    """The kernel tracks what came out as it tracks any connection (S46)."""
    packets = handshake()
    for name, frames in (
        ("a", sent(packets, FORGER) + sent(packets, NODE_A)),
        ("b", sent(packets, NODE_A) + came_out(packets)),
    ):
        (tmp_path / "x" / "pcap").mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / "node" / name).mkdir(parents=True)
        (tmp_path / "x" / "pcap" / f"{name}.pcap").write_bytes(pcap(frames))
    saved = tmp_path / "x" / "node" / "b"
    (saved / "conntrack-end").write_text(TRACKED)
    (saved / "conntrack-timeouts").write_text(
        "net.netfilter.nf_conntrack_tcp_timeout_established = 86400\n"
    )
    (tmp_path / "x" / "snapshot.json").write_text(json.dumps({"kind": "List", "items": ITEMS}))
    done = otterize("intents", "list", "x")
    assert done.returncode == 0
    assert "client calls" not in done.stdout
