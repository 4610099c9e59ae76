"""Cut and zeroed captures: damage is always reported, and makes no time and no connection."""

import io
import struct
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.records.containers import open_capture
from otterize_pcap.table.capture_counts import CaptureCounts
from otterize_pcap.table.file_times import ERA_BITS, FileTimes
from otterize_pcap.table.read import CaptureTable, ReadOptions
from tests.capture_bytes import (
    START,
    block,
    enhanced,
    ethernet,
    interface,
    ipv4,
    option,
    pcap,
    read,
    section,
    tcp,
    udp,
)
from tests.conftest import FIXTURES
from tests.strategies import laws

RECORDED = (
    "services/pcap/node-a.pcap",
    "pod-tunnels/pcap/node-a.pcap",
    "udp-push/pcap/node-a.pcap",
    "outcomes/pcap/node-b.pcap",
)
MODES = (ReadOptions(fast=False), ReadOptions())
EVERY_MODE = pytest.mark.parametrize("options", MODES, ids=["reference", "default"])
FRAME = ethernet(ipv4(tcp(1000, 80)))
OTHER = ethernet(ipv4(udp(1000, 53, b"query"), 17))
FAR = 1 << (ERA_BITS + 2)


@cache
def recorded(name: str, is_pcapng: bool) -> bytes:
    """A fixture's recording, as it is or as dumpcap would have written it."""
    path = FIXTURES / name
    content = path.read_bytes()
    if not is_pcapng:
        return content
    reader = open_capture(io.BytesIO(content), name).reader
    (link_type,) = struct.unpack_from("<I", content, 20)
    blocks = [section(), interface(link_type), block(4, b"\x00\x01names of hosts")]
    while (record := reader.next()) is not None:
        units = record.time_ns // 1000
        blocks.append(enhanced(record.data, units, original=record.original_length))
    statistics = struct.pack("<III", 0, 0, 0) + option(5, struct.pack("<Q", 0)) + bytes(4)
    return b"".join([*blocks, block(5, statistics), block(0x0BAD, b"custom block")])


@cache
def whole_places(name: str, is_pcapng: bool) -> frozenset[int]:
    """Where a file can be cut without anything missing from it: between records, or blocks."""
    content = recorded(name, is_pcapng)
    found, at = set(), 0 if is_pcapng else 24
    while at < len(content):
        found.add(at)
        (length,) = struct.unpack_from("<I", content, at + (4 if is_pcapng else 8))
        at += length if is_pcapng else 16 + length
    return frozenset(found | {len(content)})


def is_reported(counts: CaptureCounts) -> bool:
    """Whether a reader of the counts learns that a file is not whole."""
    return bool(
        counts.truncated
        or counts.damage
        or any(reason.startswith("malformed") for reason in counts.skipped)
    )


def seen(table: CaptureTable) -> set[tuple[object, ...]]:
    """The 5-tuples of a table, each in its tunnels."""
    return {(row.protocol, row.tunnels, row.low, row.high) for row in table.rows()}


@cache
def intact(name: str, is_pcapng: bool) -> CaptureTable:
    """What the undamaged file holds."""
    return read(recorded(name, is_pcapng))


def same_counts(one: CaptureCounts, other: CaptureCounts) -> bool:
    """Whether both readers counted the same, `declined` and `closed` aside."""
    names = ("packets", "bytes", "first_ns", "last_ns", "skipped", "truncated", "damage", "dropped")
    return all(getattr(one, name) == getattr(other, name) for name in names)


@laws
@given(st.sampled_from(RECORDED), st.booleans(), st.data())
def test_cut_anywhere_is_reported(name: str, is_pcapng: bool, data: st.DataObject) -> None:
    """Whatever byte a recording is cut at, unless nothing is missing of what is there."""
    content = recorded(name, is_pcapng)
    size = data.draw(st.integers(29, len(content) - 1))
    reference, default = (read(content[:size], options) for options in MODES)
    assert same_counts(reference.counts, default.counts)
    assert list(reference.rows()) == list(default.rows())
    cut = size not in whole_places(name, is_pcapng)
    assert bool(default.counts.truncated) == cut
    assert not default.counts.damage
    assert seen(default) <= seen(intact(name, is_pcapng))


@EVERY_MODE
def test_every_cut_of_a_small_pcapng_is_reported(options: ReadOptions) -> None:
    """In packets, in blocks that are passed over, in the head or the last length of any."""
    content = (
        section()
        + interface()
        + enhanced(FRAME)
        + block(10, bytes(range(40)))
        + section(">")
        + interface(order=">")
        + enhanced(OTHER, order=">")
        + block(0x0BAD, b"custom", ">")
    )
    packets = (len(section() + interface() + enhanced(FRAME)), len(content) - 20)
    blocks, at, order = [], 0, "<"
    while at < len(content):
        if content[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if content[at + 8] == 0x4D else ">"
        at += struct.unpack_from(f"{order}I", content, at + 4)[0]
        blocks.append(at)
    for size in range(4, len(content) + 1):
        begin = max((end for end in blocks if end <= size), default=0)
        counts = read(content[:size], options).counts
        assert counts.truncated == size - begin
        assert counts.packets == sum(size >= end for end in packets)


@laws
@given(st.sampled_from(RECORDED), st.booleans(), st.data())
def test_zeros_in_the_place_of_any_tail(name: str, is_pcapng: bool, data: st.DataObject) -> None:
    """What a crash did not write is reported, moves no time and makes no connection.

    Only zeros within the last packet's payload cannot be told from a payload of zeros.
    """
    content = recorded(name, is_pcapng)
    size = data.draw(st.integers(29, len(content) - 1))
    zeroed = content[:size] + bytes(len(content) - size)
    reference, default = (read(zeroed, options) for options in MODES)
    assert same_counts(reference.counts, default.counts)
    assert list(reference.rows()) == list(default.rows())
    before, after = intact(name, is_pcapng), default
    last_record = sorted(whole_places(name, is_pcapng))[-2]
    if zeroed != content and size <= last_record:
        assert is_reported(after.counts)
    assert seen(after) <= seen(before)
    first, last = before.counts.first_ns, before.counts.last_ns
    assert first is not None
    assert last is not None
    for time_ns in (after.counts.first_ns, after.counts.last_ns):
        assert time_ns is None or first <= time_ns <= last


@laws
@given(st.sampled_from(RECORDED), st.integers(1, 5000))
def test_zeros_behind_a_file(name: str, count: int) -> None:
    """A file that a crash left longer than what was written holds what was written."""
    table = read(recorded(name, False) + bytes(count), ReadOptions())
    counts, before = table.counts, intact(name, False).counts
    assert is_reported(counts)
    assert (counts.packets, counts.skipped) == (before.packets, before.skipped)
    assert (counts.first_ns, counts.last_ns) == (before.first_ns, before.last_ns)


@EVERY_MODE
def test_record_of_zeros_is_named(options: ReadOptions) -> None:
    """The byte is that of the first record that was not written."""
    content = pcap([FRAME, OTHER])
    counts = read(content + bytes(4096), options).counts
    (damage,) = counts.damage
    assert counts.packets == 2
    assert damage == (
        "test.pcap: zeros in the place of packets, as a crash leaves them, "
        f"at byte {len(content)}; what comes after it was not read"
    )


@EVERY_MODE
def test_record_whose_data_were_not_written(options: ReadOptions) -> None:
    """A record header before zeros is no packet."""
    content = pcap([FRAME, OTHER])
    zeroed = content[: -len(OTHER)] + bytes(len(OTHER))
    for tail in (b"", bytes(3), bytes(100)):
        counts = read(zeroed + tail, options).counts
        assert counts.packets == 1
        assert "zeros in the place of packets" in counts.damage[0]


@EVERY_MODE
def test_block_that_ends_otherwise_than_it_begins(options: ReadOptions) -> None:
    """Blocks that are passed over say twice how long they are, and are believed when both agree."""
    broken = block(10, b"secrets!")[:-4] + bytes(4)
    content = section() + interface() + enhanced(FRAME)
    counts = read(content + broken + enhanced(OTHER), options).counts
    assert counts.packets == 1
    assert f"a block that says it has 20 bytes and then 0 at byte {len(content)}" in str(
        counts.damage
    )


@EVERY_MODE
@pytest.mark.parametrize("far_ns", [0, START - FAR, START + FAR, (1 << 63) - 1])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_times_far_from_all_others(options: ReadOptions, far_ns: int, place: int) -> None:
    """One record of another year, wherever it stands, moves neither begin nor end."""
    units = [START // 1000 + n for n in range(3)]
    units.insert(place, far_ns // 1000)
    content = section() + interface() + b"".join(enhanced(FRAME, unit) for unit in units)
    counts = read(content, options).counts
    assert (counts.packets, counts.first_ns, counts.last_ns) == (4, START, START + 2000)


@EVERY_MODE
def test_records_without_data_have_no_time(options: ReadOptions) -> None:
    """A record of no bytes is counted, and says nothing of when the recording was."""
    empty = struct.pack("<IIII", START // 1_000_000_000 + 60, 0, 0, 60)
    counts = read(pcap([FRAME]) + empty, options).counts
    assert (counts.packets, counts.first_ns, counts.last_ns) == (2, START, START)
    counts = read(section() + interface() + enhanced(b"", original=60) + enhanced(FRAME, 7)).counts
    assert (counts.packets, counts.first_ns, counts.last_ns) == (2, 7000, 7000)


@laws
@given(st.lists(st.integers(0, (1 << 63) - 1), min_size=1), st.data())
def test_order_of_times_does_not_matter(times: list[int], data: st.DataObject) -> None:
    """A recording's span is the same however it was cut for threads."""
    expected = FileTimes()
    for time_ns in times:
        expected.note(time_ns)
    joined = FileTimes()
    cut = data.draw(st.integers(0, len(times)))
    for part in (times[cut:], times[:cut]):
        piece = FileTimes()
        for time_ns in part:
            piece.note(time_ns)
        joined.append(piece)
    assert joined.span() == expected.span()
    assert expected.span() is not None


def test_recording_over_many_weeks_is_one() -> None:
    """Eras that follow one another are one time, however long."""
    times = FileTimes()
    step = 1 << (ERA_BITS - 1)
    for n in range(40):
        times.note(START + n * step)
    assert times.span() == (START, START + 39 * step)
