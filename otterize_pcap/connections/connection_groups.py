"""Connections counted by class and by who stood at both sides: `_groups.pyx`, readable.

A *side* is the addresses of the clients, or the endpoints of the servers, of connections. What is
there can change; between two changes a side *stands*, and each of its connections resolves alike.
Single clients of whom nothing is known are one side as far as they resolve alike, and so are single
servers at one port.
Where a time is asked for, those before it, within and after are groups of their own.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from otterize_pcap.connections.facts import Span
from otterize_pcap.connections.legs import spans_sent
from otterize_pcap.connections.piece_cuts import PieceLeg
from otterize_pcap.connections.pieces import Piece
from otterize_pcap.connections.snapshot_answers import SnapshotAnswers
from otterize_pcap.connections.verdicts import Judged
from otterize_pcap.table.rows import Endpoint

WITHIN, BEFORE, AFTER = range(3)

Side = tuple[tuple[bytes, ...], int, tuple[Endpoint, ...]]
"""Addresses of clients, protocol, endpoints of servers; one of the two is empty."""


class Totals(Struct, frozen=True):
    """What the legs of one connection add up to; packets and bytes to the server, to the client.

    `sent` are the spans in which the client and the server sent (S12).
    """

    legs: Sequence[PieceLeg]
    first_ns: int
    last_ns: int
    sent: tuple[Span, Span]
    packets: tuple[int, int]
    bytes: tuple[int, int]
    syns: int


class CountedGroup(Struct):
    """A group while it is counted; `evidence` is time, file's rank and packet of the earliest."""

    first_ns: int
    last_ns: int
    evidence: tuple[int, int, int]
    connections: int
    packets: list[int]
    bytes: list[int]


class Groups:
    """The groups of one capture; the arguments are those of `Components.join`."""

    def __init__(self, answers: SnapshotAnswers, within: tuple[int, int] | None) -> None:
        self._answers = answers
        self._within = within
        self._sides: list[tuple[Side, bool]] = []
        self._side_numbers: dict[Side | tuple[int, int, int | None], int] = {}
        self._changes: list[Sequence[int]] = []
        self._stands: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._stand_numbers: dict[tuple[int, int, int], int] = {}
        self._numbers: dict[tuple[int, int, int, int], int] = {}
        self._groups: list[CountedGroup] = []

    def group_of(self, judged: Judged, piece: Piece, totals: Totals) -> int:
        """The group of a connection, a new one where it is the first."""
        class_, clients, servers, _ = judged
        client: Side = (tuple(piece.ends[place][0] for place in clients), 0, ())
        server: Side = ((), piece.protocol, tuple(piece.ends[place] for place in servers))
        key = (
            class_,
            self._stand(self._side(client, self._range_of(client[0])), totals.sent[0]),
            self._stand(
                self._side(server, self._range_of([address for address, _ in server[2]])),
                totals.sent[1],
            ),
            self._when(totals),
        )
        number = self._numbers.setdefault(key, len(self._groups))
        if number == len(self._groups):
            times = (totals.first_ns, totals.last_ns)
            self._groups.append(CountedGroup(*times, _evidence(totals), 0, [0, 0], [0, 0]))
        return number

    def _when(self, totals: Totals) -> int:
        """Where a connection lies, of which all or none of a group's touch the window."""
        if self._within is None:
            return WITHIN
        start_ns, end_ns = self._within
        if totals.last_ns < start_ns:
            return BEFORE
        return AFTER if totals.first_ns > end_ns else WITHIN

    def count(self, number: int, totals: Totals) -> None:
        """Add one connection to its group."""
        group = self._groups[number]
        group.first_ns = min(group.first_ns, totals.first_ns)
        group.last_ns = max(group.last_ns, totals.last_ns)
        group.evidence = min(group.evidence, _evidence(totals))
        group.connections += 1
        for way in (0, 1):
            group.packets[way] += totals.packets[way]
            group.bytes[way] += totals.bytes[way]

    def _range_of(self, addresses: Sequence[bytes]) -> int | None:
        """The range of a single address of which nothing is known."""
        return self._answers.alike(addresses[0]) if len(addresses) == 1 else None

    def _side(self, side: Side, alike: int | None) -> int:
        _, protocol, servers = side
        key = side if alike is None else (alike, protocol, servers[0][1] if servers else None)
        number = self._side_numbers.setdefault(key, len(self._sides))
        if number == len(self._sides):
            self._sides.append((side, alike is not None))
            clients, protocol, servers = side
            self._changes.append(
                self._answers.client_changes(clients)
                if clients
                else self._answers.server_changes(protocol, servers)
            )
        return number

    def _stand(self, side: int, sent: Span) -> int:
        """The number of a side at the time in which it sent in a connection (S12)."""
        changes = self._changes[side]
        first, last = sent
        key = (side, bisect_right(changes, first), bisect_right(changes, last))
        self._stands.setdefault(key, (first, last))
        return self._stand_numbers.setdefault(key, len(self._stand_numbers))

    def side(self, number: int) -> tuple[tuple[bytes, ...], int, tuple[Endpoint, ...], bool]:
        """(addresses of clients, protocol, endpoints of servers, whether it is an example).

        Either clients or servers are empty. An example is one of those of whom nothing is known.
        """
        side, is_example = self._sides[number]
        return (*side, is_example)

    def stands(self) -> list[tuple[int, int, int]]:
        """For each stand (side, first_ns, last_ns): when the side sent in one connection then."""
        return [(side, *times) for (side, _, _), times in self._stands.items()]

    def all_groups(self) -> list[tuple[Any, ...]]:
        """Each as a `CountedGroup`."""
        return [
            (
                *key[:3],
                group.connections,
                tuple(group.packets),
                tuple(group.bytes),
                group.first_ns,
                group.last_ns,
                group.evidence[1],
                group.evidence[2],
                group.evidence[0],
            )
            for key, group in zip(self._numbers, self._groups, strict=True)
        ]


def _evidence(totals: Totals) -> tuple[int, int, int]:
    first = totals.legs[0]
    return first.first_ns, first.rank, first.row.number


def totals_of(piece: Piece, judged: Judged) -> Totals:
    """What the legs of one connection of a piece add up to: `connect._fullest`, and its times.

    Counts are those of the recording that saw most, never a sum over recordings (S21).
    """
    sides = dict(judged[3])
    legs: list[PieceLeg] = []
    clients: list[int] = []
    sums: dict[tuple[object, ...], list[int]] = {}
    syns = 0
    for leg, place in zip(piece.legs, piece.places, strict=True):
        client = sides.get(place)
        if client is None:
            continue
        legs.append(leg)
        clients.append(client)
        row = leg.row
        sent, answered = row.sides[client], row.sides[1 - client]
        syns = max(syns, sent.syns)
        counts = sums.setdefault((leg.table, row.interface, row.tunnels, leg.tuple_), [0, 0, 0, 0])
        for index, more in enumerate((sent.packets, answered.packets, sent.bytes, answered.bytes)):
            counts[index] += more
    best = max(
        sums.values(),
        key=lambda counts: (counts[0] + counts[1], counts[2] + counts[3], counts[0], counts[2]),
    )
    return Totals(
        legs=legs,
        first_ns=legs[0].first_ns,
        last_ns=max(leg.last_ns for leg in legs),
        sent=spans_sent(legs, clients),
        packets=(best[0], best[1]),
        bytes=(best[2], best[3]),
        syns=syns,
    )
