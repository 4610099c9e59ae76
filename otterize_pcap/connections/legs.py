"""Rows → flows: the recordings of one 5-tuple, split into the connections that used it in turn.

A *leg* is one row with its file; a *flow* is all legs of one connection that show the same two
endpoints. Flows of one connection that show different endpoints (NAT) are joined in `join`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from otterize_pcap.connections.facts import Span
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.chunk import Table
from otterize_pcap.table.rows import Endpoint, Row
from otterize_pcap.timestamps import SECOND_NS

Tuple5 = tuple[int, Endpoint, Endpoint]

SLACK_NS = SECOND_NS
UDP_GAP_NS = 30 * SECOND_NS


class Recording(Struct, frozen=True):
    """The rows of one node's recording, of one or several files in order of time.

    `node` is where it was recorded, `Row.part` indexes `files`, and `first_ns` is when it began by
    the node's own clock: with its first packet where nothing else says that, None without packets.
    `table` is what `rows` come from, where that is compiled: `groups` works on it as it is.
    """

    files: tuple[str, ...]
    node: str
    rows: Iterable[Row]
    first_ns: int | None = None
    table: Table | None = None


class TableRows(Struct, frozen=True):
    """The rows of a table, made anew each time they are gone through, so that none is kept."""

    table: Table

    def __iter__(self) -> Iterator[Row]:
        """The rows, in the order in which their first packets came."""
        return self.table.rows()


class Leg(Struct, frozen=True):
    """One row of one recording, its times with the node's clock offset removed (S12)."""

    recording: Recording
    row: Row
    first_ns: int
    last_ns: int

    @property
    def file(self) -> str:
        """The file that the row began in."""
        return self.recording.files[self.row.part]


class Flow:
    """The legs of one connection that show the same endpoints.

    `client` is the index (0 low, 1 high) of the side that sent the SYN, None without a handshake;
    `client_isn` and `server_isn` are known as far as any leg shows them. `joined` is the flow it
    was joined to (itself where none) and `rule` the part of S20 that did so.
    """

    __slots__ = (
        "client",
        "client_isn",
        "first_ns",
        "joined",
        "last_ns",
        "legs",
        "rule",
        "server_isn",
    )

    def __init__(self, leg: Leg) -> None:
        self.legs = [leg]
        self.client = leg.row.client
        self.client_isn = leg.row.client_isn
        self.server_isn = leg.row.server_isn
        self.first_ns = leg.first_ns
        self.last_ns = leg.last_ns
        self.joined = self
        self.rule: str | None = None

    @property
    def protocol(self) -> int:
        """The IP protocol number."""
        return self.legs[0].row.protocol

    @property
    def tuple5(self) -> Tuple5:
        """Protocol and both endpoints, the lower one first."""
        row = self.legs[0].row
        return row.protocol, row.low, row.high

    def endpoint(self, side: int) -> Endpoint:
        """The endpoint of a side."""
        row = self.legs[0].row
        return row.high if side else row.low

    @property
    def lacks_answer(self) -> bool:
        """Whether segments went both ways after a SYN that no SYN-ACK answered (S40).

        Either the SYN-ACK was lost while recording, or the SYN was sent into a connection that
        was there already, which answers with a bare ACK and goes on (RFC 9293 3.10.7.4).
        """
        if self.client is None or self.server_isn is not None:
            return False
        return self.went_both_ways

    @property
    def lacks_question(self) -> bool:
        """Whether it began with a SYN-ACK that answers no SYN that was recorded."""
        return self.client is not None and not any(
            leg.row.sides[self.client].syns for leg in self.legs
        )

    @property
    def went_both_ways(self) -> bool:
        """Whether both sides acknowledged something."""
        return all(
            any(leg.row.sides[side].ack_first is not None for leg in self.legs) for side in (0, 1)
        )

    @property
    def is_recorded(self) -> bool:
        """Whether a packet of it was recorded; else conntrack alone knows of it."""
        return any(side.packets or side.unreachable for leg in self.legs for side in leg.row.sides)

    def add(self, leg: Leg) -> None:
        """Take one more leg in."""
        self.legs.append(leg)
        if self.server_isn is None:
            self.server_isn = leg.row.server_isn
        self.first_ns = min(self.first_ns, leg.first_ns)
        self.last_ns = max(self.last_ns, leg.last_ns)

    def timestamp(self) -> int | None:
        """The TCP timestamp value of the client's SYN, where a leg shows it."""
        if self.client is None:
            return None
        values = (leg.row.sides[self.client].timestamp for leg in self.legs)
        return next((value for value in values if value is not None), None)

    def overlaps(self, other: "Flow", slack_ns: int = SLACK_NS) -> bool:
        """Whether both were seen at the same time, give or take `slack_ns`."""
        return (
            self.first_ns <= other.last_ns + slack_ns and other.first_ns <= self.last_ns + slack_ns
        )


def collect_flows(
    recordings: Iterable[Recording], offsets: Mapping[str, int]
) -> dict[Tuple5, list[Flow]]:
    """All flows by their 5-tuple, each list by time. `offsets` are node clock offsets in ns."""
    legs: dict[Tuple5, list[Leg]] = {}
    for recording in recordings:
        offset = offsets.get(recording.node, 0)
        for row in recording.rows:
            leg = Leg(recording, row, row.first_ns - offset, row.last_ns - offset)
            key = (row.protocol, row.low, row.high)
            found = legs.get(key)
            if found is None:
                legs[key] = [leg]
            else:
                found.append(leg)
    return {key: _split(found) for key, found in legs.items()}


class Sent(Protocol):
    """A row as a leg: `first_ns` is the row's without the clock's offset."""

    @property
    def row(self) -> Row:
        """The row."""
        ...

    @property
    def first_ns(self) -> int:
        """When it began."""
        ...


def spans_sent(legs: Sequence[Sent], clients: Sequence[int]) -> tuple[Span, Span]:
    """When the client and when the server of a connection sent, first and last (S12).

    `legs` are in order of time and `clients` the client's side in each. Who sent nothing is looked
    for at the first packet.
    """
    found: list[Span] = []
    for turned in (0, 1):
        spans = []
        for leg, client in zip(legs, clients, strict=True):
            side, ahead = leg.row.sides[client ^ turned], leg.row.first_ns - leg.first_ns
            if side.first_ns is not None and side.last_ns is not None:
                spans.append((side.first_ns - ahead, side.last_ns - ahead))
        spans = spans or [(legs[0].first_ns, legs[0].first_ns)]
        found.append((min(first for first, _ in spans), max(last for _, last in spans)))
    return found[0], found[1]


def leg_order(leg: Leg) -> tuple[int, str, int]:
    """Order that no order of input files changes: time, file name, packet number."""
    return leg.first_ns, leg.file, leg.row.number


def _split(legs: list[Leg]) -> list[Flow]:
    """One 5-tuple's legs into flows: by initial sequence number, else by time.

    A leg without a handshake belongs to the last connection that had begun by then. What came
    before any handshake is one flow in TCP; in UDP a pause of 30 seconds ends a flow.
    """
    if len(legs) == 1:
        return [Flow(legs[0])]
    legs.sort(key=leg_order)
    begun: dict[tuple[int, int | None], Flow] = {}
    loose: list[Leg] = []
    for leg in legs:
        if leg.row.client is None:
            loose.append(leg)
            continue
        key = (leg.row.client, leg.row.client_isn)
        if key in begun:
            begun[key].add(leg)
        else:
            begun[key] = Flow(leg)
    handshakes = list(begun.values())
    starts = [flow.first_ns for flow in handshakes]
    rest: list[Flow] = []
    for leg in loose:
        begun_before = bisect_right(starts, leg.first_ns + SLACK_NS)
        if begun_before and _was_there_before(leg, handshakes[begun_before - 1]):
            begun_before -= 1
        if begun_before:
            handshakes[begun_before - 1].add(leg)
        elif rest and _same_run(rest[-1], leg):
            rest[-1].add(leg)
        else:
            rest.append(Flow(leg))
    return _without_strays(sorted(handshakes + rest, key=lambda flow: flow.first_ns))


def _was_there_before(leg: Leg, flow: Flow) -> bool:
    """Whether a leg had gone both ways when a flow's SYN-ACK, to no SYN, came by that recording.

    Nothing goes both ways of a connection before its SYN-ACK, so the leg is of another.
    """
    return (
        flow.lacks_question
        and all(side.ack_first is not None for side in leg.row.sides)
        and any(
            other.recording is leg.recording and leg.last_ns <= other.first_ns
            for other in flow.legs
            if other.row.client is not None
        )
    )


def _without_strays(flows: list[Flow]) -> list[Flow]:
    """Give what follows a handshake's segment within another connection to that connection.

    A SYN into a connection that was there already begins none (RFC 9293 3.10.7.4). Neither does a
    SYN-ACK without a SYN that turns one round: only who means to be taken for the server sends it.
    """
    kept: list[Flow] = []
    for flow in flows:
        if kept and (flow.lacks_answer or _is_turned_round(kept[-1], flow)):
            for leg in flow.legs:
                kept[-1].add(leg)
        else:
            kept.append(flow)
    return kept


def _is_turned_round(before: Flow, flow: Flow) -> bool:
    if not flow.lacks_question:
        return False
    return before.went_both_ways if before.client is None else before.client != flow.client


def _same_run(flow: Flow, leg: Leg) -> bool:
    return leg.row.protocol != UDP or leg.first_ns <= flow.last_ns + UDP_GAP_NS
