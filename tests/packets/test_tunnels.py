"""Packets in packets; every frame is generated, byte by byte.

`only_row` reads each on the reference and on the compiled path, and both must say the same.
"""

import struct

import pytest

from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import (
    ACK,
    CLIENT,
    SERVER,
    SYN,
    ethernet,
    geneve,
    ipv4,
    ipv6,
    only_row,
    pcap,
    read,
    rows,
    tcp,
    text,
    udp,
    vxlan,
)

SEGMENT = tcp(1000, 80, SYN, seq=77)
INNER = ipv4(SEGMENT, source="172.16.0.1", target="172.16.0.2")


TUNNELED = [
    pytest.param(ipv4(vxlan(ethernet(INNER)), 17), "vxlan", id="VXLAN 8472"),
    pytest.param(ipv4(vxlan(ethernet(INNER), 4789), 17), "vxlan", id="VXLAN 4789"),
    pytest.param(ipv4(vxlan(ethernet(INNER), flags=0x88), 17), "vxlan", id="VXLAN group policy"),
    pytest.param(
        ipv4(udp(8472, 50000, struct.pack(">II", 8 << 24, 256) + ethernet(INNER)), 17),
        "vxlan",
        id="VXLAN from its port",
    ),
    pytest.param(
        ipv4(udp(1, 4790, struct.pack(">II", 0x0C000001, 256) + INNER), 17),
        "vxlan-gpe",
        id="VXLAN-GPE with IPv4",
    ),
    pytest.param(
        ipv4(udp(1, 4790, struct.pack(">II", 0x0C000003, 256) + ethernet(INNER)), 17),
        "vxlan-gpe",
        id="VXLAN-GPE with Ethernet",
    ),
    pytest.param(ipv4(geneve(ethernet(INNER)), 17), "geneve", id="Geneve"),
    pytest.param(ipv4(geneve(INNER, 0x0800, bytes(12)), 17), "geneve", id="Geneve with options"),
    pytest.param(
        ipv4(udp(6081, 40000, struct.pack(">II", 0x6558, 256) + ethernet(INNER)), 17),
        "geneve",
        id="Geneve from its port",
    ),
    pytest.param(ipv4(INNER, 4), "ipip", id="IP in IP"),
    pytest.param(ipv4(struct.pack(">HH", 0, 0x0800) + INNER, 47), "gre", id="GRE"),
    pytest.param(
        ipv4(struct.pack(">HHIII", 0xB000, 0x0800, 0, 7, 9) + INNER, 47),
        "gre",
        id="GRE with checksum, key and sequence number",
    ),
    pytest.param(
        ipv4(
            struct.pack(">HHHHI", 0x3001, 0x880B, 4 + len(INNER), 1, 1) + b"\xff\x03\0\x21" + INNER,
            47,
        ),
        "gre",
        id="GRE of PPTP",
    ),
    pytest.param(
        ipv4(struct.pack(">HHI", 0x2000, 0x6558, 256) + ethernet(INNER), 47), "nvgre", id="NVGRE"
    ),
    pytest.param(
        ipv4(struct.pack(">HH", 0, 0x6558) + ethernet(INNER), 47), "gre", id="GRE with Ethernet"
    ),
    pytest.param(
        ipv4(struct.pack(">HH", 0, 0x88BE) + ethernet(INNER), 47), "erspan", id="ERSPAN I"
    ),
    pytest.param(
        ipv4(struct.pack(">HHIII", 0x1000, 0x88BE, 1, 0x10010001, 0) + ethernet(INNER), 47),
        "erspan",
        id="ERSPAN II",
    ),
    pytest.param(
        ipv4(struct.pack(">HHIIII", 0x1000, 0x22EB, 1, 0x20010001, 0, 0) + ethernet(INNER), 47),
        "erspan",
        id="ERSPAN III",
    ),
    pytest.param(
        ipv4(struct.pack(">HHIIIIQ", 0x1000, 0x22EB, 1, 0x20010001, 0, 1, 0) + ethernet(INNER), 47),
        "erspan",
        id="ERSPAN III with subheader",
    ),
]


@pytest.mark.parametrize(("packet", "kind"), TUNNELED)
def test_tunnels_are_opened(packet: bytes, kind: str) -> None:
    """S25: the inner packet is the call; the tunnel is kept with its addresses, lower one first."""
    row = only_row([ethernet(packet)] * 3)
    assert (text(row.low[0]), text(row.high[0])) == ("172.16.0.1", "172.16.0.2")
    assert [(t.kind, text(t.low), text(t.high)) for t in row.tunnels] == [(kind, CLIENT, SERVER)]


def test_ipv6_tunnels_of_every_pairing() -> None:
    """IPv4 and IPv6 in each other, in either order."""
    inner6 = ipv6(SEGMENT, source="fd01::1", target="fd01::2")
    for outer, protocol, inner, kind in (
        (ipv4, 41, inner6, "ip6ip"),
        (ipv6, 4, INNER, "ipip"),
        (ipv6, 41, inner6, "ip6ip"),
        (ipv6, 17, vxlan(ethernet(INNER)), "vxlan"),
    ):
        payload = inner
        row = only_row([ethernet(outer(payload, protocol))] * 2)
        assert [tunnel.kind for tunnel in row.tunnels] == [kind]


def test_both_directions_share_a_tunnel_path() -> None:
    """The path has no direction, and no identifier: Cilium's is the sender's identity."""
    there = ipv4(vxlan(ethernet(INNER), network=5), 17, "10.0.0.1", "10.0.0.2")
    answer = ipv4(tcp(80, 1000, SYN | ACK, 5, 78), source="172.16.0.2", target="172.16.0.1")
    back = ipv4(vxlan(ethernet(answer), network=6), 17, "10.0.0.2", "10.0.0.1")
    row = only_row([ethernet(there), ethernet(back)])
    assert (row.sides[0].packets, row.sides[1].packets, row.server_isn) == (1, 1, 5)


def test_nesting_is_bounded() -> None:
    """Eight tunnels are followed, the ninth is counted and no further."""
    packet = INNER
    for _ in range(8):
        packet = ipv4(packet, 4)
    assert len(only_row([ethernet(packet)] * 2).tunnels) == 8
    counts = read(pcap([ethernet(ipv4(packet, 4))]), ReadOptions()).counts
    assert counts.skipped == {"nested too deeply": 1}


def test_vxlan_port_of_ones_own() -> None:
    """--vxlan-port opens tunnels on other ports, and the usual ones no more if not among them."""
    frames = [ethernet(ipv4(vxlan(ethernet(INNER), port), 17)) for port in (5555, 8472)]
    options = ReadOptions(vxlan_ports=frozenset({5555}))
    for each in (options, ReadOptions(vxlan_ports=frozenset({5555}), fast=False)):
        assert [len(row.tunnels) for row in rows(pcap(frames), each)] == [1, 0]


def test_datagram_on_a_tunnel_port_that_is_no_tunnel() -> None:
    """Without the header's I flag it is a conversation like any other."""
    frame = ethernet(ipv4(vxlan(ethernet(INNER), flags=0), 17))
    assert only_row([frame]).tunnels == ()
