"""One chunk of one capture file → its rows and counts.

A chunk is a whole file, or a part of a big one that begins and ends between two records. It
knows nothing of what came before it; `read` runs chunks one by one or in threads and joins
them. Where the compiled path is there, it walks the buffer and stops in front of each record that
it declines; that one is decoded by the reference and goes into the same table.
"""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from msgspec import Struct

from otterize_pcap.addresses import Network
from otterize_pcap.packets.closed_tunnels import Claim, ClaimedEnd
from otterize_pcap.packets.decode import Decoded, Decoder
from otterize_pcap.packets.fragments import FragmentMemory
from otterize_pcap.packets.link_layer import LINK_TYPES
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.ports import GENEVE_PORTS, VXLAN_PORTS, TunnelPorts
from otterize_pcap.packets.tunnels import OuterEnds
from otterize_pcap.records.containers import OpenCapture
from otterize_pcap.records.stream import Record
from otterize_pcap.table.capture_counts import Payload, RunningCounts
from otterize_pcap.table.compiled_walk import CompiledWalk, is_walkable
from otterize_pcap.table.name_payloads import NamePayloads, Stream
from otterize_pcap.table.rows import DEFAULT_MAX_CONNECTIONS, ConnectionTable, Row

try:
    from otterize_pcap.table._arrays import map_large_arrays
    from otterize_pcap.table._fastpath import DECLINE, NEED_MORE, FastTable

    # A table whose rows nothing compiled can join would be slower than the reference.
    FAST_PATH = find_spec("otterize_pcap.connections._components") is not None
except ImportError:
    FAST_PATH = False
"""Whether all compiled parts were built; without them everything is right, only slower."""


class Table(Protocol):
    """What both tables have in common, `ConnectionTable` and the compiled `FastTable`."""

    def __len__(self) -> int: ...

    def add(self, packet: Packet, time_ns: int, number: int, interface: int, part: int = 0) -> None:
        """Count one packet."""

    def append_row(self, row: Row) -> None:
        """Add a row that shows no packet: what conntrack alone knows (S46)."""

    def concat(self, later: Any) -> None:  # noqa: ANN401 - Self, which a Protocol cannot say
        """Append the table, of the same kind, of what follows; `later` is used up."""

    def disown(self, claims: Container[Claim] | None) -> None:
        """Mark rows inside tunnels as forged: those claimed, or all where `claims` is None."""

    def disown_strays(self, ends: Collection[ClaimedEnd], elsewhere: Container[bytes]) -> None:
        """Mark rows outside of tunnels as forged: of clients of `ends` that are `elsewhere`."""

    def shift_numbers(self, offset: int) -> None:
        """Move packet numbers on, once it is known how many packets came before."""

    @property
    def paths(self) -> Sequence[tuple[Tunnel, ...]]:
        """The tunnel paths that packets came through."""

    def rows(self) -> Iterator[Row]:
        """The rows, in the order in which their first packets came."""


class ReadOptions(Struct, frozen=True):
    """How captures are read.

    `max_connections` bounds the table, `threads` how many run at once; `fast` allows the compiled
    path. `collect_names` keeps payloads that name servers: DNS and TLS ClientHellos;
    `answers_about` keeps, of DNS alone, what has one of these labels, each with its length before
    it and in lower case. `opens` says which tunnels are opened (S25), None all; `tunnel_endpoints`
    are ranges whose addresses somebody says are ends of tunnels that may be. `file_nodes` are
    files, by path or name, each with the node that somebody says it is of. `scheduler` names a Dask
    cluster whose workers read files.
    """

    vxlan_ports: frozenset[int] = VXLAN_PORTS
    geneve_ports: frozenset[int] = GENEVE_PORTS
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    fast: bool = True
    threads: int = 1
    collect_names: bool = False
    answers_about: frozenset[bytes] = frozenset()
    opens: OuterEnds | None = None
    tunnel_endpoints: tuple[Network, ...] = ()
    file_nodes: tuple[tuple[str, str], ...] = ()
    scheduler: str = ""


def keep_arrays_apart() -> None:
    """Let a process that reads captures, and nothing else, keep its memory without holes."""
    if FAST_PATH:
        map_large_arrays()


def new_table(options: ReadOptions, secret: bytes) -> Table:
    """An empty table, compiled if that is there and allowed; `secret` seeds its hash."""
    if not (FAST_PATH and options.fast):
        return ConnectionTable(options.max_connections)
    return FastTable(
        options.max_connections,
        secret,
        options.vxlan_ports,
        options.geneve_ports,
        options.collect_names or bool(options.answers_about),
        () if options.collect_names else tuple(sorted(options.answers_about)),
        options.opens,
    )


class EndedChunk(Struct, frozen=True):
    """A chunk that was read elsewhere, as it is sent; its table goes by itself, as columns."""

    capture: OpenCapture
    counts: RunningCounts
    fragments: FragmentMemory
    begin: int

    def with_table(self, table: Table, options: ReadOptions) -> "Chunk":
        """The chunk again, to be joined with others."""
        chunk = Chunk(self.capture, table, options, begin=self.begin)
        chunk.counts = self.counts
        chunk.decoder.fragments = self.fragments
        return chunk


class Unfinished(Struct, frozen=True):
    """What a chunk left unfinished: packets and ClientHellos of which there is more to come."""

    fragments: FragmentMemory
    hellos: Mapping[Stream, int]


class Chunk:
    """A reader at the beginning of a chunk, and what was made of it so far."""

    def __init__(
        self,
        capture: OpenCapture,
        table: Table,
        options: ReadOptions,
        part: int = 0,
        begin: int = 0,
    ) -> None:
        self.capture = capture
        self.table = table
        self.counts = RunningCounts()
        self.decoder = Decoder(
            TunnelPorts(options.vxlan_ports, options.geneve_ports),
            options.opens,
            self.counts.closed,
        )
        self.part = part
        self._names = (
            NamePayloads(
                () if options.collect_names else options.answers_about,
                table if FAST_PATH and isinstance(table, FastTable) else None,
            )
            if options.collect_names or options.answers_about
            else None
        )
        self._begin = begin
        self._unfinished: Mapping[Stream, int] = {}

    def unfinished(self) -> "Unfinished":
        """What packets left unfinished, once all is read, for the next chunk of the recording."""
        fragments = self.decoder.fragments.for_what_follows(self.packets_read)
        return Unfinished(fragments, self._unfinished)

    def settle(self) -> None:
        """Note what no later fragment can tell any more (S25), once all is read."""
        self.counts.closed.is_full |= self.decoder.fragments.settle(self.packets_read)

    def go_on(self, unfinished: "Unfinished") -> None:
        """Go on where another chunk ended, before anything is read."""
        self.decoder.fragments = unfinished.fragments
        if self._names is not None:
            self._names.go_on(unfinished.hellos)

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self.capture.reader.window.offset - self._begin

    @property
    def packets_read(self) -> int:
        """Packets read so far."""
        return self.capture.reader.number

    def is_followed_by(self, later: "Chunk") -> bool:
        """Whether `later`, read already, began just where this one ended, and missed nothing."""
        reader = self.capture.reader
        if self.capture.damage or reader.window.offset != later._begin:
            return False
        if not later.capture.reader.follows(reader):
            return False
        return not later.decoder.fragments.misses(self.decoder.fragments, reader.number)

    def join(self, later: "Chunk") -> None:
        """Take over what a chunk that follows this one made, and its reader to go on with."""
        numbers = self.capture.reader.number
        later.table.shift_numbers(numbers)
        self.table.concat(later.table)
        self.counts.append(later.counts, numbers)
        later.decoder.fragments.take_over(self.decoder.fragments, numbers)
        self.decoder = later.decoder
        self.decoder.closed = self.counts.closed
        later.capture.reader.take_over(self.capture.reader)
        self.capture = later.capture

    def ended(self) -> "EndedChunk":
        """What it is once it was read, without its table and its file."""
        return EndedChunk(self.capture, self.counts, self.decoder.fragments, self._begin)

    def run(self) -> Iterator[None]:
        """Read to the end of the chunk, pausing after each block for whoever wants to look."""
        reader = self.capture.reader
        first = reader.number
        if FAST_PATH and isinstance(self.table, FastTable) and is_walkable(reader):
            yield from self._run_fast(self.table)
        else:
            while (record := reader.next()) is not None:
                self._count(record)
                if not reader.number & 0xFFF:
                    yield
        self.counts.packets += reader.number - first
        self.counts.bytes = self.bytes_read
        if self._names is not None:
            self._unfinished = self._names.end()

    def _run_fast(self, table: "FastTable") -> Iterator[None]:
        reader = self.capture.reader
        walk = CompiledWalk(reader, table, self.part)
        while True:
            ended, kept = walk.go_on()
            if self._names is not None:
                self._keep(kept, self._names)
            if ended == NEED_MORE:
                yield
                # Once more at the end of the file: its last record is told from zeros by that.
                if not reader.window.at_end:
                    reader.window.refill()
                    continue
            record = reader.next()
            if record is None:
                break
            self.counts.declined += ended == DECLINE
            self._count(record)
        self.counts.skipped.update(walk.skipped())
        self.counts.times.add(table.take_times())

    def _keep(self, found: Sequence[Payload], names: NamePayloads) -> None:
        """Keep payloads of DNS over UDP that the compiled path found, before what comes next."""
        for payload in found:
            if names.has_label(payload.content):
                self.counts.keep(payload)

    def _count(self, record: Record) -> None:
        counts = self.counts
        if record.data:
            counts.times.note(record.time_ns)
        if record.link_type not in LINK_TYPES:
            counts.unsupported[record.link_type] += 1
            return
        decoded = self.decoder.decode(record)
        if not isinstance(decoded, Decoded):
            counts.skipped[decoded.reason] += 1
            return
        packet = decoded.packet
        self.table.add(packet, record.time_ns, record.number, decoded.interface, self.part)
        if (
            self._names is not None
            and decoded.payload
            and self._names.wants(packet, decoded.payload)
        ):
            counts.keep(self._payload_of(packet, record, decoded.payload))

    def _payload_of(self, packet: Packet, record: Record, content: bytes) -> Payload:
        source = packet.source, packet.source_port
        target = packet.destination, packet.destination_port
        return Payload(
            packet.protocol,
            source,
            target,
            packet.seq,
            record.time_ns,
            record.number,
            content,
            self.part,
        )
