"""Packet headers → connection table: the readable reference for what a row is.

Input: `Packet` values with time, packet number and interface, in file order. Output: rows. A row
is one stretch of one 5-tuple as one interface saw it through one tunnel path; which rows are legs
of one connection, who is the client and what came of it is decided later, in `legs`.

Two kinds of row share a key (protocol, tunnel path, interface, both endpoints, direction-free):

- a *handshake* row holds everything from a SYN or SYN-ACK on, until one with another client ISN;
- a *run* holds what came before any handshake, and all UDP: neighbouring packets (of this key)
  within one 30-second slot of absolute time.

Tables of neighbouring parts of one file concatenate: `a.concat(b)` equals the table of the two
parts read as one. That law lets one file be read by several threads (design, "Data flow"), and it
is why every field below is a sum, a minimum, a maximum, or a first or last in file order.
The compiled `_fastpath` keeps the same rows; tests hold the two equal.
"""

from collections.abc import Collection, Container, Iterator, Sequence

from msgspec import Struct, field

from otterize_pcap.counted import counted
from otterize_pcap.errors import TooManyConnections
from otterize_pcap.packets.closed_tunnels import FORGED, Claim, ClaimedEnd
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.protocols import ACK, RST, SYN, UDP

SLOT_NS = 30_000_000_000
DEFAULT_MAX_CONNECTIONS = 20_000_000
MOST_COUNTED = 0xFFFF
"""SYNs, SYN-ACKs and ICMP errors of one side that are counted."""
MOST_PARTS = 1 << 20
"""Files of one recording that rows tell apart."""

Endpoint = tuple[bytes, int]
"""A 16-byte address and a port."""
Key = tuple[int, tuple[Tunnel, ...], int, bytes, int, bytes, int]


class Side(Struct):
    """What one endpoint of a row sent; index 0 of `Row.sides` is the lower (address, port).

    `packets` and `bytes` count IP packets by their header's length. `flags` is the OR of all TCP
    flags. `ack_first` is the acknowledgement number of the first segment that had ACK and neither
    SYN nor RST, None without one. `seq_first` and `seq_last` are of segments without SYN.
    `timestamp` is the TCP timestamp value (RFC 7323) of the first SYN or SYN-ACK sent. `hints`
    is the OR of what payloads said (S34): 1 this side is a client, 2 it is a server.
    `unreachable` counts ICMP errors that quote a packet of this side. `first_ns` and `last_ns` are
    the times between which it sent (S12), None where it did not. An RST is no sending: whoever has
    the address answers so to what is meant for one who had it before (RFC 9293 3.10.7.1).
    `station` is who sent the frame of the first that counts so, 0 where nothing says it.
    """

    packets: int = 0
    bytes: int = 0
    flags: int = 0
    syns: int = 0
    syn_acks: int = 0
    ack_first: int | None = None
    seq_first: int | None = None
    seq_last: int | None = None
    timestamp: int | None = None
    hints: int = 0
    unreachable: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    station: int = 0

    def append(self, later: "Side") -> None:
        """Add what the same side sent in a later part of the file."""
        self.packets += later.packets
        self.bytes += later.bytes
        self.flags |= later.flags
        self.syns = min(self.syns + later.syns, MOST_COUNTED)
        self.syn_acks = min(self.syn_acks + later.syn_acks, MOST_COUNTED)
        if self.ack_first is None:
            self.ack_first = later.ack_first
        if self.seq_first is None:
            self.seq_first = later.seq_first
        if later.seq_last is not None:
            self.seq_last = later.seq_last
        if self.timestamp is None:
            self.timestamp = later.timestamp
        self.hints |= later.hints
        self.unreachable = min(self.unreachable + later.unreachable, MOST_COUNTED)
        if later.first_ns is not None and later.last_ns is not None:
            if self.first_ns is None:
                self.station = later.station
            self.note_times(later.first_ns, later.last_ns)

    def note_times(self, first_ns: int, last_ns: int) -> None:
        """Widen the time in which this side sent."""
        self.first_ns = first_ns if self.first_ns is None else min(self.first_ns, first_ns)
        self.last_ns = last_ns if self.last_ns is None else max(self.last_ns, last_ns)


class Row(Struct):
    """One row of the table; `low` and `high` are the endpoints (16-byte address, port) in order.

    Times are nanoseconds since the epoch, of all packets and of ICMP errors that quote one;
    `number` is the first packet's position in its file (from 1), `part` which file of the recording
    that is, `first_sender` the side that sent the packet.
    `client` is the side whose SYN began a handshake row, `client_isn` and `server_isn` its initial
    sequence numbers; all None in a run.
    """

    protocol: int
    tunnels: tuple[Tunnel, ...]
    interface: int
    low: Endpoint
    high: Endpoint
    number: int
    first_sender: int
    first_ns: int
    last_ns: int
    client: int | None = None
    client_isn: int | None = None
    server_isn: int | None = None
    part: int = 0
    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))

    @property
    def slot(self) -> int:
        """The slot of absolute time that a run lies in."""
        return self.first_ns // SLOT_NS

    def continues(self, later: "Row") -> bool:
        """Whether `later`, next of this key in file order, is more of the same row."""
        if later.client is not None:
            return self.client == later.client and self.client_isn == later.client_isn
        return self.client is not None or self.slot == later.slot

    def append(self, later: "Row") -> None:
        """Add a later part of the same row."""
        self.first_ns = min(self.first_ns, later.first_ns)
        self.last_ns = max(self.last_ns, later.last_ns)
        if self.server_isn is None:
            self.server_isn = later.server_isn
        self.sides[0].append(later.sides[0])
        self.sides[1].append(later.sides[1])


def too_many_connections(max_rows: int) -> TooManyConnections:
    """The error for a capture that would not fit the bound on memory."""
    return TooManyConnections(
        f"more than {counted(max_rows, 'connection')}; raise --max-connections, or read the "
        "capture in parts"
    )


class ConnectionTable:
    """The rows of one file or part of one, in the order they began.

    Raises `CaptureError` where more than `max_rows` rows would be needed: nothing is dropped
    silently, and memory stays bounded on hostile input.
    """

    def __init__(self, max_rows: int = DEFAULT_MAX_CONNECTIONS) -> None:
        self._rows: list[Row] = []
        self._current: dict[Key, Row] = {}
        self._max_rows = max_rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def paths(self) -> Sequence[tuple[Tunnel, ...]]:
        """The tunnel paths that packets came through."""
        return list(dict.fromkeys(row.tunnels for row in self._rows))

    def rows(self) -> Iterator[Row]:
        """The rows, in the order in which their first packets came."""
        return iter(self._rows)

    def add(self, packet: Packet, time_ns: int, number: int, interface: int, part: int = 0) -> None:
        """Count one packet."""
        row = _row_of(packet, time_ns, number, interface)
        row.part = part
        self._place(row)

    def append_row(self, row: Row) -> None:
        """Add a row that shows no packet: what conntrack alone knows (S46)."""
        self._place(row)

    def disown(self, claims: Container[Claim] | None) -> None:
        """Mark rows inside tunnels as forged: those claimed, or all where `claims` is None."""
        for row in self._rows:
            if row.tunnels and (claims is None or (row.protocol, row.low, row.high) in claims):
                row.tunnels = (FORGED,)

    def disown_strays(self, ends: Collection[ClaimedEnd], elsewhere: Container[bytes]) -> None:
        """Mark rows outside of tunnels as forged: of clients of `ends` that are `elsewhere`."""
        for row in self._rows:
            if not row.tunnels and is_stray(row, ends, elsewhere):
                row.tunnels = (FORGED,)

    def shift_numbers(self, offset: int) -> None:
        """Move packet numbers on, once it is known how many packets came before."""
        for row in self._rows:
            row.number += offset

    def concat(self, later: "ConnectionTable") -> None:
        """Append the table of the part of the file that follows; `later` is used up."""
        for row in later.rows():
            self._place(row)

    def _place(self, row: Row) -> None:
        key = (row.protocol, row.tunnels, row.interface, *row.low, *row.high)
        current = self._current.get(key)
        if current is not None and current.continues(row):
            current.append(row)
            return
        if len(self._rows) >= self._max_rows:
            raise too_many_connections(self._max_rows)
        self._rows.append(row)
        self._current[key] = row


def is_stray(row: Row, ends: Container[ClaimedEnd], elsewhere: Container[bytes]) -> bool:
    """Whether a row's client, or who sent first, was in a closed tunnel (S25), and is elsewhere."""
    client = (row.low, row.high)[row.first_sender if row.client is None else row.client]
    return client[0] in elsewhere and (row.protocol, client) in ends


def _row_of(packet: Packet, time_ns: int, number: int, interface: int) -> Row:
    """The row that a packet alone makes; adding a packet is appending this."""
    source = (packet.source, packet.source_port)
    destination = (packet.destination, packet.destination_port)
    sender = 0 if source <= destination else 1
    row = Row(
        protocol=packet.protocol,
        tunnels=packet.tunnels,
        interface=interface,
        low=source if sender == 0 else destination,
        high=destination if sender == 0 else source,
        number=number,
        first_sender=sender,
        first_ns=time_ns,
        last_ns=time_ns,
    )
    side = row.sides[sender]
    if packet.unreachable:
        side.unreachable = 1
        return row
    side.packets = 1
    side.bytes = packet.length
    side.hints = packet.hint
    if not packet.flags & RST:
        side.first_ns = side.last_ns = time_ns
        side.station = packet.station
    if packet.protocol != UDP and not packet.fragment:
        _note_flags(row, side, sender, packet)
    return row


def _note_flags(row: Row, side: Side, sender: int, packet: Packet) -> None:
    """TCP flags and sequence numbers (RFC 9293); SCTP chunks arrive mapped to the same flags."""
    flags = packet.flags
    side.flags = flags
    if not flags & SYN:
        side.seq_first = side.seq_last = packet.seq
        if flags & ACK and not flags & RST:
            side.ack_first = packet.ack
        return
    if flags & RST:
        return
    side.timestamp = packet.timestamp
    if flags & ACK:
        side.syn_acks = 1
        row.client = 1 - sender
        row.client_isn = (packet.ack - 1) & 0xFFFFFFFF
        row.server_isn = packet.seq
    else:
        side.syns = 1
        row.client = sender
        row.client_isn = packet.seq
