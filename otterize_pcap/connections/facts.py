"""What connections ask of a snapshot, before anybody knows whose they are.

Everything a snapshot says holds for a time. Times here are closed intervals (start, end) in ns,
widened by `--time-slack` already.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from otterize_pcap.table.rows import Endpoint

Span = tuple[int, int]
"""The first and the last ns at which something holds."""

Served = tuple[int, int, int, int, bool]
"""IP protocol, port, first and last ns, and whether a Service leads on from there."""

Lead = tuple[bytes, int, int, int]
"""Address and port that a Service leads to, first and last ns."""


class SnapshotFacts(Protocol):
    """What components of rows ask of a snapshot, each address once."""

    def addresses(self) -> Iterable[bytes]:
        """All addresses of which anything is known."""
        ...

    def facts_of(self, address: bytes) -> tuple[Sequence[Span], Sequence[Served]]:
        """When pods held an address, and which ports were served there (S32)."""
        ...

    def leads(self, protocol: int, endpoint: Endpoint) -> Sequence[Lead]:
        """The endpoints that a Service led to from one at any time."""
        ...

    def client_changes(self, addresses: Collection[bytes]) -> Sequence[int]:
        """The moments, in order, at which it changes who calls from some addresses."""
        ...

    def server_changes(self, protocol: int, endpoints: Collection[Endpoint]) -> Sequence[int]:
        """The moments, in order, at which it changes who answers at some endpoints."""
        ...


class NoSnapshot:
    """Nothing is known of any address."""

    def addresses(self) -> tuple[bytes, ...]:
        """None."""
        return ()

    def facts_of(self, address: bytes) -> tuple[tuple[Span, ...], tuple[Served, ...]]:
        """None."""
        del address
        return (), ()

    def leads(self, protocol: int, endpoint: Endpoint) -> tuple[Lead, ...]:
        """No address is a Service's."""
        del protocol, endpoint
        return ()

    def client_changes(self, addresses: Collection[bytes]) -> tuple[int, ...]:
        """Nothing changes."""
        del addresses
        return ()

    def server_changes(self, protocol: int, endpoints: Collection[Endpoint]) -> tuple[int, ...]:
        """Nothing changes."""
        del protocol, endpoints
        return ()

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """No address is a Service's."""
        del endpoint, protocol, first_ns, last_ns
        return frozenset()

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """No port is declared."""
        del endpoint, protocol, first_ns, last_ns
        return False

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """No address is known to be a pod's."""
        del address, first_ns, last_ns
        return False
