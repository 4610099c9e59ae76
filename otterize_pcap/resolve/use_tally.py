"""One port of a call while its connections are counted."""

from msgspec import Struct, field

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.service_graph import Evidence, Use
from otterize_pcap.resolve.resolution import AnyResolved, Party
from otterize_pcap.timestamps import hour_of


class UseTally(Struct):
    """A `Use` while it is being counted."""

    connections: int = 0
    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    first_ns: int = 1 << 63
    last_ns: int = 0
    # Plain dictionaries: two Counters a call cost 7 µs each time.
    outcomes: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    services: set[str] = field(default_factory=set)
    evidence: Evidence | None = None
    captures: int = 0
    hours: set[int] = field(default_factory=set)
    client_pods: set[str] = field(default_factory=set)
    server_pods: set[str] = field(default_factory=set)

    def add(self, resolved: AnyResolved) -> None:
        """Count one connection, or a group of them by what it says of all."""
        found = resolved.connection
        connections = count_of(found)
        self.connections += connections
        for sums, more in ((self.packets, found.packets), (self.bytes, found.bytes)):
            sums[0] += more[0]
            sums[1] += more[1]
        self.first_ns = min(self.first_ns, found.first_ns)
        self.last_ns = max(self.last_ns, found.last_ns)
        _add(self.outcomes, found.outcome, connections)
        _add(self.rules, found.rule, connections)
        self.services.update(resolved.services)
        if self.evidence is None or evidence_order(found) < order_of(self.evidence):
            self.evidence = evidence_of(found)

    def add_pods(self, resolved: AnyResolved) -> None:
        """Keep which pods were at its ends, as far as packets say."""
        for names, party in (
            (self.client_pods, resolved.client),
            (self.server_pods, resolved.server),
        ):
            pod = party.certain_pod if isinstance(party, Party) else None
            if pod is not None:
                names.add(pod.name)

    def merge(self, use: Use, *, at_once: bool) -> None:
        """Count what another capture, or part of one, counted."""
        self.connections += use.connections
        for way in (0, 1):
            self.packets[way] += use.packets[way]
            self.bytes[way] += use.bytes[way]
        self.first_ns = min(self.first_ns, use.first_ns)
        self.last_ns = max(self.last_ns, use.last_ns)
        for outcome, count in use.outcomes:
            _add(self.outcomes, outcome, count)
        for rule, count in use.rules:
            _add(self.rules, rule, count)
        self.services.update(use.services)
        self.client_pods.update(use.client_pods)
        self.server_pods.update(use.server_pods)
        if at_once:
            self.captures = max(self.captures, use.captures)
            self.hours.update(use.hours)
        else:
            self.captures += use.captures
            self.hours.update(use.hours or map(hour_of, (use.first_ns, use.last_ns)))
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
            packets=(self.packets[0], self.packets[1]),
            bytes=(self.bytes[0], self.bytes[1]),
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            outcomes=tuple(sorted(self.outcomes.items())),
            rules=tuple(sorted(self.rules.items())),
            services=tuple(sorted(self.services)),
            evidence=self.evidence,
            captures=self.captures or 1,
            hours=tuple(sorted(self.hours)),
            client_pods=tuple(sorted(self.client_pods)),
            server_pods=tuple(sorted(self.server_pods)),
        )


def _add(counts: dict[str, int], name: str, more: int) -> None:
    counts[name] = counts.get(name, 0) + more


def is_earlier(one: Evidence, other: Evidence) -> bool:
    """Whether a packet came first; of one time, by file and number."""
    return order_of(one) < order_of(other)


def order_of(evidence: Evidence) -> tuple[int, str, int]:
    """By what packets are in order: time, file and number."""
    return evidence.time_ns, evidence.file, evidence.packet


def evidence_order(found: Connection | ConnectionGroup) -> tuple[int, str, int]:
    """The same of what `evidence_of` gives."""
    if isinstance(found, ConnectionGroup):
        return found.evidence_ns, found.file, found.packet
    leg = found.legs[0]
    return found.first_ns, leg.file, leg.row.number


def count_of(found: Connection | ConnectionGroup) -> int:
    """How many connections it is."""
    return found.connections if isinstance(found, ConnectionGroup) else 1


def evidence_of(found: Connection | ConnectionGroup) -> Evidence:
    """Its earliest packet."""
    if isinstance(found, ConnectionGroup):
        return Evidence(found.file, found.packet, found.evidence_ns, found.rule)
    leg = found.legs[0]
    return Evidence(leg.file, leg.row.number, found.first_ns, found.rule)
