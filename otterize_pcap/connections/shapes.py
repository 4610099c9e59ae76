"""Shapes: what rules ask of a few flows that could be one connection, as canonical bytes.

A shape holds facts alone. Addresses are ranks, ports places within their class, times only what
rules compare; sums are left out. A cluster has some hundreds of shapes, whatever the number of its
connections. `shape_flows` makes flows again out of nothing but the bytes: a rule that asks for what
a shape lacks is wrong at its first example, and not only on a capture that nobody tests with.

Layout, a byte a field:

    header     protocol, ends, flows, sightings
    an end     rank of its address, whether its port is 1024 or above, place of its port among those
               of the same address and class, EndFact, PortFacts
    leads      their number, then (end, end that a Service leads to from there) each
    a flow     low end, high end, FlowFact | client's side (2: none) | first sender + 1 << 4
               (0: conntrack alone knows it), in the order in which they began,
               tokens of client ISN, server ISN and TCP timestamp (0: none), then for each side
               SideFact, acknowledged server ISNs, stream (flows with equal ones at an end overlap)
    a sighting ends of client, target, server and reply_to, SightingFact
    gaps       for each two flows whether the one began too late for the other; left out where none
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntFlag

from msgspec import Struct, field

from otterize_pcap.connections.conntrack_flows import DUMP_SLACK_NS, MANY
from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS
from otterize_pcap.connections.port_ranges import USUAL, WELL_KNOWN
from otterize_pcap.table.rows import Endpoint

PORT_CLASSES = (0, WELL_KNOWN)
"""Where each class of ports begins."""
MAX_SERVER_ISNS = 2


class EndFact(IntFlag):
    """What is known of an endpoint at the time."""

    SERVED = 1
    ANSWERED = 2
    SHARED = 4
    HELD = 8
    MOSTLY_CLIENT = 16
    MOSTLY_SERVER = 32


class FlowFact(IntFlag):
    """What is known of a flow beside its endpoints; the lower two bits are the client's side.

    `SETTLED` says of UDP that its 5-tuple is new, and that no recording had just begun.

    `BEGAN_WITH_LAST` says that it began in the same ns as the flow before it. That is told only
    where there are sightings: what conntrack adds begins with the flow that it was recorded by.
    `LACKS_QUESTION` says that no SYN of it was recorded, the SYN-ACK alone.
    """

    SETTLED = 4
    CROWDED = 8
    BEGAN_WITH_LAST = 64
    LACKS_QUESTION = 128


class SideFact(IntFlag):
    """What one side of a flow sent, all its legs taken together.

    Two bits of hints are between `UNREACHABLE` and `WENT_ON`, which is data or FIN.
    """

    PACKETS = 1
    ACKNOWLEDGED = 2
    RESET = 4
    SYN_ACK = 8
    UNREACHABLE = 16
    WENT_ON = 128


HINT_SHIFT = 5
HINTS = 3
SENDER = 3 << 4


class SightingFact(IntFlag):
    """What an entry says, and whether it is too early or late to be of its 5-tuples' flows."""

    ASSURED = 1
    BEFORE_IS_EARLY = 2
    BEFORE_IS_LATE = 4
    AFTER_IS_EARLY = 8
    AFTER_IS_LATE = 16
    BEGAN_WITHIN = 32


# Too late is only what tells of the last packet; whether one does that is told no other way.
IS_LATE = SightingFact.BEFORE_IS_LATE | SightingFact.AFTER_IS_LATE


class Limits(Struct, frozen=True):
    """The numbers that rules compare by, for whoever writes shapes."""

    slack_ns: int = SLACK_NS
    datagram_gap_ns: int = UDP_GAP_NS
    dump_slack_ns: int = DUMP_SLACK_NS
    many: int = MANY
    well_known: int = WELL_KNOWN
    usual_ports: range = USUAL


LIMITS = Limits()


End = tuple[int, int, int, int, int]
"""See the layout."""


class FlowFacts(Struct, frozen=True):
    """One flow of a shape; see the layout."""

    low: int
    high: int
    facts: int
    tokens: tuple[int, int, int]
    sides: tuple[tuple[int, int, int], tuple[int, int, int]]

    @property
    def has_legs(self) -> bool:
        """Whether it was recorded or is conntrack's alone."""
        return bool(self.facts & SENDER)

    @property
    def first_sender(self) -> int:
        """The side that sent the first packet of one that was recorded."""
        return ((self.facts & SENDER) >> 4) - 1


class ShapeFacts(Struct, frozen=True):
    """The facts of a shape; it also answers for the snapshot, of which it holds the answers."""

    protocol: int
    ends: tuple[End, ...]
    leads: tuple[tuple[int, int], ...]
    flows: tuple[FlowFacts, ...]
    sightings: tuple[tuple[int, int, int, int, int], ...]
    gaps: tuple[tuple[bool, ...], ...]
    led: Mapping[Endpoint, frozenset[Endpoint]] = field(default_factory=dict)
    served: frozenset[Endpoint] = frozenset()
    held: frozenset[bytes] = frozenset()

    def backends(
        self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int
    ) -> frozenset[Endpoint]:
        """The endpoints that a Service leads to, which is so all the time."""
        del protocol, first_ns, last_ns
        return self.led.get(endpoint, frozenset())

    def serves(self, endpoint: Endpoint, protocol: int, first_ns: int, last_ns: int) -> bool:
        """Whether a port is declared, which is so all the time."""
        del protocol, first_ns, last_ns
        return endpoint in self.served

    def held_by_pod(self, address: bytes, first_ns: int, last_ns: int) -> bool:
        """Whether a pod held an address, which is so all the time."""
        del first_ns, last_ns
        return address in self.held


def endpoint_of(end: End) -> Endpoint:
    """An endpoint that sorts among those of its shape as the one that was recorded did."""
    rank, port_class, place, *_ = end
    return (rank + 1).to_bytes(16), PORT_CLASSES[port_class] + place


def read_shape(shape: bytes) -> ShapeFacts:
    """The facts of a shape's bytes."""
    protocol, ends, flows, sightings = shape[:4]
    at = iter(shape[4:])
    found_ends = tuple(_read_end(at) for _ in range(ends))
    leads = tuple(_take(at, 2) for _ in range(next(at)))
    found_flows = tuple(_read_flow(at) for _ in range(flows))
    found_sightings = tuple(_take(at, 5) for _ in range(sightings))
    rest = tuple(map(bool, at)) or (False,) * flows**2
    endpoints = tuple(map(endpoint_of, found_ends))
    led: dict[Endpoint, set[Endpoint]] = {}
    for one, other in leads:
        led.setdefault(endpoints[one], set()).add(endpoints[other])
    return ShapeFacts(
        protocol=protocol,
        ends=found_ends,
        leads=leads,  # type: ignore[arg-type]
        flows=found_flows,
        sightings=found_sightings,  # type: ignore[arg-type]
        gaps=tuple(rest[flows * one : flows * one + flows] for one in range(flows)),
        led={endpoint: frozenset(others) for endpoint, others in led.items()},
        served=ends_having(found_ends, EndFact.SERVED),
        held=frozenset(address for address, _ in ends_having(found_ends, EndFact.HELD)),
    )


def _take(at: Iterator[int], count: int) -> tuple[int, ...]:
    return tuple(next(at) for _ in range(count))


def _read_end(at: Iterator[int]) -> End:
    rank, port_class, place, facts, ports = _take(at, 5)
    return rank, port_class, place, facts, ports


def _read_flow(at: Iterator[int]) -> FlowFacts:
    low, high, facts, *tokens = _take(at, 6)
    one, other = _take(at, 3), _take(at, 3)
    return FlowFacts(low, high, facts, tuple(tokens), (one, other))  # type: ignore[arg-type]


def ends_having(ends: Iterable[End], fact: EndFact) -> frozenset[Endpoint]:
    """The endpoints of which a fact is true."""
    return frozenset(endpoint_of(end) for end in ends if end[3] & fact)
