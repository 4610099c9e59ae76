"""What was counted while reading, and the payloads that names are read from."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.table.file_times import FileTimes
from otterize_pcap.table.rows import Endpoint

MAX_PAYLOAD_BYTES = 64 << 20
"""Payload kept for names in all; what comes after it is only counted."""


class CaptureCounts(Struct, frozen=True):
    """What was read and what became of it.

    `bytes` counts captured file content, decompressed. `first_ns` and `last_ns` leave out records
    without data, and times far from all others (`file_times`). `skipped` maps a reason to its
    packets; `declined` is how many the compiled path left to the reference. `truncated` counts
    the bytes of cut-off last records; `damage` says where reading had to stop early, a line a file.
    `dropped` is what the capture itself says was lost (pcapng), None where it says nothing.
    `payloads_left_out` counts what there was no room for. `closed` are tunnels left closed (S25).
    """

    packets: int = 0
    bytes: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    declined: int = 0
    truncated: int = 0
    damage: tuple[str, ...] = ()
    dropped: int | None = None
    payloads_left_out: int = 0
    closed: ClosedTunnels = field(default_factory=ClosedTunnels)


class Payload(NamedTuple):
    """What a packet carried, as far as it was captured, from one endpoint to another.

    `protocol` and `seq` are `Packet`'s; see `Row` for `number` and `part`. A tuple, since there are
    as many as DNS messages: to make one takes a quarter of the time of a frozen dataclass.
    """

    protocol: int
    source: Endpoint
    target: Endpoint
    seq: int
    time_ns: int
    number: int
    content: bytes
    part: int = 0


class RunningCounts(Struct):
    """Counts in the making: of one chunk, or of all that were joined so far."""

    packets: int = 0
    bytes: int = 0
    times: FileTimes = field(default_factory=FileTimes)
    skipped: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[int] = field(default_factory=Counter)
    declined: int = 0
    payloads: list[Payload] = field(default_factory=list)
    payload_bytes: int = 0
    payloads_left_out: int = 0
    closed: ClosedTunnels = field(default_factory=ClosedTunnels)

    def keep(self, payload: Payload) -> None:
        """Keep a payload while there is room; after the first that finds none, no more."""
        size = len(payload.content)
        if self.payloads_left_out or self.payload_bytes + size > MAX_PAYLOAD_BYTES:
            self.payloads_left_out += 1
            return
        self.payload_bytes += size
        self.payloads.append(payload)

    def append(self, later: "RunningCounts", numbers: int = 0) -> None:
        """Add what was counted later; its packet numbers move on by `numbers`."""
        self.packets += later.packets
        self.bytes += later.bytes
        self.times.append(later.times)
        self.skipped.update(later.skipped)
        self.unsupported.update(later.unsupported)
        self.declined += later.declined
        for payload in later.payloads:
            moved = payload._replace(number=payload.number + numbers) if numbers else payload
            self.keep(moved)
        self.payloads_left_out += later.payloads_left_out
        self.closed.append(later.closed)
