"""What a snapshot says of addresses and endpoints over a time: `_answers.pyx`, readable."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import IntEnum

from otterize_pcap.connections.facts import Lead, Served, SnapshotFacts
from otterize_pcap.table.rows import Endpoint


class Answer(IntEnum):
    """Whether something holds at all of a time, at none of it, or only at a part."""

    NO = 0
    YES = 1
    CHANGES = 2


class SnapshotAnswers:
    """The answers of one snapshot, which is asked once for each address and endpoint."""

    def __init__(self, snapshot: SnapshotFacts, borders: Sequence[bytes] | None = None) -> None:
        self._snapshot = snapshot
        self._borders = borders
        self._known = frozenset(snapshot.addresses())
        self._held: dict[bytes, Sequence[tuple[int, int]]] = {}
        self._served: dict[bytes, dict[tuple[int, int], list[Served]]] = {}
        self._leads: dict[tuple[int, Endpoint], Sequence[Lead]] = {}

    def is_known(self, address: bytes) -> bool:
        """Whether the snapshot knows anything of an address."""
        return address in self._known

    def alike(self, address: bytes) -> int | None:
        """The range of an address of which nothing is known; None where something is."""
        if self._borders is None or address in self._known:
            return None
        return bisect_right(self._borders, address)

    def is_held(self, address: bytes, first_ns: int, last_ns: int) -> Answer:
        """Whether a pod held an address over a time."""
        if address not in self._known:
            return Answer.NO
        self._ask(address)
        return during(self._held[address], first_ns, last_ns)

    def is_served(self, protocol: int, endpoint: Endpoint, first_ns: int, last_ns: int) -> Answer:
        """Whether the snapshot declares a port as served over a time (S32)."""
        served = self._served_at(protocol, endpoint)
        return during(((start, end) for _, _, start, end, _ in served), first_ns, last_ns)

    def could_lead(self, protocol: int, endpoint: Endpoint) -> bool:
        """Whether a Service led on from an endpoint at any time."""
        return any(leads for *_, leads in self._served_at(protocol, endpoint))

    def leads(self, protocol: int, endpoint: Endpoint) -> Sequence[Lead]:
        """All endpoints that a Service ever led to from one."""
        if not self.could_lead(protocol, endpoint):
            return ()
        key = (protocol, endpoint)
        if key not in self._leads:
            self._leads[key] = self._snapshot.leads(protocol, endpoint)
        return self._leads[key]

    def server_changes(self, protocol: int, ends: Sequence[Endpoint]) -> Sequence[int]:
        """The moments at which it changes who answers at some endpoints."""
        if not any(address in self._known for address, _ in ends):
            return ()
        return self._snapshot.server_changes(protocol, ends)

    def client_changes(self, addresses: Sequence[bytes]) -> Sequence[int]:
        """The moments at which it changes who calls from some addresses."""
        if not any(address in self._known for address in addresses):
            return ()
        return self._snapshot.client_changes(addresses)

    def _served_at(self, protocol: int, endpoint: Endpoint) -> Sequence[Served]:
        address, port = endpoint
        if address not in self._known:
            return ()
        self._ask(address)
        return self._served[address].get((protocol, port), ())

    def _ask(self, address: bytes) -> None:
        if address in self._held:
            return
        held, served = self._snapshot.facts_of(address)
        self._held[address] = held
        by_port = self._served[address] = {}
        for one in served:
            by_port.setdefault(one[:2], []).append(one)


def during(intervals: Iterable[tuple[int, int]], first_ns: int, last_ns: int) -> Answer:
    """Whether any of some intervals holds over a time.

    One that ends before it starts never holds; a time that reaches over both its ends can not be
    said to be without it.
    """
    answer = Answer.NO
    for start, end in intervals:
        if start <= first_ns and last_ns <= end:
            return Answer.YES
        if not (end < first_ns or last_ns < start):
            answer = Answer.CHANGES
    return answer
