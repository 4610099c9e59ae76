"""Flows of a log, gathered: those of one 5-tuple that are of one connection.

Order does not matter: flows are taken by their times and what they say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from otterize_pcap.connections.legs import SLACK_NS, UDP_GAP_NS, Tuple5
from otterize_pcap.flow_logs.flow import Flow, LoggedEnd, LogRecords, Shows
from otterize_pcap.packets.protocols import TCP


class GatheredFlows(Struct):
    """A connection of one 5-tuple while its flows are gathered: the ends, lower endpoint first."""

    low: LoggedEnd
    high: LoggedEnd
    flows: list[Flow] = field(default_factory=list)
    last_ns: int = 0
    closed_ns: int | None = None

    def add(self, flow: Flow, low: LoggedEnd, high: LoggedEnd) -> None:
        """Take in the next flow by time, which `goes_on` said is of this connection."""
        self.low, self.high = merged_end(self.low, low), merged_end(self.high, high)
        self.flows.append(flow)
        self.last_ns = max(self.last_ns, flow.last_ns)
        if flow.shows & Shows.CLOSES:
            self.closed_ns = max(self.closed_ns or 0, flow.last_ns)

    def goes_on(self, flow: Flow, low: LoggedEnd, high: LoggedEnd) -> bool:
        """Whether a later flow of the 5-tuple is of the same connection."""
        if not (are_one(self.low, low) and are_one(self.high, high)):
            return False
        if flow.protocol != TCP:
            return flow.first_ns <= self.last_ns + UDP_GAP_NS
        opens = flow.shows & Shows.OPENS
        return not (
            opens and self.closed_ns is not None and flow.first_ns > self.closed_ns + SLACK_NS
        )


def gathered(logs: Iterable[LogRecords]) -> Iterator[GatheredFlows]:
    """Connections of one 5-tuple after the other."""
    by_tuple: dict[Tuple5, list[Flow]] = defaultdict(list)
    for log in logs:
        for flow in log.flows:
            lower, higher = sorted((flow.source.endpoint, flow.destination.endpoint))
            by_tuple[flow.protocol, lower, higher].append(flow)
    for (_, lowest, _), flows in by_tuple.items():
        current: GatheredFlows | None = None
        for flow in sorted(flows, key=flow_order):
            low, high = flow.ends if flow.source.endpoint == lowest else flow.turned
            if current is None or not current.goes_on(flow, low, high):
                if current is not None:
                    yield current
                current = GatheredFlows(low, high)
            current.add(flow, low, high)
        if current is not None:
            yield current


def flow_order(flow: Flow) -> tuple[object, ...]:
    """By time; then by all that it says, so that no order of lines matters."""
    return (
        flow.first_ns,
        flow.last_ns,
        flow.ends,
        -1 if flow.client is None else flow.client,
        flow.rule,
        flow.shows,
        flow.view,
        flow.packets,
        flow.bytes,
        flow.file,
        flow.line,
    )


def merged_end(one: LoggedEnd, other: LoggedEnd) -> LoggedEnd:
    """What two records say of one end, each as far as it says anything."""
    if one is other or one == other:
        return one
    return replace(
        one,
        namespace=one.namespace or other.namespace,
        pod=one.pod or other.pod,
        owners=one.owners or other.owners,
        labels=one.labels or other.labels,
        node=one.node or other.node,
        stands_for=one.stands_for or other.stands_for,
        service=one.service or other.service,
        names=tuple(sorted({*one.names, *other.names})),
    )


def are_one(one: LoggedEnd, other: LoggedEnd) -> bool:
    """Whether two records can speak of one pod, or neither of any."""
    return not (one.pod and other.pod) or (one.namespace, one.pod) == (other.namespace, other.pod)
