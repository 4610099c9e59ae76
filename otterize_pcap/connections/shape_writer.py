"""Pieces → shapes: the facts of a piece that rules ask for, as bytes. `_shapes.pyx`, readable.

`shapes` says what each byte means and rebuilds flows from them. Nothing is decided here. A piece
is odd where what the snapshot says of it changes within its time, or where a fact does not fit.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import combinations

from otterize_pcap.connections.component_index import RowIndex
from otterize_pcap.connections.conntrack_flows import MANY, patience_of
from otterize_pcap.connections.join import any_overlap
from otterize_pcap.connections.known_ends import KnownEnds
from otterize_pcap.connections.pieces import Piece, PieceFlow
from otterize_pcap.connections.shapes import (
    MAX_SERVER_ISNS,
    PORT_CLASSES,
    EndFact,
    FlowFact,
)
from otterize_pcap.connections.snapshot_answers import Answer, SnapshotAnswers, during
from otterize_pcap.packets.protocols import TCP, UDP
from otterize_pcap.table.rows import Endpoint

MAX_LEADS = 24
NO_CLIENT = 2
HALF_OF_SEQUENCE = 1 << 31


class ShapeWriter:
    """Writes shapes.

    Args:
        index: All rows.
        answers: What the snapshot says.
        known: What the whole capture says.
    """

    def __init__(self, index: RowIndex, answers: SnapshotAnswers, known: KnownEnds) -> None:
        self._index = index
        self._answers = answers
        self._known = known

    def shape_of(self, piece: Piece) -> bytes | None:
        """The shape of a piece, None where it is odd."""
        ends = self._ends(piece)
        leads = self._leads(piece)
        streams = _streams(piece)
        isns = list(dict.fromkeys(_told(flow.server_isn for flow in piece.flows)))
        if ends is None or leads is None or streams is None or len(isns) > MAX_SERVER_ISNS:
            return None
        header = (piece.protocol, len(piece.ends), len(piece.flows), len(piece.sightings))
        flows = self._flows(piece, isns, streams)
        return bytes((*header, *ends, *leads, *flows, *_sightings(piece), *_gaps(piece)))

    def _ends(self, piece: Piece) -> list[int] | None:
        """Each endpoint: its address's rank, its port's place in its class, facts."""
        written: list[int] = []
        times = (piece.first_ns, piece.last_ns)
        address, rank, place, last_class = b"", -1, 0, -1
        for end in piece.ends:
            port_class = bisect_right(PORT_CLASSES, end[1]) - 1
            place = place + 1 if (end[0], port_class) == (address, last_class) else 0
            rank += end[0] != address
            address, last_class = end[0], port_class
            held = self._answers.is_held(address, *times)
            served = self._answers.is_served(piece.protocol, end, *times)
            if Answer.CHANGES in (held, served):
                return None
            facts = self._known.facts(piece.protocol, end)
            facts |= EndFact.HELD * (held == Answer.YES)
            facts |= EndFact.SERVED * (served == Answer.YES)
            written += (rank, port_class, place, facts, self._known.port_facts(end).encoded)
        return written

    def _leads(self, piece: Piece) -> list[int] | None:
        """Which endpoint of the piece a Service leads to from which; their count comes first."""
        written: list[int] = []
        for place, end in enumerate(piece.ends):
            leads = self._answers.leads(piece.protocol, end)
            for other_place, other in enumerate(piece.ends) if leads else ():
                answer = during(
                    ((start, stop) for *led, start, stop in leads if tuple(led) == other),
                    piece.first_ns,
                    piece.last_ns,
                )
                if answer == Answer.CHANGES or len(written) > 2 * MAX_LEADS:
                    return None
                if answer == Answer.YES:
                    written += (place, other_place)
        return None if len(written) > 2 * MAX_LEADS else [len(written) // 2, *written]

    def _flows(
        self, piece: Piece, server_isns: Sequence[int], streams: Sequence[Sequence[int]]
    ) -> list[int]:
        places = {end: place for place, end in enumerate(piece.ends)}
        client_isns = _tokens(flow.client_isn for flow in piece.flows)
        timestamps = _tokens(flow.timestamp for flow in piece.flows)
        written: list[int] = []
        before: PieceFlow | None = None
        for flow, sent in zip(piece.flows, streams, strict=True):
            _, low, high = flow.ends
            written += (
                places[low],
                places[high],
                self._flow_facts(piece, flow, before),
                client_isns[flow.client_isn],
                0 if flow.server_isn is None else server_isns.index(flow.server_isn) + 1,
                timestamps[flow.timestamp],
            )
            for side in (0, 1):
                written += (flow.said(side), _acknowledged(flow, side, server_isns), sent[side])
            before = flow
        return written

    def _flow_facts(self, piece: Piece, flow: PieceFlow, before: PieceFlow | None) -> int:
        facts = NO_CLIENT if flow.client is None else flow.client
        if flow.legs:
            facts |= flow.legs[0].row.first_sender + 1 << 4
            facts |= FlowFact.SETTLED * (flow.settled and piece.protocol == UDP)
            same_start = before is not None and before.first_ns == flow.first_ns
            facts |= FlowFact.BEGAN_WITH_LAST * (same_start and len(piece.sightings) > 0)
        if flow.client_isn is not None and self._index.is_crowded(
            piece.protocol, flow.client_isn, MANY
        ):
            facts |= FlowFact.CROWDED
        if flow.client is not None and flow.legs:
            asked = any(leg.row.sides[flow.client].syns for leg in flow.legs)
            facts |= FlowFact.LACKS_QUESTION * (not asked)
        return facts


def _told(values: Iterable[int | None]) -> Iterable[int]:
    return (value for value in values if value is not None)


def _tokens(values: Iterable[int | None]) -> dict[int | None, int]:
    """One more than the place of each value among those there are, 0 for none."""
    numbers: dict[int | None, int] = {None: 0}
    for value in values:
        numbers.setdefault(value, len(numbers))
    return numbers


def _acknowledged(flow: PieceFlow, side: int, server_isns: Sequence[int]) -> int:
    """Which server's initial sequence numbers a side acknowledged (RFC 9293 3.4), as bits."""
    bits = 0
    for leg in flow.legs:
        acknowledged = leg.row.sides[side].ack_first
        for place, isn in enumerate(server_isns if acknowledged is not None else ()):
            if acknowledged is not None:
                ahead = (acknowledged - isn - 1) & 0xFFFFFFFF
                bits |= (ahead < HALF_OF_SEQUENCE) << place
    return bits


def _streams(piece: Piece) -> list[list[int]] | None:
    """Which flows could carry one stream, by the sequence numbers at each shared endpoint.

    None where that cannot be told by numbers, as overlapping goes from one flow to a second and
    from there to a third, but not from the first to the third.
    """
    streams = [[0, 0] for _ in piece.flows]
    if piece.protocol == TCP and len(piece.flows) > 1:
        for end in piece.ends:
            if not _tell_streams(piece.flows, end, streams):
                return None
    return streams


def _tell_streams(flows: Sequence[PieceFlow], end: Endpoint, streams: list[list[int]]) -> bool:
    """The same at one endpoint; False where it cannot be told."""
    pairs = []
    found = 0
    showing = [
        (place, flow, flow.ends.index(end, 1) - 1)
        for place, flow in enumerate(flows)
        if end in flow.ends[1:]
    ]
    for (one, one_flow, one_side), (other, other_flow, other_side) in combinations(showing, 2):
        if one_flow.client is not None and other_flow.client is not None:
            continue
        overlap = any_overlap(_ranges(one_flow, one_side), _ranges(other_flow, other_side))
        pairs.append((one, one_side, other, other_side, overlap))
        if not overlap:
            continue
        stream = streams[one][one_side] or streams[other][other_side]
        if not stream:
            found += 1
            stream = found
        if streams[other][other_side] not in (0, stream):
            return False
        streams[one][one_side] = streams[other][other_side] = stream
    return all(
        overlap
        or not streams[one][one_side]
        or streams[one][one_side] != streams[other][other_side]
        for one, one_side, other, other_side, overlap in pairs
    )


def _ranges(flow: PieceFlow, side: int) -> list[tuple[int, int]]:
    """First and last sequence number of each leg that a side sent any in."""
    sent = (leg.row.sides[side] for leg in flow.legs)
    return [
        (one.seq_first, one.seq_last)
        for one in sent
        if one.seq_first is not None and one.seq_last is not None
    ]


def _sightings(piece: Piece) -> list[int]:
    places = {end: place for place, end in enumerate(piece.ends)}
    written: list[int] = []
    for sighting in piece.sightings:
        written += (places[end] for end in sighting.told[1])
        written.append(piece.sighting_facts(sighting))
    return written


def _gaps(piece: Piece) -> list[bool]:
    """Which flow began later than any rule joins it to which other one; nothing if none."""
    patience = patience_of(piece.protocol)
    gaps = [
        bool(one.legs and other.legs) and one.first_ns - other.last_ns > patience
        for one in piece.flows
        for other in piece.flows
    ]
    return gaps if any(gaps) else []
