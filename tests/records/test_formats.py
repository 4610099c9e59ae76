"""Container formats and compression; every file here is generated, byte by byte."""

import bz2
import gzip
import io
import lzma
import struct

import pytest

from otterize_pcap.errors import CaptureError, UnknownCaptureFormat, UnsupportedLinkType
from otterize_pcap.table.read import ReadOptions, read_capture, read_parts
from tests.capture_bytes import (
    START,
    block,
    endpoints,
    enhanced,
    ethernet,
    interface,
    ipv4,
    option,
    pcap,
    read,
    rows,
    section,
    tcp,
    udp,
)

FRAME = ethernet(ipv4(tcp(1000, 80)))
OTHER = ethernet(ipv4(udp(1000, 53, b"query"), 17))
MODES = [
    pytest.param(ReadOptions(fast=False), id="reference"),
    pytest.param(ReadOptions(), id="default"),
]


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize(
    ("magic", "time_ns"),
    [
        pytest.param(0xA1B2C3D4, START + 123_456_000, id="microseconds"),
        pytest.param(0xA1B23C4D, START + 123_456_789, id="nanoseconds"),
        pytest.param(0xA1B2CD34, START + 123_456_000, id="kuznetzov"),
    ],
)
def test_pcap_variants(options: ReadOptions, order: str, magic: int, time_ns: int) -> None:
    """Both byte orders, both resolutions and the modified format give exact integer times."""
    content = pcap([FRAME, OTHER], order=order, magic=magic, start=START + 123_456_789)
    first, second = rows(content, options)
    assert (first.first_ns, first.number, second.number) == (time_ns, 1, 2)


@pytest.mark.parametrize("options", MODES)
def test_link_type_with_fcs_bits(options: ReadOptions) -> None:
    """The upper bits of the link type say that frames end in a checksum, and change no type."""
    content = bytearray(pcap([FRAME + b"\x01\x02\x03\x04"]))
    struct.pack_into("<I", content, 20, 0x24000001)
    (row,) = rows(bytes(content), options)
    assert row.sides[0].bytes == 40


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("snaplen", [0, 20], ids=["none", "less than was captured"])
def test_snaplen_of_the_header_is_not_believed(options: ReadOptions, snaplen: int) -> None:
    """Records say how long they are; a snaplen that contradicts them is somebody's mistake."""
    assert len(rows(pcap([FRAME], snaplen=snaplen), options)) == 1


@pytest.mark.parametrize("options", MODES)
def test_records_cut_by_snaplen(options: ReadOptions) -> None:
    """A packet counts with the size of its header's word, however little of it was captured."""
    frame = ethernet(ipv4(tcp(1000, 80, payload=bytes(1000))))
    (row,) = rows(pcap([frame], cut=60), options)
    assert row.sides[0].bytes == 1040
    table = read(pcap([frame], cut=40), options)
    assert (len(table), table.counts.skipped) == (0, {"cut off in TCP": 1})


@pytest.mark.parametrize("options", MODES)
def test_old_versions_wrote_lengths_in_the_other_order(options: ReadOptions) -> None:
    """Before pcap 2.3 the original length came first; 2.3 did either."""
    content = bytearray(pcap([FRAME + bytes(9)], version=(2, 2), cut=len(FRAME)))
    struct.pack_into("<II", content, 32, len(FRAME) + 9, len(FRAME))
    assert len(rows(bytes(content), options)) == 1
    struct.pack_into("<H", content, 6, 3)
    assert len(rows(bytes(content), options)) == 1


def test_version_that_nobody_reads() -> None:
    """Another major version is no capture that could be understood."""
    with pytest.raises(CaptureError, match=r"test.pcap: pcap version 3\.0 is not supported"):
        read(pcap([FRAME], version=(3, 0)))


@pytest.mark.parametrize("options", MODES)
def test_every_cut_of_a_pcap_keeps_the_whole_packets(options: ReadOptions) -> None:
    """A file cut at any byte loses the last packet and no other; the cut is counted."""
    content = pcap([FRAME, OTHER])
    boundaries = {24: 0, 24 + 16 + len(FRAME): 1, len(content): 2}
    whole = 0
    for size in range(24, len(content) + 1):
        whole = boundaries.get(size, whole)
        table = read(content[:size], options)
        start = max(end for end, count in boundaries.items() if end <= size)
        assert (table.counts.packets, table.counts.truncated) == (whole, size - start)


def test_cut_within_the_file_header() -> None:
    """There is nothing to keep of a file that ends in its header."""
    with pytest.raises(CaptureError, match=r"ends within its header \(23 of 24 bytes\)"):
        read(pcap([])[:23])


@pytest.mark.parametrize("options", MODES)
def test_absurd_captured_length_ends_reading(options: ReadOptions) -> None:
    """A length that no packet has is damage; what came before it stands."""
    content = pcap([FRAME]) + struct.pack("<IIII", 1, 2, 262_145, 262_145) + bytes(100)
    counts = read(content, options).counts
    at = 24 + 16 + len(FRAME)
    assert counts.packets == 1
    (damage,) = counts.damage
    assert damage == (
        f"test.pcap: a captured length of 262145, more than any packet has, at byte {at}; "
        "what comes after it was not read"
    )


@pytest.mark.parametrize("options", MODES)
def test_concatenated_pcaps(options: ReadOptions) -> None:
    """`cat a.pcap b.pcap` is recognised at the second header."""
    with pytest.raises(CaptureError, match="a second capture file begins at byte 94"):
        read(pcap([FRAME]) + pcap([OTHER]), options)


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_pcapng_in_both_byte_orders(options: ReadOptions, order: str) -> None:
    """A section's byte order holds for all its blocks."""
    content = section(order) + interface(order=order) + enhanced(FRAME, order=order)
    (row,) = rows(content, options)
    assert (row.first_ns, row.number, row.interface) == (START, 1, 0)


@pytest.mark.parametrize("options", MODES)
def test_several_sections_and_link_types(options: ReadOptions) -> None:
    """Interfaces count through all sections, each with a link type of its own."""
    content = (section("<") + interface() + interface(101) + enhanced(ipv4(tcp(1, 2)), index=1)) + (
        section(">") + interface(order=">") + enhanced(FRAME, order=">")
    )
    assert [row.interface >> 32 for row in rows(content, options)] == [1, 2]


@pytest.mark.parametrize("options", MODES)
@pytest.mark.parametrize(
    ("options_bytes", "units", "time_ns"),
    [
        pytest.param(b"", 1_500_000, 1_500_000_000, id="default, microseconds"),
        pytest.param(option(9, b"\x09"), 1_500_000_001, 1_500_000_001, id="nanoseconds"),
        pytest.param(option(9, b"\x03"), 1500, 1_500_000_000, id="milliseconds"),
        pytest.param(option(9, b"\x0c"), 1_500_000_000_999, 1_500_000_000, id="picoseconds"),
        pytest.param(option(9, b"\x81"), 3, 1_500_000_000, id="half seconds"),
        pytest.param(
            option(14, struct.pack("<q", 10)), 1_500_000, 11_500_000_000, id="offset of 10 s"
        ),
        pytest.param(option(14, struct.pack("<q", -10)), 1_500_000, 0, id="before the epoch"),
        pytest.param(option(9, b"\x00"), 1 << 63, (1 << 63) - 1, id="beyond 64 bits"),
    ],
)
def test_pcapng_clocks(
    options: ReadOptions, options_bytes: bytes, units: int, time_ns: int
) -> None:
    """`if_tsresol` and `if_tsoffset` are exact in integers, and clamped to 64 bits."""
    content = section() + interface(options=options_bytes) + enhanced(FRAME, units)
    assert [row.first_ns for row in rows(content, options)] == [time_ns]


@pytest.mark.parametrize("options", MODES)
def test_simple_and_obsolete_packet_blocks(options: ReadOptions) -> None:
    """A simple packet has the first interface and no time, an obsolete one all but options."""
    simple = block(3, struct.pack("<I", len(FRAME)) + FRAME)
    obsolete = block(
        2,
        struct.pack("<HHIIII", 0, 3, 0, 5, len(OTHER), len(OTHER)) + OTHER,
    )
    table = read(section() + interface() + simple + obsolete, options)
    assert [(row.number, row.first_ns) for row in table.rows()] == [(1, 0), (2, 5000)]
    assert table.counts.dropped == 3


@pytest.mark.parametrize("options", MODES)
def test_simple_packet_is_cut_at_the_snaplen(options: ReadOptions) -> None:
    """Its block does not say how much was captured: the interface's snaplen does."""
    simple = block(3, struct.pack("<I", 1514) + FRAME)
    table = read(section() + interface(snaplen=len(FRAME)) + simple, options)
    assert len(table) == 1


@pytest.mark.parametrize("options", MODES)
def test_other_blocks_are_passed_over(options: ReadOptions) -> None:
    """Names, statistics, secrets, journals and custom blocks hold no packet; drops are kept."""
    statistics = struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 7)) + bytes(4)
    content = (
        section()
        + interface()
        + block(4, b"\x00\x01names of hosts")
        + enhanced(FRAME, options=option(2, b"\0\0\0\0") + bytes(4))
        + block(10, b"secrets" * 1000)
        + block(9, b"__REALTIME_TIMESTAMP=1")
        + block(0x0BAD, b"custom")
        + block(0x12345678, b"never heard of")
        + block(5, statistics)
        + enhanced(OTHER, options=option(4, struct.pack("<Q", 2)) + bytes(4))
    )
    table = read(content, options)
    assert [row.number for row in table.rows()] == [1, 2]
    assert (table.counts.dropped, table.counts.damage) == (7, ())


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        pytest.param(struct.pack("<II", 6, 13) + bytes(9), "a block of 13 bytes", id="odd length"),
        pytest.param(enhanced(FRAME, index=4), "a packet of interface 4", id="unknown interface"),
        pytest.param(enhanced(FRAME)[:-4] + b"\0\0\0\0", "and then 0", id="lengths that differ"),
        pytest.param(block(6, bytes(8)), "a block of type 6 with 8 bytes", id="too short"),
        pytest.param(
            block(6, struct.pack("<IIIII", 0, 0, 0, 999, 999)),
            "a captured length of 999 in a block with room for 0",
            id="longer than its block",
        ),
        pytest.param(struct.pack("<II", 6, 64 << 20), "a block of 67108864 bytes", id="huge"),
        pytest.param(
            struct.pack("<III", 0x0A0D0D0A, 28, 1) + bytes(16),
            "a section header without a byte order",
            id="section without byte order",
        ),
    ],
)
@pytest.mark.parametrize("options", MODES)
def test_damaged_pcapng(options: ReadOptions, tail: bytes, message: str) -> None:
    """A block that contradicts itself ends the reading, and the packets before it stand."""
    content = section() + interface() + enhanced(FRAME) + tail + enhanced(OTHER)
    counts = read(content, options).counts
    assert counts.packets == 1
    assert message in counts.damage[0]


def test_interfaces_are_bounded() -> None:
    """Descriptions of interfaces are kept, so a file of nothing else must not fill the memory."""
    table = read(section() + interface() * 65_537 + enhanced(FRAME))
    assert len(table) == 0
    assert "an interface beyond the 65536 before it" in table.counts.damage[0]


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2", "zstd", "lz4"])
@pytest.mark.parametrize("options", MODES)
def test_compression_by_magic(options: ReadOptions, kind: str) -> None:
    """Compressed captures are recognised by their first bytes, several members in a row too."""
    content = pcap([FRAME, OTHER])
    table = read(compress(kind, content[:50]) + compress(kind, content[50:]), options)
    assert (table.counts.packets, table.counts.bytes) == (2, len(content))


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2", "zstd", "lz4"])
def test_cut_compressed_file_keeps_what_came_before(kind: str) -> None:
    """A download that stopped still gives the packets that arrived."""
    frames = [ethernet(ipv4(udp(port, 53), 17)) for port in range(1, 20_000)]
    packed = compress(kind, pcap(frames))
    counts = read(packed[: len(packed) - 20]).counts
    assert 0 < counts.packets < len(frames) or counts.damage
    assert counts.damage or counts.truncated


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2"])
def test_damaged_compression_says_so(kind: str) -> None:
    """A checksum that does not match is damage, named as such."""
    frames = [ethernet(ipv4(udp(port, 53), 17)) for port in range(1, 20_000)]
    packed = bytearray(compress(kind, pcap(frames)))
    damaged = {"gzip": -8, "xz": len(packed) // 2, "bzip2": -6}[kind]
    packed[damaged : damaged + 4] = b"\0\0\0\0"
    (damage,) = read(bytes(packed)).counts.damage
    assert f"test.pcap: the {kind} data are damaged" in damage


def compress(kind: str, content: bytes) -> bytes:
    """Compress with the standard library, or what the extra of that name installs."""
    if kind == "gzip":
        return gzip.compress(content)
    if kind == "xz":
        return lzma.compress(content)
    if kind == "bzip2":
        return bz2.compress(content)
    if kind == "zstd":
        zstandard = pytest.importorskip("zstandard", reason="the extra zstd is not installed")
        packed: bytes = zstandard.ZstdCompressor().compress(content)
        return packed
    frame = pytest.importorskip("lz4.frame", reason="the extra lz4 is not installed")
    compressed: bytes = frame.compress(content)
    return compressed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"{}", "no capture", id="JSON"),
        pytest.param(b"PK\x03\x04zip", "a zip archive, which is not read; unpack it", id="zip"),
        pytest.param(b"snoop\0\0\0", "a Solaris snoop file; pcap and pcapng are read", id="snoop"),
        pytest.param(gzip.compress(b"text"), "no capture", id="compressed text"),
    ],
)
def test_no_capture(content: bytes, message: str) -> None:
    """What is no capture is named, with what to do."""
    with pytest.raises(CaptureError, match=message):
        read(content)


def test_unknown_format_is_its_own_error() -> None:
    """Callers can tell a foreign file from a broken one."""
    with pytest.raises(UnknownCaptureFormat):
        read(b"text text text text text text")


def test_unsupported_link_type_is_named() -> None:
    """Another link type is an error that says which, and how to capture instead."""
    with pytest.raises(
        UnsupportedLinkType,
        match=r"link type 195 \(IEEE802_15_4_WITHFCS\) is not supported; capture again",
    ):
        read(pcap([FRAME], link_type=195))
    with pytest.raises(UnsupportedLinkType, match=r"147 \(USER0\)"):
        read(section() + interface(147) + enhanced(FRAME))


@pytest.mark.parametrize("options", MODES)
def test_one_unsupported_interface_among_others(options: ReadOptions) -> None:
    """An interface that cannot be decoded does not hide the others; its packets are counted."""
    content = section() + interface(192) + interface() + enhanced(FRAME) + enhanced(FRAME, index=1)
    table = read(content, options)
    assert table.counts.skipped == {"link type 192 (PPI)": 1}
    assert len(table) == 1


def test_capture_without_packets() -> None:
    """A capture of nothing is no error."""
    table = read(pcap([]))
    assert (len(table), table.counts.packets, table.counts.first_ns) == (0, 0, None)


def test_parts_keep_their_file_and_go_on_with_its_connections() -> None:
    """Rotated parts are one recording: a connection goes on, and says where it began."""
    parts = [("a", io.BytesIO(pcap([FRAME]))), ("b", io.BytesIO(pcap([OTHER, FRAME])))]
    table = read_parts(parts, "node1")
    assert endpoints(table) == [
        (6, "10.0.0.1", 1000, "10.0.0.2", 80),
        (17, "10.0.0.1", 1000, "10.0.0.2", 53),
    ]
    assert [(row.part, row.number, row.sides[0].packets) for row in table.rows()] == [
        (0, 1, 2),
        (1, 1, 1),
    ]
    assert (table.files, table.counts.packets) == (("a", "b"), 3)


def test_progress_is_told_bytes_and_packets() -> None:
    """The caller learns how far reading is, up to all of it."""
    content = pcap([FRAME] * 10_000)
    seen: list[tuple[int, int]] = []
    read_capture(
        io.BytesIO(content), "x", ReadOptions(), lambda size, count: seen.append((size, count))
    )
    assert seen == sorted(seen)
    assert seen[-1] == (len(content), 10_000)
    assert len(seen) > 2


def test_stream_that_gives_one_byte_at_a_time() -> None:
    """Pipes give what they have; nothing depends on how much that is."""

    class Drip(io.RawIOBase):
        def __init__(self, content: bytes) -> None:
            super().__init__()
            self._rest = io.BytesIO(content)

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            """Read one byte."""
            piece = self._rest.read(1)
            buffer[: len(piece)] = piece
            return len(piece)

    content = pcap([FRAME, OTHER])
    expected = rows(content)
    assert list(read_capture(Drip(content), "drip").rows()) == expected
