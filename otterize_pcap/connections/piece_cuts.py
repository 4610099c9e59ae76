"""Where the legs of a component can be cut: no connection lies across.

Endpoints are used again, so that one component can hold many connections in turn. Between two
pauses longer than any rule looks across lies a *piece*. But a run belongs to the handshake before
it however long ago that was, and a SYN, or a SYN-ACK that nobody asked for, into a connection that
was there already to that connection (`legs.collect_flows`): such legs bind what lies between them.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from msgspec import Struct

from otterize_pcap.connections.conntrack_flows import patience_of
from otterize_pcap.connections.legs import SLACK_NS
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Row


class PieceLeg(Struct, frozen=True):
    """One row as a leg; times are without the clock's offset, `tuple_` is its 5-tuple's number."""

    row: Row
    first_ns: int
    last_ns: int
    rank: int
    number: int
    table: int
    tuple_: int


def cuts(legs: Sequence[PieceLeg], protocol: int) -> Iterator[int]:
    """The places of the legs, in `legs.leg_order`, that begin another piece."""
    patience = patience_of(protocol)
    bound: Sequence[int] | None = None
    last_ns = legs[0].last_ns
    until = begin = 0
    for at in range(1, len(legs)):
        if legs[at].first_ns - last_ns > patience:
            # Most components have no pause at all.
            if bound is None:
                bound = range(len(legs)) if protocol == UDP else bound_until(legs)
            until = max(until, *(bound[place] for place in range(begin, at)))
            begin = at
            if until < at:
                yield at
        last_ns = max(last_ns, legs[at].last_ns)


def bound_until(legs: Sequence[PieceLeg]) -> list[int]:
    """For each leg, the place of a later one that it must stay together with, else its own."""
    until = list(range(len(legs)))
    by_tuple: dict[int, list[int]] = {}
    for place, leg in enumerate(legs):
        by_tuple.setdefault(leg.tuple_, []).append(place)
    for places in by_tuple.values():
        if len(places) > 1:
            _bind(legs, places, until)
    return until


def _bind(legs: Sequence[PieceLeg], places: list[int], until: list[int]) -> None:
    """Bind what `legs.collect_flows` makes one flow of, the legs of one 5-tuple being given."""
    before = dict(zip(places[1:], places, strict=False))
    begun: dict[tuple[int, int | None], list[int]] = {}
    for place in places:
        row = legs[place].row
        if row.client is not None:
            begun.setdefault((row.client, row.client_isn), []).append(place)
    flows = list(begun.values())
    may_turn = len({client for client, _ in begun}) > 1
    starts = [legs[found[0]].first_ns for found in flows]
    for place in places:
        if legs[place].row.client is not None:
            continue
        begun_before = bisect_right(starts, legs[place].first_ns + SLACK_NS)
        if begun_before:
            flows[begun_before - 1].append(place)
            continue
        may_turn = True
        if place in before:
            until[before[place]] = place
    for found in flows:
        first, last = min(found), max(found)
        until[first] = max(until[first], last)
        rows = [legs[place].row for place in found]
        if first in before and (_lacks_answer(rows) or (may_turn and _lacks_question(rows))):
            until[before[first]] = max(until[before[first]], first)


def _lacks_answer(rows: Sequence[Row]) -> bool:
    """`Flow.lacks_answer` of the rows of one flow that shows a handshake."""
    return all(row.server_isn is None for row in rows) and all(
        any(row.sides[side].ack_first is not None for row in rows) for side in (0, 1)
    )


def _lacks_question(rows: Sequence[Row]) -> bool:
    """`Flow.lacks_question` of such rows."""
    return not any(row.client is not None and row.sides[row.client].syns for row in rows)
