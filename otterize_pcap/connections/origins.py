"""Where each address sent from: which interface of which node, by which MAC address, and when.

It changes where an address changes hands (S12), and no packet between shows that. Frames in
tunnels say nothing of the inner address, nor do those that a node sent on.
"""

from collections.abc import Container, Iterable, Sequence
from functools import partial

from msgspec import Struct

from otterize_pcap.connections.legs import Recording
from otterize_pcap.packets.link_layer import CAME_IN, OUTGOING
from otterize_pcap.table.chunk import FAST_PATH
from otterize_pcap.table.rows import Row

if FAST_PATH:
    from otterize_pcap.connections._origins import origins_in_table
    from otterize_pcap.table._fastpath import FastTable

ENOUGH_FOR_THREADS = 1 << 16
"""Rows from which on a thread looks at them sooner than it begins."""
_WAY_BITS = 48


class Origin(Struct, frozen=True):
    """One way on which an address's packets came, and between which times, in ns.

    `interface` is `Row.interface`, `station` as `link_layer.station_of` has it.
    """

    address: bytes
    interface: int
    station: int
    first_ns: int
    last_ns: int

    @property
    def came_in(self) -> bool:
        """Whether the frames came in where they were recorded; else nothing says which way."""
        return self.station >> _WAY_BITS == CAME_IN


def origins_of(recording: Recording, addresses: Container[bytes]) -> list[Origin]:
    """Where some addresses sent from in one recording, in order; times are the node's own."""
    if FAST_PATH and isinstance(recording.table, FastTable):
        # Tuples are compared ten times as fast.
        return [Origin(*found) for found in sorted(origins_in_table(recording.table, addresses))]
    return origins_in_rows(recording.rows, addresses)


def origins_in_each(
    recordings: Sequence[Recording], addresses: Container[bytes], threads: int
) -> list[list[Origin]]:
    """`origins_of` each recording, by so many threads where that is faster."""
    rows = sum(len(each.table) for each in recordings if each.table is not None)
    if threads < 2 or rows < ENOUGH_FOR_THREADS:
        return [origins_of(each, addresses) for each in recordings]
    # With logging that it brings along, this takes 5 ms.
    from otterize_pcap.crew import Crew  # noqa: PLC0415

    with Crew(threads) as crew:
        return crew.map(partial(origins_of, addresses=addresses), recordings)


def origins_in_rows(rows: Iterable[Row], addresses: Container[bytes]) -> list[Origin]:
    """The same of rows."""
    times: dict[tuple[bytes, int, int], tuple[int, int]] = {}
    for row in rows:
        if row.tunnels:
            continue
        for side, (address, _) in zip(row.sides, (row.low, row.high), strict=True):
            if side.first_ns is None or side.last_ns is None or address not in addresses:
                continue
            if side.station and side.station >> _WAY_BITS != OUTGOING:
                key = address, row.interface, side.station
                first_ns, last_ns = times.get(key, (side.first_ns, side.last_ns))
                times[key] = min(first_ns, side.first_ns), max(last_ns, side.last_ns)
    return [Origin(*key, *found) for key, found in sorted(times.items())]
