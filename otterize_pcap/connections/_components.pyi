from collections.abc import Callable, Collection, Iterator, Sequence

from otterize_pcap.connections.counted_groups import CountedGroup
from otterize_pcap.connections.facts import SnapshotFacts
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.connections.pieces import ToldSighting
from otterize_pcap.connections.port_ranges import Ranges
from otterize_pcap.connections.shapes import Limits
from otterize_pcap.connections.verdicts import Judged
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.table._fastpath import FastTable
from otterize_pcap.table.rows import Endpoint, Row

class FoundGroups:
    def all_groups(self) -> list[CountedGroup]: ...

class Components:
    groups: FoundGroups
    left_out_packets: int
    def __init__(
        self,
        tables: list[FastTable],
        believed: Callable[[tuple[Tunnel, ...]], bool],
        limits: Limits,
        threads: int = 1,
    ) -> None: ...
    def add_table(self, table: FastTable) -> None: ...
    def path(self, table: int, number: int) -> tuple[Tunnel, ...]: ...
    def is_crowded(self, protocol: int, isn: int) -> bool: ...
    def shows(self, protocol: int, one: Endpoint, other: Endpoint) -> bool: ...
    def clock_differences(self, nodes: list[int]) -> dict[tuple[int, int], int]: ...
    def join(
        self,
        offsets: list[int],
        began: list[int | None],
        ranks: list[list[int]],
        sightings: list[ToldSighting],
        snapshot: SnapshotFacts,
        secret: bytes,
        ranges: Ranges,
        borders: Sequence[bytes] | None = None,
        within: tuple[int, int] | None = None,
    ) -> None: ...
    def count(self, judge: Callable[[bytes], Sequence[Judged]], list_them: bool) -> None: ...
    def shapes(self) -> int: ...
    def odd_rows(self, table: int) -> Iterator[Row]: ...
    def has_odd_rows(self) -> bool: ...
    def facts(self, protocol: int, endpoint: Endpoint) -> tuple[int, int]: ...
    def began_ns(self, protocol: int, one: Endpoint, other: Endpoint) -> int: ...
    def stands(self) -> list[tuple[int, int, int]]: ...
    def side(self, number: int) -> tuple[tuple[bytes, ...], int, tuple[Endpoint, ...], bool]: ...
    def connections(
        self, wanted: bytes, addresses: Collection[bytes]
    ) -> Iterator[
        tuple[
            int,
            tuple[Endpoint, ...],
            tuple[Endpoint, ...],
            int,
            int,
            tuple[tuple[int, int], tuple[int, int]],
            tuple[int, int],
            tuple[int, int],
            int,
            list[tuple[int, Row, int, int]],
        ]
    ]: ...
    def listing(
        self, kinds: list[tuple[int, str, str]], files: list[str]
    ) -> Iterator[ListedConnection]: ...
