"""Components → pieces, a few legs that could be one connection: `_pieces.pyx`, readable.

In a piece fit for a shape every 5-tuple holds one flow; one that is not, or is larger than a shape,
is *odd*: its rows are looked at as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, field

from otterize_pcap.connections.component_index import RowIndex
from otterize_pcap.connections.conntrack_flows import DUMP_SLACK_NS, patience_of, tuple5
from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Tuple5
from otterize_pcap.connections.outcome import went_on
from otterize_pcap.connections.piece_cuts import PieceLeg, cuts
from otterize_pcap.connections.shapes import HINT_SHIFT, HINTS, SideFact, SightingFact
from otterize_pcap.packets.protocols import RST, UDP
from otterize_pcap.table.rows import Endpoint, Side

MAX_FLOWS = 6
MAX_SIGHTINGS = 12
MAX_LEGS = 1 << 16
NEVER = (1 << 63) - 1

ToldSighting = tuple[int, tuple[Endpoint, Endpoint, Endpoint, Endpoint], int, bool, bool, bool]
"""Protocol, endpoints (client, target, server, reply_to), time, whether it is the last packet's,
whether conntrack was assured, and whether the entry began within the capture."""


class TableTimes(Struct, frozen=True):
    """A table's clock offset, from when on its packets began inside (S33), and its files' ranks."""

    offset: int
    settled_ns: int
    ranks: Sequence[int]


class PieceFlow(Struct):
    """All legs of one 5-tuple of a piece: one flow, unless `several`."""

    number: int
    ends: Tuple5
    legs: list[PieceLeg] = field(default_factory=list)
    first_ns: int = NEVER
    last_ns: int = -NEVER
    handshake_ns: int = NEVER
    client: int | None = None
    client_isn: int | None = None
    server_isn: int | None = None
    timestamp: int | None = None
    settled: bool = True
    several: bool = False

    def said(self, side: int) -> int:
        """`SideFact`s and hints of a side, all legs taken together."""
        said = 0
        for leg in self.legs:
            said |= _said(leg.row.sides[side])
        return said

    def note(self, leg: PieceLeg, settled_ns: int) -> None:
        """Add a leg; they come in `legs.leg_order`."""
        row = leg.row
        if row.client is not None:
            self._note_handshake(leg, row.client)
        elif row.protocol == UDP and self.legs and leg.first_ns > self.last_ns + UDP_GAP_NS:
            self.several = True
        self.legs.append(leg)
        self.settled = self.settled and row.first_ns >= settled_ns
        self.first_ns = min(self.first_ns, leg.first_ns)
        self.last_ns = max(self.last_ns, leg.last_ns)

    def _note_handshake(self, leg: PieceLeg, client: int) -> None:
        row = leg.row
        if self.client is None:
            self.client, self.client_isn, self.handshake_ns = client, row.client_isn, leg.first_ns
        elif (self.client, self.client_isn) != (client, row.client_isn):
            self.several = True
        if self.server_isn is None:
            self.server_isn = row.server_isn
        if self.timestamp is None:
            self.timestamp = row.sides[client].timestamp

    @property
    def holds_several(self) -> bool:
        """Whether the legs are of several flows: a run well before the handshake is its own.

        So may be one that went both ways before.
        """
        return self.several or (
            self.client is not None and any(map(self._may_be_another, self.legs))
        )

    def _may_be_another(self, leg: PieceLeg) -> bool:
        """Whether a leg without a handshake is perhaps of a flow before this one."""
        early = 0 if leg.row.client is not None else self.handshake_ns - leg.first_ns
        both = all(side.ack_first is not None for side in leg.row.sides)
        return early > SLACK_NS or (early > 0 and both)


class KeptSighting(Struct, frozen=True):
    """One entry of a conntrack dump with the 5-tuples before and after NAT."""

    before: int
    after: int
    told: ToldSighting


class Piece(Struct, frozen=True):
    """A piece fit for a shape: flows by time, those that conntrack alone knows last."""

    legs: Sequence[PieceLeg]
    flows: Sequence[PieceFlow]
    places: Sequence[int]
    ends: Sequence[Endpoint]
    sightings: Sequence[KeptSighting]
    protocol: int
    first_ns: int
    last_ns: int

    def sighting_facts(self, sighting: KeptSighting) -> int:
        """What an entry says of the flows before and after NAT; see `SightingFact`."""
        said = SightingFact.ASSURED * sighting.told[4]
        said |= SightingFact.BEGAN_WITHIN * sighting.told[5]
        said |= self._when(sighting, sighting.before) * SightingFact.BEFORE_IS_EARLY
        return said | self._when(sighting, sighting.after) * SightingFact.AFTER_IS_EARLY

    def _when(self, sighting: KeptSighting, number: int) -> int:
        """1 where an entry is too early for a flow, 2 where too late (`sighted_flow`)."""
        flow = next(flow for flow in self.flows if flow.number == number)
        _, _, time_ns, tells_last, *_ = sighting.told
        if not flow.legs:
            return 0
        too_early = flow.first_ns > time_ns + DUMP_SLACK_NS
        patience = patience_of(self.protocol) + DUMP_SLACK_NS
        return too_early | (tells_last and flow.last_ns < time_ns - patience) << 1


class Pieces:
    """The pieces of one capture's components."""

    def __init__(self, index: RowIndex, times: Sequence[TableTimes]) -> None:
        self._index = index
        self._times = times
        self._sightings: dict[int, list[tuple[int, KeptSighting]]] = {}

    def add_sightings(self, sightings: Sequence[ToldSighting]) -> None:
        """Take conntrack's entries in; the 5-tuples of one are of one component."""
        for place, told in enumerate(sightings):
            protocol, (client, target, server, reply_to), *_ = told
            before = self._index.number_of(tuple5(protocol, client, target))
            after = self._index.number_of(tuple5(protocol, reply_to, server))
            self._index.unite(before, after)
            kept = KeptSighting(before, after, told)
            self._sightings.setdefault(before, []).append((place, kept))

    def of(self, members: Sequence[int]) -> Iterator[tuple[Sequence[PieceLeg], Piece | None]]:
        """The legs of each piece of a component, and the piece; None where it is odd."""
        legs = sorted(self._legs(members), key=_leg_order)
        if not legs:
            return
        sightings = [
            kept
            for _, kept in sorted(
                (found for number in members for found in self._sightings.get(number, ())),
                key=lambda found: found[0],
            )
        ]
        if len(legs) > MAX_LEGS:
            yield legs, None
            return
        places = () if sightings else cuts(legs, legs[0].row.protocol)
        begin = 0
        earlier: set[int] = set()
        for end in (*places, len(legs)):
            yield legs[begin:end], self._taken(legs[begin:end], sightings, earlier)
            earlier.update(leg.tuple_ for leg in legs[begin:end])
            begin = end

    def _legs(self, members: Iterable[int]) -> Iterator[PieceLeg]:
        for number in members:
            for indexed in self._index.rows_of(number):
                row, times = indexed.row, self._times[indexed.table]
                yield PieceLeg(
                    row,
                    row.first_ns - times.offset,
                    row.last_ns - times.offset,
                    times.ranks[row.part],
                    indexed.number,
                    indexed.table,
                    number,
                )

    def _taken(
        self,
        legs: Sequence[PieceLeg],
        sightings: Sequence[KeptSighting],
        earlier: AbstractSet[int],
    ) -> Piece | None:
        """A piece of some legs, None where that is odd; `earlier` are 5-tuples before it."""
        flows: dict[int, PieceFlow] = {}
        for leg in legs:
            self._flow_of(flows, leg.tuple_).note(leg, self._times[leg.table].settled_ns)
            if len(flows) > MAX_FLOWS:
                return None
        for number in earlier & flows.keys():
            flows[number].settled = False
        for sighting in sightings if len(sightings) <= MAX_SIGHTINGS else ():
            self._flow_of(flows, sighting.before)
            self._flow_of(flows, sighting.after)
        if (
            len(flows) > MAX_FLOWS
            or len(sightings) > MAX_SIGHTINGS
            or any(flow.holds_several for flow in flows.values())
            or shares_unrecorded(flows, sightings)
        ):
            return None
        ordered = sorted(flows.values(), key=lambda flow: (flow.first_ns, flow.ends))
        places = {flow.number: place for place, flow in enumerate(ordered)}
        return Piece(
            legs=legs,
            flows=ordered,
            places=[places[leg.tuple_] for leg in legs],
            ends=sorted({end for flow in ordered for end in flow.ends[1:]}),
            sightings=sightings,
            protocol=legs[0].row.protocol,
            first_ns=legs[0].first_ns,
            last_ns=max(leg.last_ns for leg in legs),
        )

    def _flow_of(self, flows: dict[int, PieceFlow], number: int) -> PieceFlow:
        flow = flows.get(number)
        if flow is None:
            flow = flows[number] = PieceFlow(number, self._index.tuples[number])
        return flow


def shares_unrecorded(flows: dict[int, PieceFlow], sightings: Sequence[KeptSighting]) -> bool:
    """Whether a 5-tuple without rows is told by entries with different other sides.

    Its time is that of the recorded side of the entry that comes first, which is no fact of a
    shape.
    """
    others: dict[int, set[int]] = {}
    for sighting in sightings:
        for one, other in (
            (sighting.before, sighting.after),
            (sighting.after, sighting.before),
        ):
            if not flows[one].legs:
                others.setdefault(one, set()).add(other)
    return any(len(found) > 1 for found in others.values())


def _leg_order(leg: PieceLeg) -> tuple[int, int, int, int]:
    """`legs.leg_order`; the row's own number last, so that no two are equal."""
    return leg.first_ns, leg.rank, leg.row.number, leg.number


def _said(side: Side) -> int:
    said = SideFact.PACKETS * (side.packets > 0)
    said |= SideFact.ACKNOWLEDGED * (side.ack_first is not None)
    said |= SideFact.RESET * (side.flags & RST != 0)
    said |= SideFact.SYN_ACK * (side.syn_acks > 0)
    said |= SideFact.UNREACHABLE * (side.unreachable > 0)
    said |= SideFact.WENT_ON * went_on(side)
    return int(said) | (side.hints & HINTS) << HINT_SHIFT
