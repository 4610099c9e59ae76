"""S50: payload that cannot name anything never leaves the compiled path, and none else is lost."""

import io
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.table import capture_counts, name_payloads
from otterize_pcap.table.read import FAST_PATH, CaptureTable, ReadOptions, read_capture
from tests import capture_bytes as build
from tests.capture_bytes import ethernet, ipv4, ipv6, pcap, tcp, udp, vlan, vxlan

compiled = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")
OUTSIDE, INSIDE, LOOPBACK = "93.184.216.34", "10.0.0.9", "127.0.0.1"
APPLICATION = b"\x17\x03\x03\x00\x20" + bytes(32)
# RFC 1035, 4.1.1: the third byte tells a response from a question.
QUESTION, ANSWER = b"id\x01" + bytes(9), b"id\x81" + bytes(9)


def hello(length: int) -> bytes:
    """The beginning of a ClientHello in a record of this length, whole."""
    return b"\x16\x03\x01" + length.to_bytes(2) + b"\x01" + bytes(length - 1)


def collected(frames: Sequence[bytes], *, fast: bool) -> CaptureTable:
    """What is read of frames where names are collected."""
    return read_capture(
        io.BytesIO(pcap(list(frames))), "x", ReadOptions(fast=fast, collect_names=True)
    )


LABELS = [b"\x02mq", b"\x03api", b"\x07example"]
MANY = frozenset(bytes((2,)) + bytes((97, letter)) for letter in range(97, 110)) | {b"\x02mq"}


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """What a datagram carries: nothing, a few bytes, or labels in letters of either case."""
    parts = st.sampled_from([*LABELS, b"\x02mQ", b"\x03API", b"\x02\x03ap", b"\0\x35", b"\x02"])
    head = draw(st.sampled_from([b"", b"id", QUESTION, ANSWER]))
    return head + b"".join(draw(st.lists(parts, max_size=4))) + draw(st.binary(max_size=3))


@st.composite
def datagrams(draw: st.DrawFn, link_type: int) -> bytes:
    """A frame with DNS over UDP or with what is like it, in tunnels and VLANs where it can be."""
    port = draw(st.sampled_from([53, 5353, 80, 8472]))
    source, target = draw(st.sampled_from([(port, 1000), (1000, port), (port, port)]))
    datagram = udp(source, target, draw(messages()))
    if draw(st.booleans()):
        ends = st.sampled_from(["fd00::1", "2001:db8::1", "::1", "fe80::1", "ff02::fb"])
        packet = ipv6(datagram, 17, source=draw(ends), target=draw(ends))
    else:
        ends = st.sampled_from([OUTSIDE, INSIDE, LOOPBACK, "169.254.20.10", "224.0.0.251"])
        length = draw(st.none() | st.integers(28, 28 + len(datagram)))
        packet = ipv4(datagram, 17, source=draw(ends), target=draw(ends), length=length)
    if draw(st.integers(0, 3)) == 0:
        packet = ipv4(vxlan(ethernet(packet)), 17, source=f"10.9.0.{draw(st.integers(1, 2))}")
    version = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    if link_type == build.SLL2:
        return build.cooked2(packet, protocol=version)
    if draw(st.integers(0, 3)) == 0:
        return ethernet(vlan(packet, version), 0x8100)
    return ethernet(packet)


@st.composite
def captures(draw: st.DrawFn) -> bytes:
    """A pcap or pcapng file of such datagrams, and what is declined and kept between them."""
    link_type = draw(st.sampled_from([build.ETHERNET, build.SLL2]))
    others = [ipv4(tcp(1000, 53, payload=b"\0\x0c" + ANSWER)), ipv4(tcp(1, 443, payload=hello(9)))]
    wrapped = [
        build.cooked2(other) if link_type == build.SLL2 else ethernet(other) for other in others
    ]
    one = datagrams(link_type) | st.sampled_from(wrapped)
    frames = draw(st.lists(one, min_size=1, max_size=40))
    cut = draw(st.none() | st.integers(20, 150))
    if draw(st.booleans()):
        return pcap(frames, link_type, cut=cut, order=draw(st.sampled_from("<>")))
    return (
        build.section()
        + build.interface(link_type)
        + b"".join(build.enhanced(frame[:cut], original=len(frame)) for frame in frames)
    )


@compiled
@settings(max_examples=200)
@given(
    content=captures(),
    labels=st.sampled_from([frozenset[bytes](), frozenset(LABELS[:1]), frozenset(LABELS), MANY]),
    most=st.sampled_from([0, 30, 200, 1 << 20]),
)
def test_both_paths_keep_the_same_datagrams(
    content: bytes, labels: frozenset[bytes], most: int
) -> None:
    """S50: the same payloads in the same order, also where there is room for some alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture_counts, "MAX_PAYLOAD_BYTES", most)
        fast, slow = (
            read_capture(
                io.BytesIO(content),
                "x",
                ReadOptions(fast=fast, collect_names=not labels, answers_about=labels),
            )
            for fast in (True, False)
        )
    assert fast.payloads == slow.payloads
    assert fast.counts.payloads_left_out == slow.counts.payloads_left_out
    assert list(fast.rows()) == list(slow.rows())


@compiled
def test_datagrams_of_dns_are_not_declined() -> None:
    """100,000 questions took 6 s where names were collected, and 0.02 s where not."""
    frames = [ethernet(ipv4(udp(1000 + number, 53, QUESTION), 17)) for number in range(1000)]
    table = collected(frames, fast=True)
    assert table.counts.declined == 0
    assert table.payloads == collected(frames, fast=False).payloads
    assert [payload.source[1] for payload in table.payloads] == [*range(1000, 2000)]
    assert {payload.content for payload in table.payloads} == {QUESTION}


@compiled
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(
            ethernet(ipv4(tcp(1000, 443, payload=hello(9)), source=LOOPBACK, target=LOOPBACK)),
            id="loopback",
        ),
        pytest.param(
            ethernet(ipv4(tcp(1000, 443, payload=APPLICATION), target=OUTSIDE)), id="TLS data"
        ),
        pytest.param(
            ethernet(ipv4(tcp(1000, 80, payload=b"GET / HTTP/1.1\r\n"), target=OUTSIDE)), id="HTTP"
        ),
        pytest.param(
            ethernet(ipv4(udp(53, 1000, ANSWER), 17, source=LOOPBACK, target=LOOPBACK)),
            id="an answer to itself",
        ),
        pytest.param(
            ethernet(ipv4(udp(5353, 5353, ANSWER), 17, target="224.0.0.251")), id="multicast DNS"
        ),
    ],
)
def test_what_names_nothing_is_not_declined(frame: bytes) -> None:
    """100,000 such segments took 6 s where names were collected, and 0.02 s where not."""
    table = collected([frame] * 50, fast=True)
    assert (table.counts.packets, table.counts.declined, table.payloads) == (50, 0, ())
    assert collected([frame], fast=False).payloads == ()


@compiled
def test_only_what_goes_on_with_a_hello_is_declined() -> None:
    """A stream's data after its ClientHello, and other streams', stay on the compiled path."""
    whole = hello(2000)
    frames = [
        ethernet(ipv4(tcp(1000, 443, seq=1 + begin, payload=part), target=OUTSIDE))
        for begin, part in ((0, whole[:1400]), (1400, whole[1400:]))
    ]
    data = [
        ethernet(ipv4(tcp(port, 443, seq=2006 + 37 * number, payload=APPLICATION), target=OUTSIDE))
        for number in range(50)
        for port in (1000, 1001)
    ]
    table = collected(frames + data, fast=True)
    assert table.counts.declined == len(table.payloads) == 2


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Frames of a few streams to and from servers everywhere, hellos cut anywhere."""
    frames = []
    for port in range(1000, 1000 + draw(st.integers(1, 4))):
        target = draw(st.sampled_from([OUTSIDE, INSIDE, LOOPBACK, "169.254.20.10"]))
        server = draw(st.sampled_from([443, 53, 80]))
        content = draw(
            st.sampled_from([hello(60), hello(60) + APPLICATION, APPLICATION, b"\0\x0c" + ANSWER])
        )
        cuts = draw(st.lists(st.integers(0, len(content)), max_size=4).map(sorted))
        seq = draw(st.sampled_from([1, 0xFFFFFFF0]))
        for begin, end in itertools.pairwise([0, *cuts, len(content)]):
            number = (seq + begin) & 0xFFFFFFFF
            there = tcp(port, server, seq=number, payload=content[begin:end])
            back = tcp(server, port, seq=number, payload=content[begin:end])
            frames += [ipv4(there, target=target), ipv4(back, source=target)]
        message = draw(st.sampled_from([QUESTION, ANSWER]))
        frames.append(ipv4(udp(server, port, message), 17, source=target))
    return [ethernet(frame) for frame in draw(st.permutations(frames))]


@compiled
@pytest.mark.parametrize("most", [1, 4096])
@settings(max_examples=150)
@given(frames=conversations())
def test_both_paths_keep_the_same_payloads(most: int, frames: list[bytes]) -> None:
    """Whatever goes on where, the compiled path hands over all that the reference wants."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_payloads, "MAX_UNFINISHED", most)
        fast, slow = (collected(frames * 2, fast=fast) for fast in (True, False))
    assert fast.payloads == slow.payloads
    assert fast.counts.declined <= len(frames) * 2
