"""The compiled path makes the table that the reference makes, on any bytes whatever."""

import io
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.errors import CaptureError
from otterize_pcap.packets.packet import Packet
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.records import stream as records
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.pcap import PcapHeader
from otterize_pcap.records.ranged_file import ranged_file
from otterize_pcap.table import chunk_boundaries, read_threads
from otterize_pcap.table import read as read_module
from otterize_pcap.table.chunk import new_table
from otterize_pcap.table.read import (
    FAST_PATH,
    CaptureCounts,
    Payload,
    ReadOptions,
    read_parts,
)
from otterize_pcap.table.rows import Row
from tests import capture_bytes as build
from tests.capture_bytes import ethernet, ipv4, ipv6, pcap, tcp, udp, vxlan

pytestmark = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "pcaps"
CAPTURES = sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []

INNER = ipv4(tcp(40000, 443, build.SYN), source="172.16.0.1", target="172.16.0.2")
SEEDS = {
    build.ETHERNET: [
        ethernet(ipv4(tcp(1000, 80, build.SYN, options=build.tcp_timestamp(7)))),
        ethernet(ipv4(tcp(80, 1000, build.SYN | build.ACK), source="10.0.0.2", target="10.0.0.1")),
        ethernet(ipv4(tcp(1000, 80, payload=b"GET / HTTP/1.1\r\n"))),
        ethernet(ipv6(tcp(1000, 80, payload=b"\x16\x03\x01\x02\x00\x01\x00"))),
        ethernet(ipv4(udp(1000, 53, b"\x01\x02\x01\x00"), 17)),
        ethernet(ipv6(udp(53, 1000, b"\x01\x02\x81\x00"), 17)),
        ethernet(build.vlan(build.vlan(ipv4(tcp(1, 2))), 0x8100), 0x88A8),
        ethernet(ipv4(vxlan(ethernet(INNER)), 17)),
        ethernet(ipv4(build.geneve(INNER, 0x0800, bytes(8)), 17)),
        ethernet(ipv4(ipv4(vxlan(ethernet(INNER)), 17), 4)),
        ethernet(ipv6(INNER, 4)),
        ethernet(ipv4(udp(1, 2, bytes(16)), 17, identification=5, more=True)),
        ethernet(ipv4(bytes(16), 17, identification=5, offset=24)),
        ethernet(ipv4(b"\x03\x03\0\0\0\0\0\0" + ipv4(udp(1000, 53), 17), 1)),
        ethernet(ipv4(b"\x08\0\0\0", 1)),
        ethernet(ipv4(build.sctp(1, 2, 3, build.sctp_init(1, 9)), 132)),
        ethernet(ipv4(udp(4500, 4500, b"\0\0\0\x01" + bytes(8)), 17)),
        ethernet(bytes(28), 0x0806),
        # A client's port that is WireGuard's as well; the last two look like it.
        ethernet(ipv4(udp(51820, 53, b"\x01\x02\x01\0" + bytes(8)), 17)),
        ethernet(ipv6(udp(53, 51871, b"\0\0\x81\x80"), 17)),
        ethernet(ipv4(udp(51821, 4789, b"\x08\0\0\0\0\0\1\0" + ethernet(INNER)), 17)),
        ethernet(ipv4(udp(51820, 1, b"\1\0\0"), 17)),
        ethernet(ipv4(udp(51820, 53, b"\4\0\0\0" + bytes(8)), 17)),
        ethernet(ipv6(udp(53, 51821, b"\1\0\0\0"), 17)),
    ],
    build.SLL: [build.cooked(ipv4(tcp(1000, 80)), kind) for kind in (0, 4)],
    build.SLL2: [build.cooked2(ipv6(udp(1000, 53, b"\0\0\x80"), 17), protocol=0x86DD)],
    build.RAW: [ipv4(tcp(1000, 80)), ipv6(tcp(1000, 80))],
    build.NULL: [b"\2\0\0\0" + ipv4(tcp(1000, 80)), b"\0\0\0\2" + ipv4(udp(1, 53), 17)],
}


@st.composite
def mutated_frames(draw: st.DrawFn) -> tuple[int, list[bytes]]:
    """Frames that are nearly right: some bytes changed, some cut off."""
    link_type = draw(st.sampled_from(sorted(SEEDS)))
    frames = []
    for _ in range(draw(st.integers(1, 6))):
        frame = bytearray(draw(st.sampled_from(SEEDS[link_type])))
        for _ in range(draw(st.integers(0, 3))):
            frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
        frames.append(bytes(frame[: draw(st.integers(0, len(frame) + 20))]))
    return link_type, frames


Outcome = tuple[list[Row], CaptureCounts, tuple[Payload, ...]] | str


def outcome(content: bytes, options: ReadOptions, block: int = records.BLOCK_SIZE) -> Outcome:
    """All that reading a capture says, whatever the path; errors as their text."""
    try:
        table = read_module.read_capture(Chunked(content, block), "x", options)
    except CaptureError as error:
        return str(error)
    counts = table.counts
    assert 0 <= counts.declined <= counts.packets
    told = {field: getattr(counts, field) for field in CaptureCounts.__struct_fields__}
    rows = list(table.rows())
    assert len(rows) == len(table)
    return rows, CaptureCounts(**told | {"declined": 0}), table.payloads


class Chunked(io.RawIOBase):
    """A stream that gives at most `block` bytes at a time."""

    def __init__(self, content: bytes, block: int) -> None:
        super().__init__()
        self._rest = io.BytesIO(content)
        self._block = block

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read at most one block."""
        piece = self._rest.read(min(self._block, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def assert_same(content: bytes, block: int = records.BLOCK_SIZE) -> None:
    """Both paths say the same of a capture, names collected or not, some tunnels closed or none."""
    for options in (
        ReadOptions(),
        ReadOptions(collect_names=True),
        ReadOptions(opens=lambda one, other: bool((one[15] + other[15]) & 1)),
        ReadOptions(opens=lambda *_: False),
    ):
        assert outcome(content, options, block) == outcome(content, replace(options, fast=False))


@settings(max_examples=400)
@given(mutated=mutated_frames(), order=st.sampled_from("<>"))
def test_mutated_frames_in_pcap(mutated: tuple[int, list[bytes]], order: str) -> None:
    """A frame with some bytes wrong is the same packet, or skipped for the same reason."""
    link_type, frames = mutated
    # Twice, since the compiled path enters a tunnel only when it has seen its path before.
    assert_same(pcap(frames * 2, link_type, order=order))


@settings(max_examples=150)
@given(mutated=mutated_frames(), order=st.sampled_from("<>"), resolution=st.integers(0, 255))
def test_mutated_frames_in_pcapng(
    mutated: tuple[int, list[bytes]], order: str, resolution: int
) -> None:
    """The same through packet blocks, whatever the interface's clock."""
    link_type, frames = mutated
    clock = build.option(9, bytes([resolution]), order)
    assert_same(
        build.section(order)
        + build.interface(link_type, options=clock, order=order)
        + b"".join(build.enhanced(frame, order=order) for frame in frames * 2)
    )


@settings(max_examples=200)
@given(content=st.binary(max_size=300), link_type=st.sampled_from(sorted(SEEDS)))
def test_arbitrary_records(content: bytes, link_type: int) -> None:
    """Bytes that are no records at all end both paths at the same place."""
    assert_same(pcap([], link_type) + content)
    assert_same(build.section() + build.interface(link_type) + content)


@settings(max_examples=100)
@given(frame=st.binary(max_size=200), link_type=st.sampled_from(sorted(SEEDS)))
def test_arbitrary_frames(frame: bytes, link_type: int) -> None:
    """Frames of arbitrary bytes are skipped for the same reason."""
    assert_same(pcap([frame], link_type))


@pytest.mark.parametrize("block", [1, 7, 16, 60, 1000])
def test_every_split_into_blocks(block: int) -> None:
    """However few bytes the stream gives at a time, the table is the same."""
    for link_type, frames in SEEDS.items():
        assert_same(pcap(frames * 3, link_type), block)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:40])
def test_real_captures(path: Path) -> None:
    """Both paths agree on every real capture, in whatever blocks it is read."""
    content = path.read_bytes()
    assert_same(content)
    assert_same(content, 1009)


def test_real_captures_are_there() -> None:
    """The corpus is not part of the project; without it the tests above prove less."""
    if not CAPTURES:
        pytest.skip("no corpus of real captures at ../shared/corpus")
    assert len(CAPTURES) == 80


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads read and split files of a few kilobytes."""
    monkeypatch.setattr(read_module, "SMALLEST_FOR_THREADS", 0)
    monkeypatch.setattr(read_threads, "SMALLEST_PIECE", 1)


def threaded(
    paths: list[Path], threads: int, opens: OuterEnds | None = None
) -> tuple[list[Row], CaptureCounts, tuple[Payload, ...]]:
    """Read files from disk with so many threads; where names are collected, one reads."""
    with ExitStack() as stack:
        streams = [(path.name, stack.enter_context(path.open("rb"))) for path in paths]
        table = read_parts(streams, "x", ReadOptions(threads=threads, opens=opens))
    counts = {field: getattr(table.counts, field) for field in CaptureCounts.__struct_fields__}
    return list(table.rows()), CaptureCounts(**counts | {"declined": 0}), table.payloads


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:40])
def test_threads_change_nothing_of_real_captures(path: Path, threads: int) -> None:
    """Results do not depend on the number of threads, wherever a file is split."""
    try:
        expected = threaded([path], 1)
    except CaptureError as error:
        with pytest.raises(type(error)):
            threaded([path], threads)
        return
    assert threaded([path], threads) == expected


@pytest.mark.usefixtures("small_pieces")
@settings(max_examples=60)
@given(
    picks=st.lists(st.integers(0, len(SEEDS[1]) - 1), min_size=1, max_size=60),
    threads=st.integers(2, 6),
    is_pcapng=st.booleans(),
)
def test_threads_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, picks: list[int], threads: int, is_pcapng: bool
) -> None:
    """Fragments, tunnels and handshakes survive a split between any two packets."""
    frames = [SEEDS[1][pick] for pick in picks]
    content = pcap(frames)
    if is_pcapng:
        content = build.section() + build.interface()
        content += b"".join(build.enhanced(frame) for frame in frames)
    path = tmp_path_factory.mktemp("split") / "x.pcap"
    path.write_bytes(content)
    assert threaded([path, path], threads) == threaded([path, path], 1)


def small_fragments(content: bytes, protocol: int, identification: int) -> list[bytes]:
    """Frames of 16 bytes each of what is behind an IP header."""
    return [
        ethernet(
            ipv4(
                content[start : start + 16],
                protocol,
                identification=identification,
                more=start + 16 < len(content),
                offset=start,
            )
        )
        for start in range(0, len(content), 16)
    ]


def no_ends(_one: bytes, _other: bytes) -> bool:
    """No tunnel is opened."""
    return False


INSIDE = vxlan(ethernet(ipv4(tcp(1, 2, 2), 6)), 4789)
IN_FRAGMENTS = [
    *small_fragments(tcp(7, 80, 2, payload=bytes(20)), 6, 1),
    *small_fragments(INSIDE, 17, 2),
    *small_fragments(INSIDE[:-1] + b"x", 17, 2),
    ethernet(ipv4(udp(7, 8), 17)),
]


@pytest.mark.usefixtures("small_pieces")
@given(
    picks=st.lists(st.integers(0, len(IN_FRAGMENTS) - 1), min_size=1, max_size=40),
    threads=st.integers(2, 6),
)
def test_threads_change_nothing_of_fragments(
    tmp_path_factory: pytest.TempPathFactory, picks: list[int], threads: int
) -> None:
    """In any order, of tunnels that are left closed too, wherever a file is split (S25)."""
    path = tmp_path_factory.mktemp("split") / "x.pcap"
    path.write_bytes(pcap([IN_FRAGMENTS[pick] for pick in picks]))
    many = threaded([path], threads, no_ends)
    assert many == threaded([path], 1, no_ends)


@settings(max_examples=30)
@given(
    picks=st.lists(st.integers(0, len(SEEDS[1]) - 1), min_size=1, max_size=60),
    room=st.integers(64, 900),
    end=st.integers(0, 400),
    names=st.booleans(),
    is_pcapng=st.booleans(),
)
def test_file_reads_like_any_stream(
    tmp_path_factory: pytest.TempPathFactory,
    picks: list[int],
    room: int,
    end: int,
    names: bool,
    is_pcapng: bool,
) -> None:
    """The compiled path reads on in a file by itself, wherever blocks and the file end."""
    frames = [SEEDS[1][pick] for pick in picks] * 20
    content = build.section() + build.interface() if is_pcapng else pcap(frames)
    if is_pcapng:
        content += b"".join(build.enhanced(frame) for frame in frames)
    content = content[: max(100, len(content) - end)]
    path = tmp_path_factory.mktemp("file") / "x"
    path.write_bytes(content)
    options = ReadOptions(collect_names=names)
    with patch.object(records.Window.__init__, "__defaults__", (room,)), path.open("rb") as file:
        read = read_module.read_capture(file, "x", options)
    piped = read_module.read_capture(io.BytesIO(content), "x", options)
    assert list(read.rows()) == list(piped.rows())
    assert (read.counts, read.payloads) == (piped.counts, piped.payloads)


@pytest.mark.usefixtures("small_pieces")
def test_payload_that_looks_like_records_fools_nobody(tmp_path: Path) -> None:
    """A capture inside a packet is a tempting place to split at, and the wrong one."""
    inside = pcap([ethernet(ipv4(udp(port, 99), 17)) for port in range(1, 400)])[24:]
    frames = [ethernet(ipv4(udp(7, 8, inside), 17))] * 3
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(frames))
    (row,), counts, _ = threaded([path], 4)
    assert (row.sides[0].packets, counts.packets) == (3, 3)


@pytest.mark.usefixtures("small_pieces")
def test_boundaries_are_found(tmp_path: Path) -> None:
    """A plain capture is really split: threads would be useless otherwise."""
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([ethernet(ipv4(udp(port, 53), 17)) for port in range(1, 1000)]))
    with path.open("rb") as stream:
        file = ranged_file(stream)
        assert file is not None
        capture = open_capture(stream, "x")
        found = chunk_boundaries.boundaries(capture, file, 4)
    assert len(found) == 3
    assert all((offset - 24) % 58 == 0 for offset in found)


@pytest.mark.usefixtures("small_pieces")
def test_interface_described_between_packets(tmp_path: Path) -> None:
    """A thread that did not see an interface's description is not believed."""
    frame = build.enhanced(SEEDS[1][0])
    late = build.enhanced(SEEDS[build.RAW][0], index=1)
    content = build.section() + build.interface() + frame * 40
    content += build.interface(build.RAW) + (frame + late) * 40
    path = tmp_path / "x.pcapng"
    path.write_bytes(content)
    found = threaded([path], 4)
    assert found[1].packets == 120
    assert found == threaded([path], 1)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("threads", [1, 4])
def test_bound_on_connections_holds_in_threads(tmp_path: Path, threads: int) -> None:
    """The same error, however many threads share the work."""
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([ethernet(ipv4(udp(port, 53), 17)) for port in range(1, 1000)]))
    with path.open("rb") as stream, pytest.raises(CaptureError, match="more than 998 connections"):
        read_parts([("x", stream)], "x", ReadOptions(threads=threads, max_connections=998))
    with path.open("rb") as stream:
        options = ReadOptions(threads=threads, max_connections=999)
        assert len(read_parts([("x", stream)], "x", options)) == 999


def test_common_frames_are_not_declined() -> None:
    """What captures mostly consist of stays on the compiled path."""
    frames = [SEEDS[1][index] for index in (*range(9), 14, 17, *range(18, 22))] * 10
    counts = read_module.read_capture(io.BytesIO(pcap(frames)), "x").counts
    assert counts.declined == 0


def test_what_may_be_wireguard_is_declined() -> None:
    """S25: the reference says that it is encrypted."""
    frames = [SEEDS[1][index] for index in (22, 23)]
    counts = read_module.read_capture(io.BytesIO(pcap(frames)), "x").counts
    assert (counts.declined, counts.skipped) == (2, {"encrypted tunnel": 2})


@pytest.mark.parametrize("block", [64, records.BLOCK_SIZE])
def test_last_record_that_ends_with_zeros_is_not_declined(block: int) -> None:
    """What follows a record tells its zeros from damage; at the end of the file, nothing does."""
    frame = ethernet(ipv4(tcp(1000, 80, payload=b"x" + bytes(40))))
    counts = read_module.read_capture(io.BytesIO(pcap([frame] * 3)), "x").counts
    assert (counts.packets, counts.declined, counts.damage) == (3, 0, ())
    assert_same(pcap([frame] * 3), block)
    assert_same(pcap([frame] * 3) + bytes(7), block)


def in_tunnel(number: int, inner: bytes) -> bytes:
    """A frame whose VXLAN tunnel no other number has."""
    vxlan = b"\x08\0\0\0\0\0\1\0" + ethernet(inner)
    return ethernet(ipv4(udp(7, 4789, vxlan), 17, source=f"10.9.0.{number}"))


def test_paths_of_broken_packets_take_no_more_room_than_connections() -> None:
    """Who makes up tunnels with nothing in them cannot fill the memory with their addresses."""
    broken = [in_tunnel(number, b"\x45") for number in range(1, 100)]
    options = ReadOptions(max_connections=5)
    table = read_module.read_capture(io.BytesIO(pcap(broken)), "x", options)
    assert len(table) == 0
    assert table.counts.skipped == {"malformed IPv4": 99}
    assert len(table.table.paths) == 1 + 5
    whole = [in_tunnel(number, ipv4(udp(1, 2), 17)) for number in range(1, 7)]
    with pytest.raises(CaptureError, match="more than 5 connections"):
        read_module.read_capture(io.BytesIO(pcap(broken + whole)), "x", options)


def test_table_refuses_what_it_cannot_check() -> None:
    """The compiled code is given addresses and positions by Python, and checks them too."""
    from otterize_pcap.table._fastpath import FastTable  # noqa: PLC0415 - perhaps not built

    table = new_table(ReadOptions(), bytes(56))
    assert isinstance(table, FastTable)
    header = PcapHeader("<", 1000, 16, 1, (2, 4))
    with pytest.raises(ValueError, match="not within the buffer"):
        table.walk_pcap(bytearray(10), 0, 11, 11, header, 0, 0)
    with pytest.raises(ValueError, match="addresses are 16 bytes"):
        table.add(Packet(6, b"four", b"four", 1, 2, 40), 0, 1, 0)
    with pytest.raises(ValueError, match="the secret is 56 bytes"):
        new_table(ReadOptions(), b"short")


def test_files_of_one_recording_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows say in 20 bits which file they are of."""
    monkeypatch.setattr(read_module, "MOST_PARTS", 2)
    parts = [(str(number), io.BytesIO(pcap([]))) for number in range(3)]
    assert len(read_parts(parts[:2], "x").files) == 2
    with pytest.raises(CaptureError, match="more than 2 files are one recording"):
        read_parts(parts, "x")
