"""Capture streams → connection table: the whole way, with everything counted that was not taken.

Input: binary streams of one node's recording. Output: its rows, what was skipped and why, and the
few payloads that names can be read from. Nothing here opens files or prints.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from otterize_pcap.connections import DEFAULT_MAX_CONNECTIONS, ConnectionTable, Row
from otterize_pcap.containers import OpenCapture, open_capture
from otterize_pcap.decode import Decoded, Decoder
from otterize_pcap.errors import UnsupportedLinkType
from otterize_pcap.link_layer import LINK_TYPES
from otterize_pcap.link_names import link_type_name
from otterize_pcap.packet import Packet
from otterize_pcap.records import ByteStream, Record
from otterize_pcap.transport import CLIENT, DNS_PORTS, TCP, UDP
from otterize_pcap.tunnels import TunnelPorts

Progress = Callable[[int, int], None]
"""Called now and then with the bytes and packets read so far."""

PROGRESS_EVERY = 1 << 16
MAX_PAYLOAD_BYTES = 64 << 20
"""Payload kept for names in all; beyond it the rest is only counted."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How captures are read.

    `max_connections` bounds the table, `threads` how many run at once; `fast` allows the compiled
    path. `collect_names` keeps payloads that name servers: DNS, TLS ClientHello, HTTP/1 requests.
    """

    vxlan_ports: frozenset[int] = frozenset({4789, 8472})
    geneve_ports: frozenset[int] = frozenset({6081})
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    fast: bool = True
    threads: int = 1
    collect_names: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """What a packet carried, as far as it was captured; see `Row` for the other fields."""

    packet: Packet
    time_ns: int
    number: int
    content: bytes
    part: int = 0


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """What was read and what became of it.

    `bytes` counts captured file content, decompressed. `skipped` maps a reason to its packets;
    `declined` is how many the compiled path left to the reference. `truncated` counts the bytes
    of cut-off last records; `damage` says where reading had to stop early, a line a file.
    `dropped` is what the capture itself says was lost (pcapng), None where it says nothing.
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


@dataclass(frozen=True, slots=True)
class CaptureTable:
    """The connection table of one recording.

    `files` names its parts in order; `Row.part` and `Payload.part` index it.
    """

    name: str
    files: tuple[str, ...]
    table: ConnectionTable
    counts: CaptureCounts
    payloads: tuple[Payload, ...] = ()

    def rows(self) -> Iterator[Row]:
        """The rows, in the order in which their first packets came."""
        return self.table.rows()

    def __len__(self) -> int:
        return len(self.table)


def read_capture(
    stream: ByteStream,
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read one capture file; see `read_parts`."""
    return read_parts([(name, stream)], name, options, progress)


def read_parts(
    parts: Sequence[tuple[str, ByteStream]],
    name: str,
    options: ReadOptions = ReadOptions(),
    progress: Progress | None = None,
) -> CaptureTable:
    """Read the files of one node's recording as one, in the order given.

    Args:
        parts: Name and stream of each file, earliest first (`ordered_parts` sorts them).
        name: Names the recording.
        options: How to read.
        progress: Told the bytes and packets read so far, now and then.

    Raises:
        CaptureError: A file is no capture, or its header is broken, or there are more connections
            than `options.max_connections`.
        UnsupportedLinkType: No packet of a file has a link type that is decoded here.
    """
    reading = _Reading(options, progress)
    for index, (part_name, stream) in enumerate(parts):
        reading.read(open_capture(stream, part_name), part_name, index)
    files = tuple(part_name for part_name, _ in parts)
    return CaptureTable(name, files, reading.table, reading.counts(), tuple(reading.payloads))


class _Reading:
    """One pass over the files of a recording."""

    def __init__(self, options: ReadOptions, progress: Progress | None) -> None:
        self.table = ConnectionTable(options.max_connections)
        self.payloads: list[Payload] = []
        self._options = options
        self._progress = progress
        self._skipped: Counter[str] = Counter()
        self._packets = 0
        self._bytes = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._truncated = 0
        self._damage: list[str] = []
        self._dropped: int | None = None
        self._payload_bytes = 0
        self._payloads_left_out = 0

    def counts(self) -> CaptureCounts:
        """What was counted so far."""
        return CaptureCounts(
            packets=self._packets,
            bytes=self._bytes,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            skipped=dict(sorted(self._skipped.items())),
            truncated=self._truncated,
            damage=tuple(self._damage),
            dropped=self._dropped,
            payloads_left_out=self._payloads_left_out,
        )

    def read(self, capture: OpenCapture, name: str, part: int) -> None:
        """Read one file to its end."""
        decoder = Decoder(TunnelPorts(self._options.vxlan_ports, self._options.geneve_ports))
        reader = capture.reader
        unsupported: Counter[int] = Counter()
        while (record := reader.next()) is not None:
            if record.link_type in LINK_TYPES:
                self._count(decoder, record, part)
            else:
                unsupported[record.link_type] += 1
            if self._progress and not reader.number % PROGRESS_EVERY:
                self._progress(self._bytes + reader.window.offset, self._packets + reader.number)
        if unsupported and sum(unsupported.values()) == reader.number:
            raise _unsupported(name, min(unsupported))
        self._finish(capture, unsupported)

    def _finish(self, capture: OpenCapture, unsupported: Counter[int]) -> None:
        reader = capture.reader
        for link_type, packets in unsupported.items():
            self._skipped[f"link type {link_type_name(link_type)}"] += packets
        self._packets += reader.number
        self._bytes += reader.window.offset
        self._truncated += reader.ending.truncated
        if capture.damage:
            self._damage.append(capture.damage)
        if reader.ending.dropped is not None:
            self._dropped = (self._dropped or 0) + reader.ending.dropped
        if self._progress:
            self._progress(self._bytes, self._packets)

    def _count(self, decoder: Decoder, record: Record, part: int) -> None:
        time_ns = record.time_ns
        if self._first_ns is None or self._last_ns is None:
            self._first_ns = self._last_ns = time_ns
        elif time_ns < self._first_ns:
            self._first_ns = time_ns
        elif time_ns > self._last_ns:
            self._last_ns = time_ns
        decoded = decoder.decode(record)
        if not isinstance(decoded, Decoded):
            self._skipped[decoded.reason] += 1
            return
        self.table.add(decoded.packet, time_ns, record.number, decoded.interface, part)
        if self._options.collect_names and decoded.payload and names_servers(decoded.packet):
            self._keep(Payload(decoded.packet, time_ns, record.number, decoded.payload, part))

    def _keep(self, payload: Payload) -> None:
        if self._payload_bytes + len(payload.content) > MAX_PAYLOAD_BYTES:
            self._payloads_left_out += 1
            return
        self._payload_bytes += len(payload.content)
        self.payloads.append(payload)


def names_servers(packet: Packet) -> bool:
    """Whether a packet's payload may name servers: DNS, or what a client says to one outside."""
    ports = {packet.source_port, packet.destination_port}
    if packet.protocol == UDP:
        return bool(ports & DNS_PORTS)
    if packet.protocol != TCP:
        return False
    return packet.hint == CLIENT and not _is_private(packet.destination)


def _is_private(address: bytes) -> bool:
    ip = ipaddress.IPv6Address(address)
    return (ip.ipv4_mapped or ip).is_private


def _unsupported(name: str, link_type: int) -> UnsupportedLinkType:
    return UnsupportedLinkType(
        f"{name}: link type {link_type_name(link_type)} is not supported; "
        "capture again with tcpdump -i any, or on an Ethernet interface"
    )
