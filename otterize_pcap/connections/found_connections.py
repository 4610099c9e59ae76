"""A connection as `components.Components` finds it, and as it gives it out."""

from msgspec import Struct

from otterize_pcap.connections.connection_groups import Totals
from otterize_pcap.connections.facts import Span
from otterize_pcap.connections.pieces import Piece
from otterize_pcap.connections.verdicts import Judged
from otterize_pcap.table.rows import Endpoint, Row

FoundLeg = tuple[int, Row, int, int]
FoundConnection = tuple[
    int,
    tuple[Endpoint, ...],
    tuple[Endpoint, ...],
    int,
    int,
    tuple[Span, Span],
    tuple[int, int],
    tuple[int, int],
    int,
    list[FoundLeg],
]


class Found(Struct, frozen=True):
    """One connection: where it is, what was said of it and its group."""

    piece: Piece
    judged: Judged
    totals: Totals
    group: int

    def ends(self, which: int) -> tuple[Endpoint, ...]:
        """The endpoints of the clients (1) or servers (2)."""
        places: tuple[int, ...] = self.judged[1] if which == 1 else self.judged[2]
        return tuple(self.piece.ends[place] for place in places)
