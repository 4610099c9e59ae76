"""IP and what it carries: headers, fragments, segments; every packet is generated, byte by byte.

`only_row` reads each on the reference and on the compiled path, and both must say the same.
"""

import struct

import pytest

from otterize_pcap.table.read import ReadOptions, read_capture
from tests.capture_bytes import (
    ACK,
    CLIENT,
    RST,
    SERVER,
    SYN,
    ethernet,
    ipv4,
    ipv6,
    only_row,
    pcap,
    read,
    sctp,
    sctp_init,
    tcp,
    tcp_timestamp,
    udp,
    vxlan,
)
from tests.conftest import FIXTURES

SEGMENT = tcp(1000, 80, SYN, seq=77)
PACKET = ipv4(SEGMENT)
PACKET6 = ipv6(SEGMENT)


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


@pytest.mark.parametrize("order", ["first to last", "last to first", "first at last"])
@pytest.mark.parametrize("size", [8, 16, 24, 1480])
@pytest.mark.parametrize("version", [4, 6])
def test_call_in_small_fragments_is_a_call(size: int, version: int, order: str) -> None:
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
    if order == "last to first":
        frames.reverse()
    elif order == "first at last":
        frames.append(frames.pop(0))
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
