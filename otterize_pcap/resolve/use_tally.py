"""One port of a call while its connections are counted."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from msgspec import Struct

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.service_graph import Evidence, External, Use
from otterize_pcap.resolve.resolution import AnyResolved, Party
from otterize_pcap.timestamps import hour_of

_Counts = tuple[tuple[str, int], ...]


class UseTally(Struct):
    """A `Use` while it is being counted; it is small, since there can be a million servers."""

    connections: int = 0
    packets: tuple[int, int] = (0, 0)
    bytes: tuple[int, int] = (0, 0)
    first_ns: int = 1 << 63
    last_ns: int = 0
    outcomes: _Counts = ()
    rules: _Counts = ()
    evidence: Evidence | None = None
    captures: int = 0
    # None until there is one: four empty sets take as much as all else.
    services: set[str] | None = None
    hours: set[int] | None = None
    client_pods: set[str] | None = None
    server_pods: set[str] | None = None

    def add(self, resolved: AnyResolved) -> None:
        """Count one connection, or a group of them by what it says of all."""
        found = resolved.connection
        if isinstance(found, ConnectionGroup):
            # A named tuple is taken apart in less time than its fields are asked for.
            _, kind, _, _, connections, packets, sizes, *when, file, number, at, rules = found
            (first_ns, last_ns), outcome, rule = when, kind.outcome, kind.rule
        else:
            connections, packets, sizes, rules = 1, found.packets, found.bytes, ()
            outcome, rule, first_ns, last_ns = (
                found.outcome,
                found.rule,
                found.first_ns,
                found.last_ns,
            )
            first = evidence_of(found)
            file, number, at = first.file, first.packet, first.time_ns
        self._add_sums(connections, packets, sizes, first_ns, last_ns)
        self.outcomes = _added(self.outcomes, outcome, connections)
        for one, count in rules or ((rule, connections),):
            self.rules = _added(self.rules, one, count)
        if resolved.services:
            self.services = _joined(self.services, resolved.services)
        known = self.evidence
        if known is None or (at <= known.time_ns and (at, file, number) < order_of(known)):
            self.evidence = Evidence(file, number, at, rule)

    def _add_sums(
        self,
        connections: int,
        packets: tuple[int, int],
        sizes: tuple[int, int],
        first_ns: int,
        last_ns: int,
    ) -> None:
        if not self.connections:
            self.packets, self.bytes = packets, sizes
        else:
            (to_server, to_client), (more, back) = self.packets, packets
            self.packets = to_server + more, to_client + back
            (to_server, to_client), (more, back) = self.bytes, sizes
            self.bytes = to_server + more, to_client + back
        self.connections += connections
        # `min` and `max` take three times as long, and this runs for each of 17,000 groups.
        if first_ns < self.first_ns:  # noqa: PLR1730
            self.first_ns = first_ns
        if last_ns > self.last_ns:  # noqa: PLR1730
            self.last_ns = last_ns

    def add_pods(self, resolved: AnyResolved) -> None:
        """Keep which pods were at its ends, as far as packets say."""
        self.client_pods = _joined(self.client_pods, _pods(resolved.client))
        self.server_pods = _joined(self.server_pods, _pods(resolved.server))

    def merge(self, use: Use, *, at_once: bool) -> None:
        """Count what another capture, or part of one, counted."""
        self._add_sums(use.connections, use.packets, use.bytes, use.first_ns, use.last_ns)
        for outcome, count in use.outcomes:
            self.outcomes = _added(self.outcomes, outcome, count)
        for rule, count in use.rules:
            self.rules = _added(self.rules, rule, count)
        self.services = _joined(self.services, use.services)
        self.client_pods = _joined(self.client_pods, use.client_pods)
        self.server_pods = _joined(self.server_pods, use.server_pods)
        if at_once:
            self.captures = max(self.captures, use.captures)
            self.hours = _joined(self.hours, use.hours)
        else:
            self.captures += use.captures
            self.hours = _joined(
                self.hours, use.hours or tuple(map(hour_of, (use.first_ns, use.last_ns)))
            )
        if use.evidence is not None and (
            self.evidence is None or order_of(use.evidence) < order_of(self.evidence)
        ):
            self.evidence = use.evidence

    def use(self, protocol: str, port: int) -> Use:
        """What was counted."""
        return Use(
            protocol=protocol,
            port=port,
            connections=self.connections,
            packets=self.packets,
            bytes=self.bytes,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            outcomes=_in_order(self.outcomes),
            rules=_in_order(self.rules),
            services=tuple(sorted(self.services or ())),
            evidence=self.evidence,
            captures=self.captures or 1,
            hours=tuple(sorted(self.hours or ())),
            client_pods=tuple(sorted(self.client_pods or ())),
            server_pods=tuple(sorted(self.server_pods or ())),
        )


def _added(counts: _Counts, name: str, more: int) -> _Counts:
    """The counts with more of a name; most calls have one, and the same."""
    if not counts:
        return _one(name, more)
    if len(counts) == 1 and counts[0][0] == name:
        return ((name, counts[0][1] + more),)
    for place, (known, count) in enumerate(counts):
        if known == name:
            return (*counts[:place], (known, count + more), *counts[place + 1 :])
    return (*counts, (name, more))


@lru_cache(maxsize=1024)
def _one(name: str, count: int) -> _Counts:
    return ((name, count),)


def _in_order(counts: _Counts) -> _Counts:
    return tuple(sorted(counts)) if len(counts) > 1 else counts


Name = TypeVar("Name", str, int)


def _joined(names: set[Name] | None, more: Sequence[Name]) -> set[Name] | None:
    if not more:
        return names
    if names is None:
        return set(more)
    names.update(more)
    return names


def _pods(party: Party | External) -> tuple[str, ...]:
    pod = party.certain_pod if isinstance(party, Party) else None
    return () if pod is None else (pod.name,)


def is_earlier(one: Evidence, other: Evidence) -> bool:
    """Whether a packet came first; of one time, by file and number."""
    return order_of(one) < order_of(other)


def order_of(evidence: Evidence) -> tuple[int, str, int]:
    """By what packets are in order: time, file and number."""
    return evidence.time_ns, evidence.file, evidence.packet


def count_of(found: Connection | ConnectionGroup) -> int:
    """How many connections it is."""
    return found.connections if isinstance(found, ConnectionGroup) else 1


def evidence_of(found: Connection | ConnectionGroup) -> Evidence:
    """Its earliest packet."""
    if isinstance(found, ConnectionGroup):
        return Evidence(found.file, found.packet, found.evidence_ns, found.rule)
    leg = found.legs[0]
    return Evidence(leg.file, leg.row.number, found.first_ns, found.rule)
