"""Frames: a rewritten one is decoded as the frame was, up to its addresses, and says no more."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.anonymise.frames import Frame, FrameAnonymiser
from otterize_pcap.anonymise.link_headers import link_type_of
from otterize_pcap.packets.decode import Decoded, Decoder, Skipped, Tunnel
from otterize_pcap.packets.packet import Packet
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.records.stream import Record
from tests import capture_bytes as made
from tests.strategies import laws

MAP = AddressMap(bytes(range(32)))
PORTS = TunnelPorts()
ANONYMISER = FrameAnonymiser(MAP, PORTS)
SECRET = b"4111-1111-1111-1111"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET
CALL = made.ipv4(made.tcp(40000, 80, payload=b"GET /" + SECRET))
SYN = made.ipv4(made.tcp(40000, 80, made.SYN, options=b"\x02\x04\x05\xb4" + made.tcp_timestamp(77)))
INNER = made.ethernet(CALL)
PACKETS = {
    "http": CALL,
    "http answer": made.ipv4(made.tcp(80, 40000, payload=b"HTTP/1.1 200 " + SECRET)),
    "tls": made.ipv4(made.tcp(40000, 443, payload=HELLO)),
    "syn": SYN,
    "unknown tcp option": made.ipv4(made.tcp(1, 2, options=b"\x1e\x08" + SECRET[:6])),
    "ip options": made.ipv4(made.tcp(1, 2), options=b"\x07\x07\x04" + SECRET[:5]),
    "zero length": made.ipv4(made.tcp(1, 2, payload=SECRET), length=0),
    "dns query": made.ipv4(made.udp(40000, 53, b"\x12\x34\x01\x00" + SECRET), 17),
    "dns answer": made.ipv4(made.udp(53, 40000, b"\x12\x34\x81\x80" + SECRET), 17),
    "udp": made.ipv6(made.udp(40000, 9999, SECRET), 17),
    "sctp init": made.ipv4(made.sctp(1, 2, 0, made.sctp_init(1, 5)), 132),
    "sctp data": made.ipv4(made.sctp(1, 2, 9, b"\0\3\0\x20" + SECRET), 132),
    "first fragment": made.ipv4(made.udp(1, 2, SECRET), 17, identification=7, more=True),
    "later fragment": made.ipv4(SECRET + bytes(5), 17, identification=7, offset=48),
    "hop-by-hop": made.ipv6(b"\x06\0" + SECRET[:6] + made.tcp(1, 2), 0),
    "fragment header": made.ipv6(b"\x11\x99\0\1\0\0\0\7" + made.udp(1, 2, SECRET), 44),
    "authentication": made.ipv4(b"\x06\x04" + SECRET[:16] + bytes(6) + made.tcp(1, 2), 51),
    "unreachable": made.ipv4(b"\x03\x03" + SECRET[:6] + CALL[:28], 1),
    "unreachable 6": made.ipv6(b"\x01\x04" + SECRET[:6] + made.ipv6(made.udp(1, 2), 17), 58),
    "ping": made.ipv4(b"\x08\x00" + SECRET, 1),
    "esp": made.ipv4(SECRET, 50),
    "ipip": made.ipv4(CALL, 4),
    "ip6ip": made.ipv4(made.ipv6(made.tcp(1, 2, payload=SECRET)), 41),
    "gre": made.ipv4(b"\x20\0\x08\0" + SECRET[:4] + CALL, 47),
    "nvgre": made.ipv4(b"\x20\0\x65\x58" + SECRET[:4] + INNER, 47),
    "erspan": made.ipv4(b"\x10\0\x88\xbe\0\0\0\1" + SECRET[:8] + INNER, 47),
    "vxlan": made.ipv4(made.vxlan(INNER), 17),
    "vxlan back": made.ipv4(made.udp(8472, 50000, b"\x08\0\0\0\0\0\1\0" + INNER), 17),
    "vxlan without identifier": made.ipv4(made.vxlan(INNER, flags=0), 17),
    "vxlan with arp": made.ipv4(made.vxlan(made.ethernet(SECRET, 0x0806)), 17),
    "geneve": made.ipv4(made.geneve(INNER, options=SECRET[:8]), 17),
    "geneve with ip": made.ipv4(made.geneve(CALL, protocol=0x0800), 17),
    "geneve of no version": made.ipv4(made.udp(1, 6081, b"\xc0" + SECRET), 17),
    "vxlan-gpe": made.ipv4(made.udp(1, 4790, b"\x0c\0\0\x01\0\0\1\0" + CALL), 17),
    "wireguard": made.ipv4(made.udp(51820, 51820, b"\4\0\0\0" + SECRET), 17),
    "esp in udp": made.ipv4(made.udp(4500, 4500, SECRET), 17),
    "vxlan in vxlan": made.ipv4(made.vxlan(made.ethernet(made.ipv4(made.vxlan(INNER), 17))), 17),
}
LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "ethernet": (made.ETHERNET, made.ethernet),
    "cooked": (made.SLL, made.cooked),
    "cooked 2": (made.SLL2, made.cooked2),
    "raw": (made.RAW, bytes),
    "loopback": (made.NULL, b"\2\0\0\0".__add__),
    "vlan": (made.ETHERNET, lambda packet: made.ethernet(made.vlan(packet), 0x8100)),
}
KNOWN = {
    f"{name} in {link}": (number, wrap(packet))
    for name, packet in PACKETS.items()
    if packet[0] >> 4 == 4
    for link, (number, wrap) in LINKS.items()
} | {name: (made.ETHERNET, made.ethernet(packet)) for name, packet in PACKETS.items()}


def record(link_type: int, data: bytes, original: int | None = None) -> Record:
    """A record with this frame in it."""
    return Record(1, made.START, link_type, 3, data, len(data) if original is None else original)


def rewritten(before: Record) -> tuple[Frame, Record]:
    """What a record becomes."""
    frame = ANONYMISER.rewrite(before)
    return frame, replace(
        before,
        data=frame.data,
        link_type=link_type_of(before.link_type),
        original_length=frame.original_length,
    )


def renamed(packet: Packet) -> Packet:
    """A packet with other addresses."""
    tunnels = tuple(
        Tunnel(tunnel.kind, *sorted((MAP.packed(tunnel.low), MAP.packed(tunnel.high))))
        for tunnel in packet.tunnels
    )
    way, station = packet.station >> 48, (packet.station & (1 << 48) - 1).to_bytes(6)
    return replace(
        packet,
        source=MAP.packed(packet.source),
        destination=MAP.packed(packet.destination),
        tunnels=tunnels,
        station=way << 48 | int.from_bytes(MAP.mac(station)),
    )


def assert_decodes_alike(before: Record, *, is_open: bool) -> None:
    """A record and what it becomes are one packet, up to its addresses, or neither is one."""

    def opens(_source: bytes, _target: bytes) -> bool:
        return is_open

    old, new = Decoder(PORTS, opens), Decoder(PORTS, opens)
    expected = old.decode(before)
    _, after = rewritten(before)
    found = new.decode(after)
    if isinstance(expected, Skipped):
        assert isinstance(found, Skipped)
        return
    assert isinstance(found, Decoded)
    assert found.packet == renamed(expected.packet)
    assert found.interface == expected.interface
    assert {tunnel.kind for tunnel in new.closed.packets} == {
        tunnel.kind for tunnel in old.closed.packets
    }
    assert len(new.closed.claims) == len(old.closed.claims)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("name", KNOWN)
def test_known_frames_decode_alike(name: str, is_open: bool) -> None:
    """Each header that is decoded, in each kind of frame, whether tunnels are opened or not."""
    assert_decodes_alike(record(*KNOWN[name]), is_open=is_open)


@pytest.mark.parametrize("name", KNOWN)
def test_known_frames_keep_nothing(name: str) -> None:
    """Neither payload nor options nor hardware addresses are in what a frame becomes."""
    link_type, data = KNOWN[name]
    frame, _ = rewritten(record(link_type, data))
    for at in range(len(SECRET) - 3):
        assert SECRET[at : at + 4] not in frame.data
    assert b"\x02\0\0\0\0\1" not in frame.data
    assert frame.original_length >= len(frame.data)


mutations = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)


@given(st.sampled_from(sorted(KNOWN)), mutations, st.integers(0, 300), st.booleans())
@laws
def test_broken_frames_decode_alike(
    name: str, changes: list[tuple[int, int]], cut: int, is_open: bool
) -> None:
    """A frame with bytes changed, or cut by the capture, is no other packet afterwards."""
    link_type, data = KNOWN[name]
    broken = bytearray(data)
    for at, value in changes:
        broken[at % len(broken)] = value
    assert_decodes_alike(
        record(link_type, bytes(broken[:cut]), original=len(broken)), is_open=is_open
    )


@pytest.mark.parametrize("cut", range(54))
def test_frames_cut_by_the_capture(cut: int) -> None:
    """Of a frame that ends within its headers, not a byte of that header is left."""
    before = record(made.ETHERNET, made.ethernet(CALL)[:cut], original=len(made.ethernet(CALL)))
    frame, _ = rewritten(before)
    assert not frame.is_understood
    assert frame.data in (b"", bytes(12) + b"\x88\xb5")


def test_frames_of_unknown_links_are_emptied() -> None:
    """A link type that is not decoded leaves nothing of its frame."""
    frame, _ = rewritten(record(147, SECRET))
    assert frame == Frame(b"\0", len(SECRET), is_understood=False)


def test_sequence_numbers_and_times_stay() -> None:
    """What joins the recordings of one connection is kept: ISN and the SYN's timestamp (S20)."""
    found = Decoder(PORTS).decode(rewritten(record(made.RAW, SYN))[1])
    assert isinstance(found, Decoded)
    assert (found.packet.seq, found.packet.timestamp) == (1, 77)


def test_ip_checksums_are_right() -> None:
    """The IPv4 header's checksum is computed anew (RFC 1071): its sum is all ones."""
    header = rewritten(record(made.RAW, PACKETS["ip options"]))[0].data[:28]
    total = sum(int.from_bytes(header[at : at + 2]) for at in range(0, 28, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
