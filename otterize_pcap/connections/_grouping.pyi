from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from otterize_pcap.table._fastpath import FastTable
from otterize_pcap.table.rows import Row

Endpoint: TypeAlias = tuple[bytes, int]
Pair: TypeAlias = tuple[int, int]
Group: TypeAlias = tuple[
    int,
    int,
    str,
    str,
    tuple[bytes, ...],
    tuple[Endpoint, ...],
    int,
    Pair,
    Pair,
    int,
    int,
    int,
    int,
    int,
]

class SteadyAnswers(Protocol):
    def could_be_service(self, address: bytes) -> bool: ...
    def served_ports(self, protocol: int, address: bytes) -> frozenset[int] | None: ...
    def backends(self, protocol: int, endpoint: Endpoint) -> tuple[bool, frozenset[Endpoint]]: ...

class PlainConnections:
    def __init__(
        self, tables: list[FastTable], nodes: list[int], files: list[list[int]]
    ) -> None: ...
    def alone_rows(self, table: int) -> Iterator[Row]: ...
    def crowded_rows(self, table: int) -> Iterator[Row]: ...
    def clock_differences(self) -> dict[tuple[int, int], list[int]]: ...
    def group(
        self,
        offsets: Sequence[int],
        began: Sequence[int | None],
        translations: Iterable[tuple[int, Endpoint, Endpoint, Endpoint, Endpoint]],
        originals: Iterable[tuple[int, Endpoint, Endpoint]],
        assured: Iterable[tuple[int, Endpoint, Endpoint]],
        answers: SteadyAnswers,
    ) -> None: ...
    def grouped(self) -> Iterator[Group]: ...
    def left_rows(self, table: int, groups: set[int]) -> Iterator[Row]: ...
    def shows(self, protocol: int, one: Endpoint, other: Endpoint) -> bool: ...
    def servers(self, endpoints: Iterable[tuple[int, Endpoint]]) -> set[tuple[int, Endpoint]]: ...
    def peers(
        self, endpoints: Iterable[tuple[int, Endpoint]]
    ) -> dict[tuple[int, Endpoint], int]: ...
