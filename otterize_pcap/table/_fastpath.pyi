from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.records.pcap import PcapHeader
from otterize_pcap.records.pcapng import Interface
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

NEED_MORE: int
AT_STOP: int
DECLINE: int
TUNNEL_KINDS: tuple[str, ...]

class FastTable:
    max_rows: int
    def __init__(
        self,
        max_rows: int,
        secret: bytes,
        vxlan_ports: Iterable[int],
        geneve_ports: Iterable[int],
        declined_ports: Iterable[int],
        collect_names: bool,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def not_ip(self) -> int: ...
    @property
    def icmp(self) -> int: ...
    @property
    def times(self) -> tuple[int, int] | None: ...
    def walk_pcap(
        self,
        buffer: bytearray,
        start: int,
        end: int,
        stop: int,
        header: PcapHeader,
        number: int,
        part: int,
    ) -> tuple[int, int, int]: ...
    def walk_pcapng(
        self,
        buffer: bytearray,
        start: int,
        end: int,
        stop: int,
        order: str,
        interfaces: Sequence[Interface],
        first_interface: int,
        number: int,
        part: int,
    ) -> tuple[int, int, int]: ...
    def add(
        self, packet: Packet, time_ns: int, number: int, interface: int, part: int = 0
    ) -> None: ...
    def concat(self, later: FastTable) -> None: ...
    def shift_numbers(self, offset: int) -> None: ...
    def rows(self) -> Iterator[Row]: ...
    @property
    def paths(self) -> Sequence[tuple[Tunnel, ...]]: ...

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
