"""Link types, and what lies between them and IP; every frame is generated, byte by byte.

`only_row` reads each on the reference and on the compiled path, and both must say the same.
"""

import struct

import pytest

from otterize_pcap.packets.link_layer import CAME_IN, ON_SEGMENT, OUTGOING
from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import (
    CLIENT,
    ETHERNET,
    NULL,
    RAW,
    SERVER,
    SLL,
    SLL2,
    SYN,
    cooked,
    cooked2,
    endpoints,
    ethernet,
    ipv4,
    ipv6,
    only_row,
    pcap,
    read,
    rows,
    tcp,
    text,
    vlan,
    vxlan,
)

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
