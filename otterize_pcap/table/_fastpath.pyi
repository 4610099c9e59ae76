from collections.abc import Collection, Container, Iterable, Iterator, Sequence

from otterize_pcap.packets.closed_tunnels import Claim, ClaimedEnd
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.records.pcap import PcapHeader
from otterize_pcap.records.pcapng_interface import Interface
from otterize_pcap.records.stream import Window
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.rows import Row

NEED_MORE: int
AT_STOP: int
DECLINE: int

class FastTable:
    max_rows: int
    def __init__(
        self,
        max_rows: int,
        secret: bytes,
        vxlan_ports: Iterable[int],
        geneve_ports: Iterable[int],
        collect_names: bool,
        labels: tuple[bytes, ...] = (),
        opens: OuterEnds | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def not_ip(self) -> int: ...
    @property
    def icmp(self) -> int: ...
    def take_times(self) -> list[tuple[int, int, int]]: ...
    def walk_pcap(
        self,
        buffer: bytearray,
        start: int,
        end: int,
        stop: int,
        header: PcapHeader,
        number: int,
        part: int,
        is_whole: bool = False,
        window: Window | None = None,
    ) -> tuple[int, int, int, Sequence[Payload]]: ...
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
        window: Window | None = None,
    ) -> tuple[int, int, int, Sequence[Payload]]: ...
    def add(
        self, packet: Packet, time_ns: int, number: int, interface: int, part: int = 0
    ) -> None: ...
    def expect(self, stream: tuple[bytes, int, bytes, int], end: int) -> None: ...
    def forget(self, stream: tuple[bytes, int, bytes, int]) -> None: ...
    def append_row(self, row: Row) -> None: ...
    def concat(self, later: FastTable) -> None: ...
    def disown(self, claims: Container[Claim] | None) -> None: ...
    def disown_strays(self, ends: Collection[ClaimedEnd], elsewhere: Container[bytes]) -> None: ...
    def shift_numbers(self, offset: int) -> None: ...
    def rows(self) -> Iterator[Row]: ...
    @property
    def paths(self) -> Sequence[tuple[Tunnel, ...]]: ...
