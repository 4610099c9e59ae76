from collections.abc import Iterable, Iterator, Sequence

from otterize_pcap.connections import Row
from otterize_pcap.packet import Packet
from otterize_pcap.pcap import PcapHeader
from otterize_pcap.pcapng import Interface

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
