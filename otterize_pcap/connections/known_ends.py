"""What a whole capture shows of an endpoint: `_ends.pyx`, readable.

That it answered a handshake (S33), or had several peers (S35). `direction.survey` says the same of
flows.
"""

from otterize_pcap.connections.component_index import RowIndex
from otterize_pcap.connections.direction import EPHEMERAL
from otterize_pcap.connections.shapes import EndFact
from otterize_pcap.table.rows import Endpoint, Row


class KnownEnds:
    """The endpoints of an index's rows."""

    def __init__(self, index: RowIndex) -> None:
        self._servers: set[tuple[int, Endpoint]] = set()
        self._peers: dict[tuple[int, Endpoint], int] = {}
        for number in range(len(index.tuples)):
            self._note(index, number)
        for number, (protocol, low, high) in enumerate(index.tuples if self._peers else ()):
            if any(_is_recorded(indexed.row) for indexed in index.rows_of(number)):
                for end in {low, high}:
                    if (protocol, end) in self._peers:
                        self._peers[protocol, end] += 1

    def _note(self, index: RowIndex, number: int) -> None:
        """Note the servers of a 5-tuple's handshakes, or its fixed ports where one is missing."""
        protocol, low, high = index.tuples[number]
        whole = True
        for indexed in index.rows_of(number):
            client = indexed.row.client
            if client is not None and indexed.row.server_isn is not None:
                self._servers.add((protocol, low if client else high))
            else:
                whole = False
        for end in () if whole else (low, high):
            if end[1] not in EPHEMERAL:
                self._peers[protocol, end] = 0

    def facts(self, protocol: int, endpoint: Endpoint) -> EndFact:
        """`ANSWERED` and `HAD_PEERS`, as far as they are true of an endpoint."""
        facts = EndFact(0)
        if (protocol, endpoint) in self._servers:
            facts |= EndFact.ANSWERED
        if self._peers.get((protocol, endpoint), 0) > 1:
            facts |= EndFact.HAD_PEERS
        return facts


def _is_recorded(row: Row) -> bool:
    return any(side.packets or side.unreachable for side in row.sides)
