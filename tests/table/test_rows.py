"""The connection table: what a row is, and that tables of neighbouring parts concatenate."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.connections.shapes import LIMITS
from otterize_pcap.errors import CaptureError
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.protocols import ACK, FIN, RST, SYN
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions, Table, new_table
from otterize_pcap.table.rows import MOST_COUNTED, ConnectionTable

SECOND = 1_000_000_000
ADDRESSES = [bytes(10) + b"\xff\xff\x0a\0\0" + bytes([last]) for last in (1, 2, 3)]
TUNNELS = [(), (Tunnel("vxlan", ADDRESSES[0], ADDRESSES[2]),)]
TABLES = [
    pytest.param(False, id="reference"),
    pytest.param(
        True,
        id="compiled",
        marks=pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built"),
    ),
]


def packet(source: int = 0, flags: int = ACK, seq: int = 1, ack: int = 1) -> Packet:
    """A TCP packet between the first two addresses, port 1000 to 80 or back."""
    ports = (1000, 80) if source == 0 else (80, 1000)
    return Packet(6, ADDRESSES[source], ADDRESSES[1 - source], *ports, 60, flags, seq, ack)


def empty(fast: bool, max_rows: int = 1000) -> Table:
    """An empty table of either kind, with a fixed secret."""
    return new_table(ReadOptions(fast=fast, max_connections=max_rows), bytes(range(56)))


packets = st.builds(
    Packet,
    protocol=st.sampled_from([6, 17, 132]),
    source=st.sampled_from(ADDRESSES[:2]),
    destination=st.sampled_from(ADDRESSES[:2]),
    source_port=st.sampled_from([80, 1000]),
    destination_port=st.sampled_from([80, 1000]),
    length=st.integers(20, 2000),
    flags=st.sampled_from([SYN, SYN | ACK, ACK, RST, SYN | RST, FIN | ACK, RST | ACK, 0x1C2]),
    seq=st.sampled_from([0, 1, 7, 0xFFFFFFFF]),
    ack=st.sampled_from([0, 1, 2, 8, 0xFFFFFFFF]),
    timestamp=st.one_of(st.none(), st.integers(0, 3)),
    hint=st.sampled_from([0, 0, 1, 2]),
    tunnels=st.sampled_from(TUNNELS),
    unreachable=st.sampled_from([False, False, False, True]),
    fragment=st.sampled_from([False, False, False, True]),
    station=st.sampled_from([0, 1 << 48, 3 << 48 | 7, 3 << 48 | 8]),
)
recordings = st.lists(
    st.tuples(packets, st.integers(0, 100).map(lambda tenth: tenth * SECOND), st.integers(0, 1)),
    max_size=30,
)


def fill(table: Table, recording: list[tuple[Packet, int, int]], first: int = 1) -> Table:
    """Add packets, numbered from `first`."""
    for number, (each, time_ns, interface) in enumerate(recording, first):
        table.add(each, time_ns, number, interface)
    return table


@pytest.mark.parametrize("fast", TABLES)
@given(recording=recordings, cuts=st.lists(st.integers(0, 30), max_size=3))
def test_tables_of_parts_concatenate(
    fast: bool, recording: list[tuple[Packet, int, int]], cuts: list[int]
) -> None:
    """However a file is cut, its parts' tables make the table of the whole."""
    whole = list(fill(empty(fast=False), recording).rows())
    joined = empty(fast)
    bounds = [0, *sorted(min(cut, len(recording)) for cut in cuts), len(recording)]
    for begin, end in pairwise(bounds):
        part = fill(empty(fast), recording[begin:end])
        part.shift_numbers(begin)
        joined.concat(part)
    assert list(joined.rows()) == whole
    assert len(joined) == len(whole)


@pytest.mark.parametrize("fast", TABLES)
@given(recording=recordings)
def test_both_tables_keep_the_same_rows(
    fast: bool, recording: list[tuple[Packet, int, int]]
) -> None:
    """The compiled table is the reference's, field by field."""
    assert list(fill(empty(fast), recording).rows()) == list(
        fill(ConnectionTable(), recording).rows()
    )


@pytest.mark.parametrize("fast", TABLES)
def test_new_initial_sequence_number_is_a_new_row(fast: bool) -> None:
    """S20: a port used again is another connection, a repeated SYN is not."""
    table = empty(fast)
    fill(
        table,
        [
            (packet(flags=SYN, seq=10), 0, 0),
            (packet(flags=SYN, seq=10), SECOND, 0),
            (packet(source=1, flags=SYN | ACK, seq=50, ack=11), SECOND, 0),
            (packet(flags=SYN, seq=99), 90 * SECOND, 0),
        ],
    )
    first, second = table.rows()
    assert (first.client_isn, first.server_isn, first.sides[0].syns) == (10, 50, 2)
    assert (second.client_isn, second.server_isn, second.number) == (99, None, 4)


@pytest.mark.parametrize("fast", TABLES)
def test_without_handshake_each_slot_is_a_row(fast: bool) -> None:
    """What has no SYN is cut by absolute time, so that no row depends on what was before it."""
    table = fill(empty(fast), [(packet(), second * SECOND, 0) for second in (0, 29, 30, 61)])
    assert [(row.slot, row.sides[0].packets) for row in table.rows()] == [(0, 2), (1, 1), (2, 1)]


@pytest.mark.parametrize("fast", TABLES)
def test_interfaces_and_tunnel_paths_are_told_apart(fast: bool) -> None:
    """The same segment seen twice, on two interfaces, makes two rows and not one of double size."""
    table = fill(empty(fast), [(packet(), 0, 7), (packet(), 0, 1 << 32 | 7)])
    assert [row.interface for row in table.rows()] == [7, 1 << 32 | 7]


@pytest.mark.parametrize("fast", TABLES)
def test_thousands_of_stations_are_told_apart(fast: bool) -> None:
    """S12: each row keeps the MAC address that its sender had, however many there are."""
    stations = [3 << 48 | number for number in range(5_000)]
    seen = [
        (replace(packet(), station=station), 0, number) for number, station in enumerate(stations)
    ]
    table = fill(empty(fast, 10_000), seen)
    assert [row.sides[row.first_sender].station for row in table.rows()] == stations
    assert list(table.rows()) == list(fill(ConnectionTable(10_000), seen).rows())


@pytest.mark.parametrize("fast", TABLES)
def test_unreachable_counts_no_packet(fast: bool) -> None:
    """S40: an ICMP error says something about a connection, but is none of its packets."""
    quoted = Packet(17, ADDRESSES[0], ADDRESSES[1], 1000, 53, 60, unreachable=True)
    (row,) = fill(empty(fast), [(quoted, 0, 0)]).rows()
    assert (row.sides[0].unreachable, row.sides[0].packets, row.sides[0].bytes) == (1, 0, 0)


@pytest.mark.parametrize("fast", TABLES)
def test_each_side_keeps_the_time_in_which_it_sent(fast: bool) -> None:
    """S12: an address has to be its owner's only while it sends, in whatever order packets come."""
    seconds = [(0, 7), (1, 5), (0, 3), (1, 9), (0, 4)]
    (row,) = fill(
        empty(fast), [(packet(source), second * SECOND, 0) for source, second in seconds]
    ).rows()
    assert [(side.first_ns, side.last_ns) for side in row.sides] == [
        (3 * SECOND, 7 * SECOND),
        (5 * SECOND, 9 * SECOND),
    ]
    assert (row.first_ns, row.last_ns) == (3 * SECOND, 9 * SECOND)


@pytest.mark.parametrize("fast", TABLES)
def test_a_quoted_packet_is_no_sending(fast: bool) -> None:
    """S12: an ICMP error widens the row's time, never that in which the quoted side sent."""
    quoted = Packet(6, ADDRESSES[0], ADDRESSES[1], 1000, 80, 60, ACK, unreachable=True)
    table = empty(fast)
    fill(table, [(quoted, SECOND, 0), (packet(1), 2 * SECOND, 0), (quoted, 3 * SECOND, 0)])
    (row,) = table.rows()
    assert (row.first_ns, row.last_ns) == (SECOND, 3 * SECOND)
    assert [(side.first_ns, side.last_ns) for side in row.sides] == [
        (None, None),
        (2 * SECOND, 2 * SECOND),
    ]


@pytest.mark.parametrize("fast", TABLES)
def test_a_reset_is_no_sending(fast: bool) -> None:
    """S12: whoever has an address now resets what was meant for one who had it before."""
    reset = packet(1, flags=RST)
    (row,) = fill(
        empty(fast),
        [(packet(0), SECOND, 0), (reset, 2 * SECOND, 0), (packet(0), 3 * SECOND, 0)],
    ).rows()
    assert [(side.first_ns, side.last_ns) for side in row.sides] == [
        (SECOND, 3 * SECOND),
        (None, None),
    ]
    assert (row.last_ns, row.sides[1].packets) == (3 * SECOND, 1)


@pytest.mark.parametrize("fast", TABLES)
def test_table_is_bounded(fast: bool) -> None:
    """Beyond --max-connections there is an error, and nothing is dropped silently."""
    table = empty(fast, max_rows=3)
    recording = [(packet(flags=SYN, seq=seq), 0, 0) for seq in range(3)]
    fill(table, recording)
    with pytest.raises(CaptureError, match="more than 3 connections; raise --max-connections"):
        fill(table, [(packet(flags=SYN, seq=9), 0, 0)])


@pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")
def test_table_that_was_joined_is_empty_and_can_be_filled_again() -> None:
    """Rows move from one table to the other; nothing is held twice, and nothing dangles."""
    first, second = empty(fast=True, max_rows=20_000), empty(fast=True, max_rows=20_000)
    for port in range(9000):
        second.add(Packet(17, ADDRESSES[0], ADDRESSES[1], port, 53, 60), 0, 1, 0)
    first.concat(second)
    assert (len(first), len(second), list(second.rows())) == (9000, 0, [])
    fill(second, [(packet(), 0, 0)] * 2)
    assert [row.sides[0].packets for row in second.rows()] == [2]
    with pytest.raises(ValueError, match="a table cannot follow itself"):
        first.concat(first)


@pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")
def test_table_that_is_joined_with_others_is_closed() -> None:
    """What finds a row is given back with the last packet; nothing can be added by it then."""
    from otterize_pcap.connections._components import Components  # noqa: PLC0415 - perhaps not built
    from otterize_pcap.table._fastpath import FastTable  # noqa: PLC0415

    table, other = fill(empty(fast=True), [(packet(), 0, 0)]), empty(fast=True)
    assert isinstance(table, FastTable)
    assert isinstance(other, FastTable)
    Components([table], lambda _: True, LIMITS)
    (row,) = table.rows()
    for add in (
        lambda: fill(table, [(packet(), 0, 0)]),
        lambda: table.append_row(row),
        lambda: table.concat(other),
        lambda: other.concat(table),
    ):
        with pytest.raises(ValueError, match="this table was closed"):
            add()
    assert list(table.rows()) == [row]


@pytest.mark.parametrize("fast", TABLES)
def test_syns_are_counted_as_far_as_they_can_be(fast: bool) -> None:
    """More SYNs of one connection than a row counts are as many as it counts."""
    half = [(packet(flags=SYN), 0, 0)] * 40_000
    answers = [(packet(1, SYN | ACK, ack=2), 0, 0)] * 33_000
    tables = [fill(empty(fast), [*half, *answers]) for _ in range(2)]
    tables[0].concat(tables[1])
    (row,) = tables[0].rows()
    assert (row.sides[0].syns, row.sides[1].syn_acks) == (MOST_COUNTED, MOST_COUNTED)
    assert (row.sides[0].packets, row.sides[1].packets) == (80_000, 66_000)


@pytest.mark.parametrize("fast", TABLES)
def test_many_keys_are_all_found_again(fast: bool) -> None:
    """The index grows many times over without losing a row."""
    table = empty(fast, max_rows=10_000)
    for _ in range(2):
        for port in range(5000):
            table.add(Packet(17, ADDRESSES[0], ADDRESSES[1], port, 53, 60), 0, 1, 0)
    assert len(table) == 5000
    assert all(row.sides[0].packets == 2 for row in table.rows())
