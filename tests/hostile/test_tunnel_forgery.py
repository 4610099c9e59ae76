"""S25: no tunnel that a pod makes, nor its masqueraded copy, makes a call between others.

Each way holds a whole handshake of `a` with `b`, as a pod without rights could send it by UDP, and
with `NET_RAW` by any protocol.
"""

import json
import struct
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import compress
from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.packets.fragments import WINDOW
from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.table.read import FAST_PATH, ReadOptions
from tests.capture_bytes import ethernet, geneve, ipv4, ipv6, pcap, tcp, udp, vxlan
from tests.cluster_builder import NODE_A, NODE_B, OUTSIDE, edges, node, pod

A, B, FORGER, STRANGER = "10.1.0.1", "10.1.1.2", "10.1.0.66", "172.31.0.9"
Ends = tuple[str, str]
Wrap = Callable[[bytes], tuple[int, bytes]]
"""An inner packet in a tunnel: the outer IP protocol, and what is behind that header."""


def gre(protocol: int, head: bytes = b"") -> Callable[[bytes], bytes]:
    """GRE with a sequence number where there is a header of its own (RFC 2890)."""
    flags, number = (0x1000, bytes(4)) if head else (0, b"")
    return lambda content: struct.pack(">HH", flags, protocol) + number + head + content


TUNNELS: dict[str, Wrap] = {
    "vxlan": lambda inner: (17, vxlan(ethernet(inner), 4789)),
    "vxlan, flannel's port": lambda inner: (17, vxlan(ethernet(inner), 8472)),
    "vxlan-gpe": lambda inner: (17, udp(9, 4790, struct.pack(">BBBBI", 12, 0, 0, 1, 256) + inner)),
    "geneve": lambda inner: (17, geneve(ethernet(inner))),
    "geneve of IP": lambda inner: (17, geneve(inner, 0x0800)),
    "ipip": lambda inner: (4, inner),
    "gre": lambda inner: (47, gre(0x0800)(inner)),
    "nvgre": lambda inner: (47, gre(0x6558)(ethernet(inner))),
    "erspan": lambda inner: (47, gre(0x88BE, bytes(8))(ethernet(inner))),
    "erspan 1": lambda inner: (47, gre(0x88BE)(ethernet(inner))),
}
WAYS: dict[str, tuple[Ends, ...]] = {
    "to an outside address": ((FORGER, OUTSIDE), (NODE_A, OUTSIDE)),
    "to another node, masqueraded": ((FORGER, NODE_B), (NODE_A, NODE_B)),
    "to its own node": ((FORGER, NODE_A),),
    "to another pod": ((FORGER, B),),
    "from a node that is none": ((STRANGER, NODE_A),),
    "from outside": ((OUTSIDE, NODE_A),),
}
readers = pytest.mark.parametrize(
    "fast",
    [
        pytest.param(True, marks=pytest.mark.skipif(not FAST_PATH, reason="not built")),
        False,
    ],
    ids=["compiled", "readable"],
)


def handshake() -> list[tuple[str, str, bytes]]:
    """Source, destination and segment of a call that never was."""
    return [
        (A, B, tcp(40000, 80, SYN, 7, 0)),
        (B, A, tcp(80, 40000, SYN | ACK, 9, 8)),
        (A, B, tcp(40000, 80, ACK, 8, 10)),
    ]


def forged(wrap: Wrap, way: tuple[Ends, ...], cut: int = 0) -> list[bytes]:
    """All packets of a call, each on every leg; the first leg in fragments of `cut` bytes."""
    frames = []
    for number, (source, target, segment) in enumerate(handshake(), 1):
        protocol, content = wrap(ipv4(segment, 6, source=source, target=target))
        for leg, (outer_source, outer_target) in enumerate(way):
            size = cut if cut and leg == 0 else len(content)
            frames += [
                ethernet(
                    ipv4(
                        content[start : start + size],
                        protocol,
                        source=outer_source,
                        target=outer_target,
                        identification=number,
                        more=start + size < len(content),
                        offset=start,
                    )
                )
                for start in range(0, len(content), size)
            ]
    return frames


def calls_of(frames: list[bytes], tmp_path: Path, *, fast: bool, nodes: bool = True) -> set[str]:
    """The calls that the mapper sees, with or without nodes in the snapshot."""
    items = [pod("a", A), pod("b", B, ports=[80]), pod("forger", FORGER)]
    items += [node("a", NODE_A), node("b", NODE_B)] if nodes else []
    snapshot = tmp_path / "snapshot.json"
    snapshot.write_text(json.dumps({"kind": "List", "items": items}))
    capture = tmp_path / "a.pcap"
    capture.write_bytes(pcap(frames))
    (found,) = open_captures([capture], [snapshot], ReadOptions(fast=fast))
    return edges(map_capture(found))


@readers
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tunnel", TUNNELS)
def test_nobody_else_makes_a_call(tunnel: str, way: str, fast: bool, tmp_path: Path) -> None:
    """Every tunnel, every way: none of them shows `a` calling `b`."""
    frames = forged(TUNNELS[tunnel], WAYS[way])
    assert not {edge for edge in calls_of(frames, tmp_path, fast=fast) if edge.startswith("a ->")}


@readers
@pytest.mark.parametrize("tunnel", TUNNELS)
def test_nodes_own_tunnel_shows_the_call(tunnel: str, fast: bool, tmp_path: Path) -> None:
    """The same packets between two nodes, with no leg of a pod's, are the cluster's own."""
    frames = forged(TUNNELS[tunnel], ((NODE_A, NODE_B),))
    assert calls_of(frames, tmp_path, fast=fast) == {"a -> b:80"}


@readers
@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("cut", [8, 24, 64])
def test_pods_leg_in_fragments_is_seen(tunnel: str, cut: int, fast: bool, tmp_path: Path) -> None:
    """NAT puts fragments together: the node's copy is whole, and the pod's own leg is not."""
    frames = forged(TUNNELS[tunnel], WAYS["to another node, masqueraded"], cut)
    assert not {edge for edge in calls_of(frames, tmp_path, fast=fast) if edge.startswith("a ->")}


def in_disorder(frames: list[bytes], order: str) -> list[bytes]:
    """The fragments of each packet that the pod sent, and the node's copy behind them."""
    found: list[bytes] = []
    pieces: list[bytes] = []
    for frame in frames:
        if frame[26:30] != IPv4Address(FORGER).packed:
            found += {"last first": pieces[::-1], "second first": pieces[1:] + pieces[:1]}[order]
            pieces = []
            found.append(frame)
        else:
            pieces.append(frame)
    return found


@readers
@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("order", ["last first", "second first"])
def test_fragments_in_any_order_are_seen(
    tunnel: str, order: str, fast: bool, tmp_path: Path
) -> None:
    """S25: NAT puts fragments together whatever order they come in."""
    frames = in_disorder(forged(TUNNELS[tunnel], WAYS["to another node, masqueraded"], 24), order)
    assert not {edge for edge in calls_of(frames, tmp_path, fast=fast) if edge.startswith("a ->")}


def nested(depth: int) -> Wrap:
    """VXLAN around tunnels between nodes, each with as many options as Geneve has room for."""

    def wrap(inner: bytes) -> tuple[int, bytes]:
        for _ in range(depth):
            around = geneve(inner, 0x0800, bytes(252))
            inner = ipv4(around, 17, source=NODE_A, target=NODE_B)
        return 17, vxlan(ethernet(inner), 4789)

    return wrap


@readers
@pytest.mark.parametrize("cut", [8, 64, 512, 520, 552])
def test_long_headers_in_fragments_make_no_call(cut: int, fast: bool, tmp_path: Path) -> None:
    """S25: what is behind more headers than are held is believed of no tunnel."""
    wrap = nested(2)
    assert calls_of(forged(wrap, ((NODE_A, NODE_B),)), tmp_path, fast=fast) == {"a -> b:80"}
    frames = forged(wrap, WAYS["to another node, masqueraded"], cut)
    assert not {edge for edge in calls_of(frames, tmp_path, fast=fast) if edge.startswith("a ->")}


@readers
def test_fragments_far_apart_make_no_call(fast: bool, tmp_path: Path) -> None:
    """S25: the kernel waits 30 s for a fragment, in which many packets pass."""
    frames = forged(TUNNELS["vxlan"], WAYS["to another node, masqueraded"], 24)
    is_first = [
        frame[26:30] == IPv4Address(FORGER).packed and not frame[20] & 0x1F and not frame[21]
        for frame in frames
    ]
    others = [ethernet(ipv4(udp(9, 9), 17, source=FORGER, target=OUTSIDE))] * (WINDOW + 9)
    apart = [*compress(frames, is_first), *others]
    apart += [frame for frame, first in zip(frames, is_first, strict=True) if not first]
    calls = calls_of(apart, tmp_path, fast=fast)
    assert not {edge for edge in calls if edge.startswith("a ->")}


@readers
@pytest.mark.parametrize("junk_first", [True, False])
def test_fragment_in_two_ways_makes_no_call(junk_first: bool, fast: bool, tmp_path: Path) -> None:
    """S25: the kernel drops what has a wrong checksum; which of two it took, nobody tells."""
    frames = []
    for frame in forged(TUNNELS["vxlan"], WAYS["to another node, masqueraded"], 48):
        if frame[26:30] == IPv4Address(FORGER).packed and frame[21]:
            other = frame[:-20] + bytes(byte ^ 1 for byte in frame[-20:])
            frames += [other, frame] if junk_first else [frame, other]
        else:
            frames.append(frame)
    assert not {edge for edge in calls_of(frames, tmp_path, fast=fast) if edge.startswith("a ->")}


@readers
def test_snapshot_without_nodes_trusts_no_pod(fast: bool, tmp_path: Path) -> None:
    """Whom no pod was is trusted then; what a pod sent as well still makes no call."""
    for way in ("to an outside address", "to another node, masqueraded", "to its own node"):
        frames = forged(TUNNELS["vxlan"], WAYS[way])
        assert not calls_of(frames, tmp_path, fast=fast, nodes=False)
    between = forged(TUNNELS["vxlan"], ((NODE_A, NODE_B),))
    assert calls_of(between, tmp_path, fast=fast, nodes=False) == {"a -> b:80"}


@readers
def test_six_in_four_from_a_pod_makes_no_call(fast: bool, tmp_path: Path) -> None:
    """IPv6 in IPv4 (RFC 4213) likewise."""
    inner = ipv6(tcp(40000, 80, SYN, 7, 0))
    frames = [ethernet(ipv4(inner, 41, source=FORGER, target=NODE_B))]
    assert not calls_of(frames, tmp_path, fast=fast)
