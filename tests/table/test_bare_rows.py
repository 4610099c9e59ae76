"""Rows of one packet take less than half of the room once all came; nothing else changes."""

from collections.abc import Iterator
from random import Random

import pytest

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.facts import NoSnapshot
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.connections.origins import origins_of
from otterize_pcap.packets.packet import Packet
from otterize_pcap.packets.protocols import ACK, FIN, RST, SCTP, SYN, TCP, UDP
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions, Table, new_table
from otterize_pcap.table.rows import Row
from otterize_pcap.table.table_columns import columns_of
from tests.table.test_rows import TUNNELS

if FAST_PATH:
    from otterize_pcap.table._arrays import packed_rows

CHUNK_ROWS = (1 << 21) // 192
"""As many rows of 192 bytes as a huge page of 2 MiB has."""
MS = 1_000_000
CHOICES: dict[str, tuple[object, ...]] = {
    "protocol": (TCP, TCP, TCP, UDP, SCTP),
    "flags": (SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK, SYN | RST, 0x1C2),
    "length": (20, 1500, 262144),
    "timestamp": (None, 0, 7, 0xFFFFFFFF),
    "hint": (0, 1, 2),
    "tunnels": (*TUNNELS, ()),
    "unreachable": (False, False, False, False, False, True),
    "fragment": (False, False, False, False, False, True),
    "station": (0, 1 << 48, 3 << 48 | 7),
}
needs_compiled = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")


def flood(count: int, answered: float) -> Iterator[Packet]:
    """Packets of as many clients, that share of them with an answer."""
    random = Random(count)
    server = bytes(10) + b"\xff\xff\x0a\x01\x01\x02"
    for _ in range(count):
        client = bytes(10) + b"\xff\xff" + random.randbytes(4)
        fields = {name: random.choice(values) for name, values in CHOICES.items()}
        ends = [(client, random.randrange(1, 65536)), (server, random.choice((53, 80)))]
        ways: tuple[int, ...] = (random.choice((1, -1)),)
        if random.random() < answered:
            ways, fields["flags"], fields["unreachable"] = (1, -1), ACK, False
        for way in ways:
            (source, from_port), (target, to_port) = ends[::way]
            numbers = {"seq": random.getrandbits(32), "ack": random.getrandbits(32)}
            yield Packet(
                source=source, destination=target, source_port=from_port, destination_port=to_port,
                **numbers, **fields,  # type: ignore[arg-type] # of each field what it takes
            )  # fmt: skip


def filled(*, fast: bool, count: int, answered: float) -> Table:
    """A table of such packets, one in a millisecond."""
    table = new_table(ReadOptions(fast=fast), bytes(range(56)))
    for number, packet in enumerate(flood(count, answered), 1):
        interface = (packet.source_port + packet.destination_port) % 2
        table.add(packet, number * MS, number, interface, number % 3)
    return table


def recorded(table: Table) -> Recording:
    """What one node recorded."""
    return Recording(("a.pcap", "b.pcap", "c.pcap"), "a", TableRows(table), 0, table)


def joined(recording: Recording) -> GroupedConnections:
    """All connections of it, of which the index took the rows."""
    return GroupedConnections([recording], NoSnapshot(), listed=True)


@needs_compiled
@pytest.mark.parametrize(
    ("answered", "packed"), [(0.0, 1), (0.02, 1), (0.5, 0), (1.0, 0)], ids=lambda value: f"{value}"
)
def test_packed_rows_are_as_they_were(answered: float, packed: int) -> None:
    """Whoever asks for rows, columns or origins is told the same before and after."""
    table = filled(fast=True, count=CHUNK_ROWS + 700, answered=answered)
    recording = recorded(table)
    addresses = {row.low[0] for row in table.rows()}

    def told() -> tuple[list[Row], object, object]:
        columns = columns_of(table)
        values = {name: bytes(column) for name, column in columns.values.items()}
        return list(table.rows()), values, origins_of(recording, addresses)

    before = told()
    joined(recording)
    assert packed_rows(table) == packed * CHUNK_ROWS  # type: ignore[arg-type] # it is compiled
    assert told() == before


@needs_compiled
def test_connections_of_packed_rows_are_those_of_the_reference() -> None:
    """Every connection, its legs and its times; some are odd, some of several rows."""
    tables = [filled(fast=fast, count=CHUNK_ROWS + 500, answered=0.02) for fast in (True, False)]
    fast, slow = (joined(recorded(table)) for table in tables)
    assert packed_rows(tables[0]) == CHUNK_ROWS  # type: ignore[arg-type]

    def told(found: GroupedConnections) -> list[tuple[object, ...]]:
        everything = [one for _, one in found.connections(range(len(found.groups)))]
        return sorted(_shown(one) for one in [*everything, *found.odd])

    assert told(fast) == told(slow)
    assert sorted(fast.listing(), key=str) == sorted(slow.listing(), key=str)


@needs_compiled
def test_packed_rows_are_indexed_again() -> None:
    """Who maps one capture twice, as the API allows, gets the same from rows that are packed."""
    recording = recorded(filled(fast=True, count=2 * CHUNK_ROWS + 500, answered=0.02))
    first, second = joined(recording), joined(recording)

    def told(found: GroupedConnections) -> list[tuple[object, ...]]:
        everything = [one for _, one in found.connections(range(len(found.groups)))]
        return sorted(_shown(one) for one in [*everything, *found.odd])

    assert told(second) == told(first)
    assert sorted(first.listing(), key=str) == sorted(second.listing(), key=str)


def _shown(one: Connection) -> tuple[object, ...]:
    """All of a connection but for whose table its legs are of."""
    legs = [(repr(leg.row), leg.first_ns, leg.last_ns) for leg in one.legs]
    rest = (one.rule.value, one.outcome, one.packets, one.bytes, one.syns)
    times = (one.client_sent, one.server_sent)
    return (one.first_ns, repr(legs), one.protocol, one.clients, one.servers, *rest, repr(times))


@needs_compiled
def test_a_table_that_gave_its_rows_takes_no_changes() -> None:
    """What is packed is not written to."""
    table = filled(fast=True, count=10, answered=0.0)
    joined(recorded(table))
    with pytest.raises(ValueError, match="closed"):
        table.shift_numbers(1)
    with pytest.raises(ValueError, match="closed"):
        table.disown(None)
