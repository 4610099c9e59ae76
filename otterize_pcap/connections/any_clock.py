"""A snapshot asked by several clocks of which nothing says which one is right (S12)."""

from collections.abc import Collection, Sequence
from typing import Protocol

from otterize_pcap.connections.connect import CapturedServices
from otterize_pcap.connections.facts import SnapshotFacts
from otterize_pcap.table.rows import Endpoint


class CapturedSnapshot(SnapshotFacts, CapturedServices, Protocol):
    """All that connections ask of a snapshot."""


class AnyClock:
    """A snapshot whose answers may change at the moments of every clock.

    Only the moments at which ends are looked up anew are widened: what joins recordings and says
    who the client is hardly depends on time, and goes by the clock that was chosen.

    Args:
        snapshot: The snapshot.
        shifts: By how much, in ns, times are later by each other clock.
    """

    def __init__(self, snapshot: CapturedSnapshot, shifts: Sequence[int]) -> None:
        self._snapshot = snapshot
        self._shifts = (0, *shifts)
        self.addresses = snapshot.addresses
        self.facts_of = snapshot.facts_of
        self.leads = snapshot.leads
        self.backends = snapshot.backends
        self.serves = snapshot.serves
        self.held_by_pod = snapshot.held_by_pod

    def client_changes(self, addresses: Collection[bytes]) -> Sequence[int]:
        """The moments, in order, at which it changes who calls from some addresses."""
        return self._by_all(self._snapshot.client_changes(addresses))

    def server_changes(self, protocol: int, endpoints: Collection[Endpoint]) -> Sequence[int]:
        """The moments, in order, at which it changes who answers at some endpoints."""
        return self._by_all(self._snapshot.server_changes(protocol, endpoints))

    def _by_all(self, moments: Sequence[int]) -> list[int]:
        return sorted({moment - shift for moment in moments for shift in self._shifts})
