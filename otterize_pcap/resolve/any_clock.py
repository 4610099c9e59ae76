"""Ends of connections where nothing says which of several clocks is right (S12)."""

from collections.abc import Iterable, Mapping, Sequence

from otterize_pcap.addresses import Network
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.resolution import AMBIGUOUS, FoundServer, Party, Unknown
from otterize_pcap.resolve.resolve import Resolver
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.snapshot.snapshot import Service, Snapshot
from otterize_pcap.table.rows import Endpoint


class AnyClockResolver(Resolver):
    """Resolves an end only where it is the same workload by every clock.

    `shifts` are by how much, in ns, times are later by each other clock than by the chosen one.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        identities: Identities,
        routes: ServiceRoutes,
        nodes: Mapping[bytes, frozenset[str]],
        slack_ns: int,
        inside: Sequence[Network],
        shifts: Sequence[int],
    ) -> None:
        super().__init__(snapshot, identities, routes, nodes, slack_ns, inside)
        self._shifts = shifts

    def client(self, endpoints: Sequence[Endpoint], first_ns: int, last_ns: int) -> Party | Unknown:
        """Who called, by every clock."""
        found = super().client(endpoints, first_ns, last_ns)
        for shift in self._shifts:
            other = super().client(endpoints, first_ns + shift, last_ns + shift)
            if not _is_same(found, other):
                return _either(found, other)
        return found

    def server(
        self, protocol: int, endpoints: Sequence[Endpoint], first_ns: int, last_ns: int
    ) -> FoundServer:
        """Who answered, by every clock."""
        found, services, port = super().server(protocol, endpoints, first_ns, last_ns)
        for shift in self._shifts:
            other, _, _ = super().server(protocol, endpoints, first_ns + shift, last_ns + shift)
            if not _is_same(found, other):
                return _either(found, other), services, port
        return found, services, port

    def behind_services(
        self, services: Iterable[Service], protocol: int, port: int, first_ns: int, last_ns: int
    ) -> tuple[Party | External | Unknown, int] | None:
        """What is behind some Services' port, by every clock."""
        services = tuple(services)
        answer = super().behind_services(services, protocol, port, first_ns, last_ns)
        for shift in self._shifts if answer is not None else ():
            times = first_ns + shift, last_ns + shift
            other = super().behind_services(services, protocol, port, *times)
            if answer is not None and other is not None and not _is_same(answer[0], other[0]):
                return _either(answer[0], other[0]), answer[1]
        return answer


Found = Party | External | Unknown


def _is_same(one: Found, other: Found) -> bool:
    if isinstance(one, Party) and isinstance(other, Party):
        return one.workload == other.workload
    return one == other


def _either(one: Found, other: Found) -> Unknown:
    """Nobody can say which; two reasons of not knowing are one still."""
    if isinstance(one, Unknown) and isinstance(other, Unknown):
        return one
    return Unknown(AMBIGUOUS, tuple(sorted({*_candidates(one), *_candidates(other)})))


def _candidates(found: Found) -> tuple[Workload, ...]:
    if isinstance(found, Unknown):
        return found.candidates
    return (found.workload,) if isinstance(found, Party) else ()
