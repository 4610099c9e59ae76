"""Where frames are cut so that nothing of their payload is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.packets.decode import Decoded, Decoder
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.records.stream import Record
from tests import capture_bytes as made
from tests.anonymise.test_frames import KNOWN, SECRET, mutations
from tests.strategies import laws

PORTS = TunnelPorts()
CUT = PayloadCut(PORTS)
# The parts of a header that these frames have a secret in, and DNS.
TOLD = ("dns", "options", "option", "authentication", "hop-by-hop", "gre", "erspan", "nvgre")
QUOTED = ("ping", "unreachable", "esp in udp", "geneve", "vxlan with arp")


def cut(link_type: int, frame: bytes) -> bytes:
    """What is kept of a frame."""
    return frame[: CUT.kept(link_type, frame)]


def record(link_type: int, data: bytes, original: int) -> Record:
    """A record with this frame in it."""
    return Record(1, made.START, link_type, 0, data, original)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("name", KNOWN)
def test_cut_frames_decode_alike(name: str, is_open: bool) -> None:
    """Whatever a frame holds, in tunnels that are opened or not, it is the same packet cut."""
    link_type, frame = KNOWN[name]
    before = record(link_type, frame, len(frame))
    old, new = (Decoder(PORTS, lambda _source, _target: is_open) for _ in range(2))
    expected = old.decode(before)
    found = new.decode(replace(before, data=cut(link_type, frame)))
    if isinstance(expected, Decoded):
        assert isinstance(found, Decoded)
        assert found.packet == expected.packet
    else:
        assert not isinstance(found, Decoded)


@pytest.mark.parametrize(
    "name", [name for name in KNOWN if not any(word in name for word in (*TOLD, *QUOTED))]
)
def test_no_payload_is_kept(name: str) -> None:
    """Not four bytes of what a frame carries are left, but of a TLS ClientHello."""
    link_type, frame = KNOWN[name]
    kept = cut(link_type, frame)
    if name.startswith("tls"):
        assert kept.endswith(SECRET)
        return
    for at in range(len(SECRET) - 3):
        assert SECRET[at : at + 4] not in kept


@given(st.sampled_from(sorted(KNOWN)), mutations, st.integers(0, 300))
@laws
def test_broken_frames_are_cut_somewhere(
    name: str, changes: list[tuple[int, int]], length: int
) -> None:
    """A frame with bytes changed, or cut before, never fails, and decodes as it would whole."""
    link_type, frame = KNOWN[name]
    broken = bytearray(frame)
    for at, value in changes:
        broken[at % len(broken)] = value
    data = bytes(broken[:length])
    before = record(link_type, data, len(broken))
    expected = Decoder(PORTS).decode(before)
    found = Decoder(PORTS).decode(replace(before, data=cut(link_type, data)))
    assert isinstance(found, Decoded) == isinstance(expected, Decoded)
    if isinstance(found, Decoded) and isinstance(expected, Decoded):
        assert found.packet == expected.packet


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b"GET /secret", b"GET "),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS "),
        (b"HTTP/1.1 200 secret", b"HTTP/1."),
        (b"\x16\x03\x03\0\x30\x02secret", b"\x16\x03\x03\0\x30\x02"),
        (b"\x16\x03\x01\0\x08\x01\0\0\4\3\3naGET /early", b"\x16\x03\x01\0\x08\x01\0\0\4\3\3na"),
        (b"\x16\x03\x01\xff\xff\x01secret of others", b"\x16\x03\x01\xff\xff\x01"),
        (b"\x16\x03\x01\xff\xff\x01\0\0\4secret", b"\x16\x03\x01\xff\xff\x01"),
        (b"\x16\x03\x01\xff\xff\x01\xff\0\4\3\3secret", b"\x16\x03\x01\xff\xff\x01"),
        (b"\x16\x03\x03\0\x30\x0bsecret", b""),
        (b"\x17\x03\x03\0\x30secret", b""),
        (b"secret", b""),
    ],
)
def test_what_is_kept_of_tcp(payload: bytes, kept: bytes) -> None:
    """Of TCP a ClientHello, and the words that tell who is the client (S34)."""
    frame = made.ipv4(made.tcp(40000, 8443, payload=payload, options=made.tcp_timestamp(1)))
    assert cut(made.RAW, frame) == frame[:52] + kept


def test_dns_is_kept_whole() -> None:
    """DNS over UDP and TCP, also inside a tunnel."""
    for frame in (
        made.ethernet(made.ipv4(made.udp(40000, 53, SECRET), 17)),
        made.ethernet(made.ipv4(made.tcp(53, 40000, payload=SECRET))),
        made.ethernet(
            made.ipv4(made.vxlan(made.ethernet(made.ipv6(made.udp(5353, 5353, SECRET), 17))), 17)
        ),
    ):
        assert cut(made.ETHERNET, frame) == frame
