"""What packet filters at the pods saw of a capture: from which pod to which, and to which port.

Policies are held against this and made from this, and nothing else in this room knows how a
connection comes to it. Unlike a service graph it has pods and not workloads, keeps what is outside,
what goes to the cluster's DNS and what nodes send, and tells what each side's filter saw: Services
are gone by then, and so may be the client's address.
"""

from collections.abc import Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import LINK_LOCAL, in_network
from otterize_pcap.connections.outcome import ESTABLISHED as CONNECTED
from otterize_pcap.connections.outcome import UNANSWERED
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import ATTEMPTED, ESTABLISHED, Evidence, External, Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, UDP
from otterize_pcap.policies.flow_ends import (
    AnyEnd,
    CallerEnd,
    FlowEnd,
    PodEnd,
    ServiceEnd,
    UnknownEnd,
    end_key,
)
from otterize_pcap.policies.locate import Locator, Reached, Seen, client_span, server_span
from otterize_pcap.resolve.build_graph import is_half
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
    NOT_A_CALL,
    UNDIRECTED,
    GroupResolution,
    Party,
    Resolution,
    Resolved,
    Unknown,
)
from otterize_pcap.resolve.use_tally import count_of, evidence_of, is_earlier

ONE_WAY = "one-way"
STATUSES = (ESTABLISHED, ONE_WAY, ATTEMPTED)
"""Of one thing that was seen several times, the first of these counts. `ONE_WAY` is UDP without an
answer, which may need none (statsd, syslog), and an older connection of which one direction was
recorded."""


class PodFlow(Struct, frozen=True):
    """Connections of one kind between two ends that are known.

    `server_port` is the server's own port: the target port, where a Service led there. What the
    filter of the client's pod sees are `destination` and `port`, which differ from `server` and
    `server_port` only where another node changed them (NodePorts, hostPorts); what that of the
    server's pod sees are `source`, which differs from `client` where a node put its own address in,
    and `server_port`. `services` are the `name.namespace` of those that led there. Times are ns
    since the epoch, `evidence` the earliest packet.
    """

    client: CallerEnd
    server: FlowEnd
    source: CallerEnd
    destination: FlowEnd
    protocol: str
    port: int
    server_port: int
    status: str
    connections: int
    first_ns: int
    last_ns: int
    services: tuple[str, ...]
    evidence: Evidence

    def elsewhere(self) -> "Iterator[PodFlow]":
        """The same as filters would see it were a pod on another node: nothing changed on the way.

        A node changes what goes to its own NodePorts before the filter of a pod there sees it.
        """
        # Nearly always the same value, whose fields need not be compared then.
        if self.destination is not self.server and self.destination != self.server:
            yield replace(self, destination=self.server, port=self.server_port)
        if self.source is not self.client and self.source != self.client:
            yield replace(self, source=self.client)


class UndecidedFlow(Struct, frozen=True):
    """Connections of which an end, or the direction, is not known: `fate` says why.

    Where that is the direction, `client` and `server` may as well be the other way round. `port` is
    what was called.
    """

    client: AnyEnd
    server: AnyEnd
    fate: Fate
    protocol: str
    port: int
    status: str
    connections: int
    first_ns: int
    last_ns: int
    evidence: Evidence

    @property
    def callers(self) -> frozenset[Workload]:
        """The workloads whose call it may be."""
        return self._workloads(self.client, self.server)

    @property
    def called(self) -> frozenset[Workload]:
        """The workloads that it may have called."""
        return self._workloads(self.server, self.client)

    def _workloads(self, end: AnyEnd, other: AnyEnd) -> frozenset[Workload]:
        ends = (end, other) if self.fate.kind is FateKind.UNDIRECTED else (end,)
        return frozenset(workload for each in ends for workload in _may_be(each))


class PodFlows(Struct, frozen=True):
    """All that packet filters at the pods of one capture saw, in order."""

    flows: tuple[PodFlow, ...] = ()
    undecided: tuple[UndecidedFlow, ...] = ()


Counted = TypeVar("Counted", PodFlow, UndecidedFlow)
_FlowKey = tuple[CallerEnd, FlowEnd, CallerEnd, FlowEnd, str, int, int]


def pod_flows(mapped: MappedCapture) -> PodFlows:
    """What packet filters at the pods saw of a capture, each kind once.

    Connections that nobody's filter sees (a pod's own loopback, broadcast) are left out.
    """
    reader = _Reader(mapped)
    flows: dict[_FlowKey, PodFlow] = {}
    undecided: dict[tuple[object, ...], UndecidedFlow] = {}
    for resolution in mapped.addressed():
        for found in reader.read(resolution):
            if isinstance(found, PodFlow):
                ends = (found.client, found.server, found.source, found.destination)
                key = (*ends, found.protocol, found.port, found.server_port)
                known = flows.get(key)
                flows[key] = found if known is None else _added(known, found)
            else:
                one = (found.client, found.server, found.fate, found.protocol, found.port)
                undecided[one] = _more(undecided.get(one), found)
    keys = _EndKeys()
    return PodFlows(
        tuple(flows[key] for key in sorted(flows, key=lambda key: _flow_order(key, keys))),
        tuple(sorted(undecided.values(), key=lambda flow: _undecided_order(flow, keys))),
    )


class _Reader:
    """Makes flows of what became of connections."""

    def __init__(self, mapped: MappedCapture) -> None:
        self._resolver = mapped.resolver
        self._locator = Locator(mapped)

    def read(self, resolution: Resolution | GroupResolution) -> Iterator[PodFlow | UndecidedFlow]:
        """The flows of a connection, or of a group of them: one, but for Services of many ports."""
        seen = resolution.connection
        if isinstance(resolution, Resolved):
            yield from self._flows(
                seen, resolution.client, resolution.server, resolution.port, resolution.services
            )
            return
        if resolution.fate == NOT_A_CALL and not _is_asked_of_the_cloud(seen):
            return
        client = self._resolver.client(seen.clients, *client_span(seen))
        server, services, port = (
            (Unknown(NOT_A_CALL), (), seen.servers[-1][1])
            if resolution.fate == NOT_A_CALL
            else self._resolver.server(seen.protocol, seen.servers, *server_span(seen))
        )
        fate = UNDIRECTED if resolution.fate.kind is FateKind.UNDIRECTED else None
        yield from self._flows(seen, client, server, port, services, fate)

    def _flows(
        self,
        seen: Seen,
        client: Party | Unknown,
        server: Party | External | Unknown,
        port: int,
        services: tuple[str, ...],
        fate: Fate | None = None,
    ) -> Iterator[PodFlow | UndecidedFlow]:
        caller = self._locator.client(client, seen)
        for reached in self._locator.servers(server, port, seen, caller):
            unknown = fate or _fate_of(caller, reached.end)
            if unknown is not None:
                yield _undecided(seen, caller, reached, unknown)
            elif not isinstance(caller, UnknownEnd) and not isinstance(reached.end, UnknownEnd):
                yield PodFlow(
                    client=caller,
                    server=reached.end,
                    source=self._locator.source(caller, reached.end, seen),
                    destination=reached.front or reached.end,
                    protocol=PROTOCOL_NAMES[seen.protocol],
                    port=reached.front_port or reached.port,
                    server_port=reached.port,
                    status=_status(seen),
                    connections=count_of(seen),
                    first_ns=seen.first_ns,
                    last_ns=seen.last_ns,
                    services=services,
                    evidence=evidence_of(seen),
                )


def _fate_of(client: AnyEnd, server: AnyEnd) -> Fate | None:
    """Why an end is not known, the client's first; None where both are."""
    return next((end.fate for end in (client, server) if isinstance(end, UnknownEnd)), None)


def _undecided(seen: Seen, client: AnyEnd, reached: Reached, fate: Fate) -> UndecidedFlow:
    return UndecidedFlow(
        client=client,
        server=reached.end,
        fate=fate,
        protocol=PROTOCOL_NAMES[seen.protocol],
        port=reached.port,
        status=_status(seen),
        connections=count_of(seen),
        first_ns=seen.first_ns,
        last_ns=seen.last_ns,
        evidence=evidence_of(seen),
    )


def _status(seen: Seen) -> str:
    if seen.outcome == CONNECTED:
        return ESTABLISHED
    one_way = seen.outcome == UNANSWERED and (seen.protocol == UDP or is_half(seen))
    return ONE_WAY if one_way else ATTEMPTED


def _is_asked_of_the_cloud(seen: Seen) -> bool:
    """Whether a link-local address was called from one that is none."""
    return in_network(seen.servers[-1][0], LINK_LOCAL) and not in_network(
        seen.clients[0][0], LINK_LOCAL
    )


def _may_be(end: AnyEnd) -> Iterator[Workload]:
    """The workloads that an end is, or may be."""
    match end:
        case PodEnd(workload=workload):
            yield workload
        case ServiceEnd(ends=ends):
            for one in ends:
                yield from _may_be(one)
        case UnknownEnd(candidates=candidates):
            yield from candidates


def _added(known: PodFlow, more: PodFlow) -> PodFlow:
    """Two of one kind as one."""
    return replace(_more(known, more), services=tuple(sorted({*known.services, *more.services})))


def _more(known: Counted | None, more: Counted) -> Counted:
    if known is None:
        return more
    earlier = more.evidence if is_earlier(more.evidence, known.evidence) else known.evidence
    return replace(
        known,
        status=min(known.status, more.status, key=STATUSES.index),
        connections=known.connections + more.connections,
        first_ns=min(known.first_ns, more.first_ns),
        last_ns=max(known.last_ns, more.last_ns),
        evidence=earlier,
    )


class _EndKeys(dict[AnyEnd, tuple[str, ...]]):
    """What puts ends in order: each once, since most flows have ends that others have as well."""

    def __missing__(self, end: AnyEnd) -> tuple[str, ...]:
        found = self[end] = end_key(end)
        return found


def _flow_order(key: _FlowKey, keys: _EndKeys) -> tuple[object, ...]:
    client, server, source, destination, protocol, port, server_port = key
    ends = (keys[client], keys[server], keys[source], keys[destination])
    return (*ends, protocol, port, server_port)


def _undecided_order(flow: UndecidedFlow, keys: _EndKeys) -> tuple[object, ...]:
    return keys[flow.client], keys[flow.server], flow.fate, flow.protocol, flow.port
