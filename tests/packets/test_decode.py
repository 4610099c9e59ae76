"""Link types, layers and tunnels; every frame here is generated, byte by byte.

`only_row` reads each on the reference and on the compiled path, and both must say the same.
"""

import struct

import pytest

from otterize_pcap.packets.link_layer import CAME_IN, ON_SEGMENT, OUTGOING
from otterize_pcap.table.read import ReadOptions, read_capture
from tests.capture_bytes import (
    ACK,
    CLIENT,
    ETHERNET,
    NULL,
    RAW,
    RST,
    SERVER,
    SLL,
    SLL2,
    SYN,
    cooked,
    cooked2,
    endpoints,
    ethernet,
    geneve,
    ipv4,
    ipv6,
    only_row,
    pcap,
    read,
    rows,
    sctp,
    sctp_init,
    tcp,
    tcp_timestamp,
    text,
    udp,
    vlan,
    vxlan,
)
from tests.conftest import FIXTURES

SEGMENT = tcp(1000, 80, SYN, seq=77)
PACKET = ipv4(SEGMENT)
PACKET6 = ipv6(SEGMENT)
INNER = ipv4(SEGMENT, source="172.16.0.1", target="172.16.0.2")
EXPECTED = (6, CLIENT, 1000, SERVER, 80)


def qos_data(payload: bytes, flags: int = 0x01) -> bytes:
    """An 802.11 QoS data frame to the access point, with LLC and SNAP."""
    return b"\x88" + bytes([flags]) + bytes(22) + b"\0\0" + snap(payload)


def snap(payload: bytes, ethertype: int = 0x0800) -> bytes:
    """LLC and SNAP in front of a packet."""
    return b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ethertype) + payload


def mpls(payload: bytes, labels: int = 1) -> bytes:
    """A stack of labels; the last one has the bottom bit."""
    return (
        b"".join(
            struct.pack(">I", 100 << 12 | (index == labels - 1) << 8 | 64)
            for index in range(labels)
        )
        + payload
    )


def nflog(payload: bytes) -> bytes:
    """A netfilter log record with a mark in front of the packet."""
    return (
        b"\x02\0\0\x07"
        + struct.pack("<HHI", 8, 3, 9)
        + struct.pack("<HH", 4 + len(payload), 9)
        + payload
    )


LINKS = [
    pytest.param(ETHERNET, ethernet(PACKET), id="Ethernet"),
    pytest.param(ETHERNET, ethernet(vlan(PACKET), 0x8100), id="VLAN"),
    pytest.param(ETHERNET, ethernet(vlan(vlan(PACKET), 0x8100), 0x88A8), id="QinQ"),
    pytest.param(ETHERNET, ethernet(vlan(vlan(vlan(PACKET), 0x8100), 0x8100), 0x9100), id="3 tags"),
    pytest.param(ETHERNET, ethernet(mpls(PACKET), 0x8847), id="MPLS"),
    pytest.param(ETHERNET, ethernet(mpls(PACKET, 3), 0x8848), id="MPLS stack"),
    pytest.param(ETHERNET, ethernet(mpls(bytes(4) + ethernet(PACKET)), 0x8847), id="pseudowire"),
    pytest.param(
        ETHERNET,
        ethernet(b"\x11\0\0\1\0\x2a\0\x21" + PACKET, 0x8864),
        id="PPPoE session",
    ),
    pytest.param(ETHERNET, ethernet(snap(PACKET), 48), id="802.3 SNAP"),
    pytest.param(ETHERNET, ethernet(bytes(4) + ethernet(PACKET), 0x88E7), id="backbone bridge"),
    pytest.param(ETHERNET, ethernet(b"\1\1\0\1\0\2\x08\0" + PACKET, 0x8909), id="Cisco metadata"),
    pytest.param(ETHERNET, ethernet(PACKET) + bytes(6), id="padding"),
    pytest.param(SLL, cooked(PACKET), id="SLL"),
    pytest.param(SLL2, cooked2(PACKET), id="SLL2"),
    pytest.param(SLL2, cooked2(vlan(PACKET), protocol=0x8100), id="SLL2 VLAN"),
    pytest.param(RAW, PACKET, id="raw 101"),
    pytest.param(12, PACKET, id="raw 12"),
    pytest.param(14, PACKET, id="raw 14"),
    pytest.param(228, PACKET, id="IPv4 228"),
    pytest.param(NULL, b"\2\0\0\0" + PACKET, id="NULL little-endian"),
    pytest.param(NULL, b"\0\0\0\2" + PACKET, id="NULL big-endian"),
    pytest.param(108, b"\0\0\0\2" + PACKET, id="LOOP"),
    pytest.param(9, b"\xff\x03\0\x21" + PACKET, id="PPP"),
    pytest.param(9, b"\x21" + PACKET, id="PPP, short protocol"),
    pytest.param(50, b"\xff\x03\0\x21" + PACKET, id="PPP HDLC"),
    pytest.param(51, b"\x11\0\0\1\0\x2a\0\x21" + PACKET, id="PPPoE"),
    pytest.param(105, qos_data(PACKET), id="802.11"),
    pytest.param(127, b"\0\0\x08\0\0\0\0\0" + qos_data(PACKET), id="radiotap"),
    pytest.param(239, nflog(PACKET), id="NFLOG"),
]


@pytest.mark.parametrize(("link_type", "frame"), LINKS)
def test_link_types_and_tags(link_type: int, frame: bytes) -> None:
    """Each link type and each layer below IP leads to the same packet."""
    only_row([frame], link_type)
    assert endpoints(read(pcap([frame], link_type))) == [EXPECTED]


@pytest.mark.parametrize(
    ("link_type", "head"),
    [
        pytest.param(229, b"", id="IPv6 229"),
        pytest.param(NULL, b"\x18\0\0\0", id="NULL of OpenBSD"),
        pytest.param(NULL, b"\x1c\0\0\0", id="NULL of FreeBSD"),
        pytest.param(NULL, b"\0\0\0\x1e", id="NULL of macOS"),
        pytest.param(9, b"\xff\x03\0\x57", id="PPP"),
    ],
)
def test_ipv6_link_types(link_type: int, head: bytes) -> None:
    """IPv6 has numbers of its own in several link types."""
    assert text(only_row([head + PACKET6], link_type).low[0]) == "fd00::1"


@pytest.mark.parametrize(
    ("link_type", "frame", "reason"),
    [
        pytest.param(ETHERNET, ethernet(bytes(28), 0x0806), "not IP (ARP)", id="ARP"),
        pytest.param(ETHERNET, ethernet(b"\x42\x42\x03", 38), "not IP", id="spanning tree"),
        pytest.param(
            ETHERNET, ethernet(b"\x11\x09\0\0\0\0", 0x8863), "not IP (PPPoE discovery)", id="PPPoE"
        ),
        pytest.param(ETHERNET, ethernet(b"x", 0x88CC), "not IP (LLDP)", id="LLDP"),
        pytest.param(ETHERNET, ethernet(b"x", 0x88B5), "not IP (EtherType 0x88b5)", id="unnamed"),
        pytest.param(ETHERNET, ethernet(bytes(40), 0x88E5), "encrypted tunnel", id="MACsec"),
        pytest.param(105, qos_data(PACKET, 0x41), "encrypted tunnel", id="protected 802.11"),
        pytest.param(105, b"\x80\0" + bytes(30), "not IP", id="beacon"),
        pytest.param(9, b"\xff\x03\xc0\x21", "not IP", id="LCP"),
        pytest.param(RAW, b"\x50" + bytes(30), "not IP", id="IP version 5"),
        pytest.param(ETHERNET, b"\2" * 13, "malformed Ethernet", id="short Ethernet"),
        pytest.param(
            ETHERNET,
            ethernet(vlan(b"", 0x8100) * 9 + vlan(PACKET), 0x8100),
            "nested too deeply",
            id="nine tags",
        ),
        pytest.param(ETHERNET, ethernet(mpls(b"", 9), 0x8847), "nested too deeply", id="9 labels"),
    ],
)
def test_frames_without_a_connection(link_type: int, frame: bytes, reason: str) -> None:
    """What is no connection is counted with its reason, on both paths."""
    for options in (ReadOptions(fast=False), ReadOptions()):
        assert read(pcap([frame], link_type), options).counts.skipped == {reason: 1}


@pytest.mark.parametrize(
    ("head", "ethertype"),
    [
        pytest.param(b"\0\x07\x81\0", 0x8100, id="VLAN"),
        pytest.param(mpls(bytes(4) + ethernet(b"", 0x8847)), 0x8847, id="MPLS with Ethernet"),
        pytest.param(bytes(4) + ethernet(b"", 0x88E7), 0x88E7, id="backbone bridge"),
        pytest.param(b"\1\1\0\1\0\2\x89\x09", 0x8909, id="Cisco metadata"),
        pytest.param(snap(b"", 0x0001), 0x0001, id="SNAP"),
        pytest.param(
            b"\x11\0\0\1\0\0\x02\x81" + mpls(bytes(4) + ethernet(b"", 0x8864)),
            0x8864,
            id="PPPoE, MPLS",
        ),
    ],
)
def test_layers_nested_without_end(head: bytes, ethertype: int) -> None:
    """A quarter of a megabyte of headers is no way to exhaust the stack."""
    frame = ethernet(head * (200_000 // len(head)), ethertype)
    assert read(pcap([frame]), ReadOptions()).counts.skipped == {"nested too deeply": 1}


def test_packets_nested_without_end() -> None:
    """By itself dpkt would decode 3,000 IP headers in one another by recursion, and overflow."""
    packet = tcp(1, 2)
    for _ in range(3000):
        packet = ipv4(packet, 4)
    for link_type, frame in (
        (ETHERNET, ethernet(packet)),
        (ETHERNET, ethernet(vlan(packet), 0x8100)),
        (RAW, packet),
        (SLL, cooked(packet)),
        (SLL2, cooked2(packet)),
        (9, b"\xff\x03\0\x21" + packet),
    ):
        assert read(pcap([frame], link_type)).counts.skipped == {"nested too deeply": 1}


def test_interfaces_of_cooked_captures() -> None:
    """The index tells interfaces apart in v2; in v1 only in and out are known."""
    assert only_row([cooked2(PACKET, index=9)], SLL2).interface == 9
    kinds = [cooked(PACKET, packet_type) for packet_type in (0, 1, 2, 3, 4)]
    assert [(row.interface, row.sides[0].packets) for row in rows(pcap(kinds, SLL))] == [
        (0, 4),
        (1, 1),
    ]


SENDER = 0x020000000001
NO_ADDRESS = struct.pack(">HHIHBB8s", 0x0800, 0, 3, 65534, 0, 0, bytes(8))


@pytest.mark.parametrize(
    ("link_type", "frame", "station"),
    [
        pytest.param(ETHERNET, ethernet(PACKET), ON_SEGMENT << 48 | SENDER + 1, id="Ethernet"),
        pytest.param(SLL, cooked(PACKET), CAME_IN << 48 | SENDER, id="SLL"),
        pytest.param(SLL, cooked(PACKET, 4), OUTGOING << 48 | SENDER, id="SLL, sent"),
        pytest.param(SLL2, cooked2(PACKET), CAME_IN << 48 | SENDER, id="SLL2"),
        pytest.param(SLL2, NO_ADDRESS + PACKET, CAME_IN << 48, id="no address, such as a tun's"),
        pytest.param(RAW, PACKET, 0, id="no link header"),
        pytest.param(ETHERNET, ethernet(ipv4(vxlan(ethernet(INNER)), 17)), 0, id="in a tunnel"),
    ],
)
def test_who_sent_the_frame(link_type: int, frame: bytes, station: int) -> None:
    """S12: the source MAC address, and whether the frame came in or was sent from the node."""
    row = only_row([frame], link_type)
    assert row.sides[row.first_sender].station == station
    assert row.sides[1 - row.first_sender].station == 0


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


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param(
            ipv4(vxlan(ethernet(bytes(28), 0x0806)), 17), "not IP (ARP)", id="ARP in VXLAN"
        ),
        pytest.param(ipv4(udp(1, 4789, b"\x08\0\0"), 17), "malformed VXLAN", id="short VXLAN"),
        pytest.param(ipv4(bytes(16), 50), "encrypted tunnel", id="ESP"),
        pytest.param(
            ipv4(udp(40000, 51820, b"\x04\0\0\0" + bytes(28)), 17),
            "encrypted tunnel",
            id="WireGuard",
        ),
        pytest.param(
            ipv4(udp(4500, 4500, b"\0\0\x12\x34" + bytes(28)), 17),
            "encrypted tunnel",
            id="ESP in UDP",
        ),
        pytest.param(ipv4(bytes(8), 2), "not TCP, UDP or SCTP", id="IGMP"),
        pytest.param(ipv4(b"\x08\0\0\0" + bytes(4), 1), "ICMP", id="echo"),
        pytest.param(ipv6(b"\x87\0\0\0" + bytes(20), 58), "ICMP", id="neighbour solicitation"),
        pytest.param(ipv4(SEGMENT, length=19), "malformed IPv4", id="length below the header"),
        pytest.param(ipv4(tcp(1, 2)[:12]), "malformed TCP", id="segment of 12 bytes"),
        pytest.param(
            ipv4(tcp(1, 2)[:12] + b"\x40" + tcp(1, 2)[13:]), "malformed TCP", id="offset of 4 words"
        ),
        pytest.param(
            ipv4(tcp(1, 2)[:12] + b"\xf0" + tcp(1, 2)[13:]), "malformed TCP", id="offset too large"
        ),
        pytest.param(ipv4(udp(1, 2)[:6], 17), "malformed UDP", id="datagram of 6 bytes"),
        pytest.param(ipv4(sctp(1, 2, 3, b""), 132), "malformed SCTP", id="SCTP without a chunk"),
    ],
)
def test_packets_without_a_connection(packet: bytes, reason: str) -> None:
    """What cannot be followed is counted with its reason, on both paths."""
    for options in (ReadOptions(fast=False), ReadOptions()):
        assert read(pcap([ethernet(packet)]), options).counts.skipped == {reason: 1}


def test_ip_options_and_lengths() -> None:
    """Options move the segment; a total length of 0 is left by segmentation offload."""
    assert only_row([ethernet(ipv4(SEGMENT, options=bytes(8)))]).sides[0].bytes == 48
    assert only_row([ethernet(ipv4(SEGMENT + bytes(100), length=0))]).sides[0].bytes == 140
    assert only_row([ethernet(ipv6(SEGMENT + bytes(100), length=0))]).sides[0].bytes == 160


def test_ipv6_extension_headers() -> None:
    """Hop-by-hop, routing, destination options and authentication lead to the segment."""
    authentication = b"\x06\x01\0\0" + bytes(8)
    destination = b"\x33\0" + bytes(6)
    routing = b"\x3c\0" + bytes(6)
    hop_by_hop = b"\x2b\0" + bytes(6)
    packet = ipv6(hop_by_hop + routing + destination + authentication + SEGMENT, 0)
    row = only_row([ethernet(packet)])
    assert (row.low[1], row.sides[0].bytes) == (1000, len(packet))
    endless = ipv6((b"\0\0" + bytes(6)) * 20 + SEGMENT, 0)
    assert read(pcap([ethernet(endless)])).counts.skipped == {"nested too deeply": 1}


def test_mapped_addresses_are_ipv4() -> None:
    """S15: an IPv4-mapped IPv6 address is the IPv4 address."""
    mapped = ipv6(SEGMENT, source="::ffff:10.0.0.1", target="::ffff:10.0.0.2")
    assert only_row([ethernet(mapped), ethernet(PACKET)]).sides[0].packets == 2


def test_fragments_join_their_first() -> None:
    """Later fragments have no ports; the first one's are theirs, bytes included."""
    whole = udp(1000, 53, bytes(24))
    first = ipv4(whole[:16], 17, identification=9, more=True)
    later = ipv4(whole[16:], 17, identification=9, offset=16)
    row = only_row([ethernet(first), ethernet(later)])
    assert (row.sides[0].packets, row.sides[0].bytes, row.high[1]) == (2, 72, 53)


def test_ipv6_fragments_join_their_first() -> None:
    """The same with the fragment header of IPv6."""
    whole = udp(1000, 53, bytes(24))
    first = ipv6(struct.pack(">BBHI", 17, 0, 1, 9) + whole[:16], 44)
    later = ipv6(struct.pack(">BBHI", 17, 0, 16, 9) + whole[16:], 44)
    assert only_row([ethernet(first), ethernet(later)]).sides[0].packets == 2


@pytest.mark.parametrize("size", [8, 16, 24, 1480])
@pytest.mark.parametrize("version", [4, 6])
def test_call_in_small_fragments_is_a_call(size: int, version: int) -> None:
    """8 bytes hold no TCP flags: what came is put together until the header is there."""
    whole = tcp(1000, 80, SYN, 7, payload=bytes(40))
    frames = []
    for start in range(0, len(whole), size):
        piece, more = whole[start : start + size], start + size < len(whole)
        if version == 4:
            frames.append(ipv4(piece, 6, identification=9, more=more, offset=start))
        else:
            head = struct.pack(">BBHI", 6, 0, start | more, 9)
            frames.append(ipv6(head + piece, 44))
    row = only_row([ethernet(frame) for frame in frames])
    assert (row.client, row.client_isn) == (0, 7)


def test_small_fragment_whose_rest_is_missing() -> None:
    """It is counted with its reason, also where another piece than the next one follows."""
    whole = tcp(1000, 80, SYN, 7, payload=bytes(40))
    first = ipv4(whole[:8], 6, identification=9, more=True)
    third = ipv4(whole[16:24], 6, identification=9, more=True, offset=16)
    counts = read(pcap([ethernet(first), ethernet(third)])).counts
    assert counts.skipped == {"fragment with a part of its headers": 2}


def test_fragments_without_their_first() -> None:
    """They are counted; another identification or a first that came later does not help."""
    whole = udp(1000, 53, bytes(24))
    first = ipv4(whole[:16], 17, identification=8, more=True)
    later = ipv4(whole[16:], 17, identification=9, offset=16)
    counts = read(pcap([ethernet(later), ethernet(first), ethernet(later)])).counts
    assert counts.skipped == {"fragment without its first": 2}


@pytest.mark.parametrize("fast", [True, False])
def test_fragments_of_an_outer_packet(fast: bool) -> None:
    """S25: VXLAN over a small MTU: the rest of an outer packet is no orphan."""
    path = FIXTURES / "cases" / "outer-fragments" / "27-vxlan-outer-frag.pcap"
    with path.open("rb") as stream:
        table = read_capture(stream, "x", ReadOptions(fast=fast))
    assert table.counts.skipped == {"rest of a packet in a tunnel": 1}
    assert len(table) == 1


@pytest.mark.parametrize("fast", [True, False])
def test_many_ethertypes_are_counted_together(fast: bool) -> None:
    """The most frequent have lines of their own, and there are not many lines."""
    kinds = [*range(0xA000, 0xA014), 0xA013]
    frames = [ethernet(b"x", kind) for kind in kinds]
    skipped = read(pcap(frames), ReadOptions(fast=fast)).counts.skipped
    assert len(skipped) == 17
    assert skipped["not IP (EtherType 0xa013)"] == 2
    assert skipped["not IP (other EtherTypes)"] == 4


def test_first_fragment_is_forgotten_in_time() -> None:
    """65,536 packets later an identification is another packet's."""
    whole = udp(1000, 53, bytes(24))
    first = ethernet(ipv4(whole[:16], 17, identification=9, more=True))
    later = ethernet(ipv4(whole[16:], 17, identification=9, offset=16))
    between = ethernet(bytes(28), 0x0806)
    near = read(pcap([first, *[between] * 65_535, later]), ReadOptions()).counts
    assert near.skipped == {"not IP (ARP)": 65_535}
    far = read(pcap([first, *[between] * 65_536, later]), ReadOptions()).counts
    assert far.skipped == {"not IP (ARP)": 65_536, "fragment without its first": 1}


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        pytest.param(b"\x16\x03\x01\x00\x10\x01", 1, id="TLS ClientHello"),
        pytest.param(b"\x16\x03\x03\x00\x10\x02", 2, id="TLS ServerHello"),
        pytest.param(b"\x16\x03\x03\x00\x10\x0b", 0, id="TLS certificate"),
        pytest.param(b"\x16\x03\x03\x00\x10", 0, id="TLS cut short"),
        pytest.param(b"HTTP/1.1 200 OK", 2, id="HTTP status"),
        pytest.param(b"HTTP/2", 0, id="HTTP/2"),
        *[
            pytest.param(method + b" / HTTP/1.1", 1, id=method.decode())
            for method in (
                b"GET",
                b"POST",
                b"PUT",
                b"DELETE",
                b"HEAD",
                b"OPTIONS",
                b"PATCH",
                b"TRACE",
                b"CONNECT",
            )
        ],
        pytest.param(b"GETS /", 0, id="no method"),
        pytest.param(b"GET", 0, id="method cut short"),
        pytest.param(b"", 0, id="nothing"),
    ],
)
def test_hints_of_tcp_payloads(payload: bytes, hint: int) -> None:
    """S34: what the first bytes of a payload say about its sender."""
    assert only_row([ethernet(ipv4(tcp(1000, 80, payload=payload)))]).sides[0].hints == hint


@pytest.mark.parametrize(
    ("ports", "flags", "hint"),
    [
        pytest.param((1000, 53), 0x01, 1, id="query"),
        pytest.param((53, 1000), 0x81, 2, id="response"),
        pytest.param((5353, 5353), 0x84, 2, id="multicast response"),
        pytest.param((1000, 54), 0x81, 0, id="another port"),
    ],
)
def test_hints_of_dns(ports: tuple[int, int], flags: int, hint: int) -> None:
    """S34: the query/response bit on ports 53 and 5353."""
    row = only_row([ethernet(ipv4(udp(*ports, bytes([1, 2, flags])), 17))])
    assert row.sides[row.first_sender].hints == hint


def test_tcp_timestamp_of_a_syn() -> None:
    """S20: the timestamp value of a SYN tells its legs from others."""
    syn = tcp(1000, 80, SYN, options=tcp_timestamp(123))
    assert only_row([ethernet(ipv4(syn))]).sides[0].timestamp == 123
    ended = tcp(1000, 80, SYN, options=b"\0\0\0\0" + tcp_timestamp(123))
    assert only_row([ethernet(ipv4(ended))]).sides[0].timestamp is None
    segment = tcp(1000, 80, ACK, options=tcp_timestamp(123))
    assert only_row([ethernet(ipv4(segment))]).sides[0].timestamp is None


def test_sctp_reads_like_tcp() -> None:
    """S30: INIT is the client's, INIT-ACK the server's; tags stand for sequence numbers."""
    frames = [
        ethernet(ipv4(sctp(1000, 80, 0, sctp_init(1, 111)), 132)),
        ethernet(ipv4(sctp(80, 1000, 111, sctp_init(2, 222)), 132, SERVER, CLIENT)),
        ethernet(ipv4(sctp(1000, 80, 222, b"\x0a\0\0\x04"), 132)),
        ethernet(ipv4(sctp(80, 1000, 111, b"\x06\0\0\x04"), 132, SERVER, CLIENT)),
    ]
    row = only_row(frames)
    assert (row.client, row.client_isn, row.server_isn) == (0, 111, 222)
    assert row.sides[0].ack_first == 223
    assert row.sides[1].flags & RST


def unreachable(packet: bytes, code: int = 3) -> bytes:
    """An ICMP destination-unreachable error from the server that quotes a packet's start."""
    return ethernet(ipv4(struct.pack(">BBHI", 3, code, 0, 0) + packet[:28], 1, SERVER, CLIENT))


def test_icmp_errors_name_the_packet_they_quote() -> None:
    """S40: port unreachable refuses a connection; it is no packet of it."""
    datagram = ipv4(udp(1000, 53, b"x"), 17)
    row = only_row([ethernet(datagram), unreachable(datagram)])
    assert (row.sides[0].packets, row.sides[0].unreachable, row.sides[1].packets) == (1, 1, 0)
    quoted6 = ipv6(struct.pack(">BBHI", 1, 4, 0, 0) + PACKET6, 58, "fd00::2", "fd00::1")
    row = only_row([ethernet(PACKET6), ethernet(quoted6)])
    assert row.sides[0].unreachable == 1


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(unreachable(PACKET, code=4), id="fragmentation needed"),
        pytest.param(unreachable(ipv4(b"\x08\0\0\0" + bytes(4), 1)), id="quotes ICMP"),
        pytest.param(unreachable(PACKET[:22]), id="quote too short"),
        pytest.param(unreachable(b"\x45"), id="quote of one byte"),
        pytest.param(unreachable(ipv4(vxlan(b""), 17)), id="quotes a tunnel"),
        pytest.param(unreachable(ipv4(bytes(8), 17, offset=8)), id="quotes a later fragment"),
    ],
)
def test_icmp_errors_that_refuse_no_connection(frame: bytes) -> None:
    """Other errors are ICMP, and nothing else."""
    for options in (ReadOptions(fast=False), ReadOptions()):
        assert read(pcap([frame]), options).counts.skipped == {"ICMP": 1}


@pytest.mark.parametrize("fast", [False, True], ids=["reference", "compiled"])
def test_payloads_that_name_servers_are_kept(fast: bool) -> None:
    """S50: DNS, and what clients say first to servers outside; nothing said inside the cluster.

    The first ClientHello goes on in the next segment, and no further.
    """
    hello = b"\x16\x03\x01\x00\x08\x01name"
    frames = [
        ethernet(ipv4(udp(1000, 53, b"query"), 17)),
        ethernet(ipv4(tcp(1000, 443, payload=hello), target="93.184.216.34")),
        ethernet(ipv4(tcp(1000, 443, payload=hello))),
        ethernet(ipv4(tcp(1000, 443, payload=b"end", seq=11), target="93.184.216.34")),
        ethernet(ipv4(tcp(1000, 443, payload=b"more", seq=14), target="93.184.216.34")),
        ethernet(ipv4(udp(1000, 123, b"time"), 17)),
        ethernet(ipv4(udp(1000, 53, b"query"), 17, target="127.0.0.53")),
    ]
    table = read(pcap(frames), ReadOptions(fast=fast, collect_names=True))
    assert [(payload.number, payload.content) for payload in table.payloads] == [
        (1, b"query"),
        (2, hello),
        (4, b"end"),
    ]
    assert (table.payloads[0].protocol, table.payloads[0].source[1]) == (17, 1000)
    assert (table.payloads[2].protocol, table.payloads[2].seq) == (6, 11)
    assert read(pcap(frames), ReadOptions(fast=fast)).payloads == ()
