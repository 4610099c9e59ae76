"""Resolved connections → service graph: calls with ports, counts and evidence (S41 to S51)."""

from collections import Counter
from collections.abc import Iterable
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.outcome import ESTABLISHED as CONNECTED
from otterize_pcap.connections.rule import Rule
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    ESTABLISHED,
    LOOKUP,
    Call,
    External,
    HiddenCall,
    Server,
    Workload,
)
from otterize_pcap.intervals import Interval
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, UDP
from otterize_pcap.resolve.cluster_dns import ClusterDns
from otterize_pcap.resolve.resolution import (
    AnyResolved,
    GroupResolution,
    Party,
    Resolution,
    Resolved,
    Unresolved,
)
from otterize_pcap.resolve.use_tally import UseTally, count_of

SHOWN = Fate(FateKind.RESOLVED)
HIDDEN_DNS = Fate(FateKind.HIDDEN, "call to the cluster's DNS")
HIDDEN_EXTERNAL = Fate(FateKind.HIDDEN, "external server")
HIDDEN_SELF = Fate(FateKind.HIDDEN, "workload calling itself")
HIDDEN_ONE_WAY = Fate(FateKind.HIDDEN, "one-way UDP")
HIDDEN_HALF = Fate(FateKind.HIDDEN, "one direction alone of a connection older than the capture")
HIDDEN_LABEL = Fate(FateKind.HIDDEN, "excluded label")
HIDDEN_CLIENT = Fate(FateKind.HIDDEN, "client not selected")
HIDDEN_NAMESPACE = Fate(FateKind.HIDDEN, "excluded namespace")
HIDDEN_TIME = Fate(FateKind.HIDDEN, "outside the time asked for")
HIDDEN_BY_OPTION = frozenset(
    (
        *(HIDDEN_DNS, HIDDEN_SELF, HIDDEN_HALF, HIDDEN_LABEL, HIDDEN_CLIENT, HIDDEN_NAMESPACE),
        HIDDEN_TIME,
    )
)
"""Of calls between workloads that took place, or may have."""

NO_VALUE = "no_value"


class Inclusion(Struct, frozen=True):
    """Which resolved connections become calls; the defaults are the rules' own.

    `exclude_labels` are (key, value) pairs of pod labels, the value None where any will do;
    `exclude_namespaces` are names: an edge is dropped if either side matches (S60).
    `client_labels` are those that a client's pod must have, all of them. `distinct_by_label` is the
    key of a pod label by whose values clients are told apart. Some of a connection must lie
    `within` a time (ns since the epoch). `behind` keeps the pods of each call, and the labels of
    workloads: for pictures and JSON, since it takes time and room.
    """

    attempts: bool = False
    one_way_udp: bool = False
    cluster_dns: bool = False
    internet: bool = False
    lookups: bool = False
    self_calls: bool = True
    exclude_labels: tuple[tuple[str, str | None], ...] = ()
    exclude_namespaces: frozenset[str] = frozenset()
    client_labels: tuple[tuple[str, str], ...] = ()
    distinct_by_label: str = ""
    within: Interval | None = None
    behind: bool = False


Tallies = dict[tuple[Workload, Server], dict[tuple[str, int], UseTally]]


def build_calls(
    resolutions: Iterable[Resolution | GroupResolution],
    inclusion: Inclusion,
    cluster_dns: ClusterDns,
) -> tuple[tuple[Call, ...], Counter[Fate], tuple[HiddenCall, ...]]:
    """The calls, sorted (S61), how many connections each fate had, and what is hidden and why.

    `cluster_dns` knows the cluster's DNS (S45).
    """
    tallies: Tallies = {}
    fates = _Fates()
    hidden: set[HiddenCall] = set()
    near: dict[tuple[int, ...], object] = {}
    tally_of = _Tallying(tallies, inclusion.distinct_by_label).of
    for resolution in resolutions:
        fate = fate_of(resolution, inclusion, cluster_dns)
        fates.add(fate, count_of(resolution.connection))
        if not isinstance(resolution, Resolved):
            continue
        if fate.kind is FateKind.RESOLVED:
            tally = tally_of(resolution)
            tally.add(resolution)
            if inclusion.behind:
                tally.add_pods(resolution)
        elif isinstance(resolution.server, Party):
            known = resolution.client, resolution.server, fate, resolution.services
            # To hash a call takes as long as all the rest, and most are the same values again.
            if near.setdefault(tuple(map(id, known)), known) is known:
                pair = resolution.client.workload, resolution.server.workload
                hidden.add(HiddenCall(*pair, fate, resolution.services))
    return _calls(tallies), fates.counted(), tuple(sorted(hidden, key=_hidden_order))


def count_fates(
    resolutions: Iterable[Resolution | GroupResolution],
    inclusion: Inclusion,
    cluster_dns: ClusterDns,
) -> tuple[Counter[Fate], set[Workload]]:
    """Without the calls, how many connections each fate had, and the workloads of those shown."""
    fates: Counter[Fate] = Counter()
    shown: set[Workload] = set()
    for resolution in resolutions:
        fate = fate_of(resolution, inclusion, cluster_dns)
        fates[fate] += count_of(resolution.connection)
        if isinstance(resolution, Resolved) and fate.kind is FateKind.RESOLVED:
            shown.add(resolution.client.workload)
            if isinstance(resolution.server, Party):
                shown.add(resolution.server.workload)
    return fates, shown


def _hidden_order(call: HiddenCall) -> tuple[str, ...]:
    return (*call_order(call), str(call.fate), *call.services)


class _Fates:
    """Counts fates; one and the same is told by its identity, since to hash one takes a µs."""

    def __init__(self) -> None:
        self._fates: dict[int, Fate] = {}
        self._counts: dict[int, int] = {}

    def add(self, fate: Fate, connections: int) -> None:
        """Count some connections."""
        known = id(fate)
        if known in self._counts:
            self._counts[known] += connections
        else:
            self._fates[known], self._counts[known] = fate, connections

    def counted(self) -> Counter[Fate]:
        """How many there were of each."""
        found: Counter[Fate] = Counter()
        for known, connections in self._counts.items():
            found[self._fates[known]] += connections
        return found


class _Tallying:
    """Finds the tally of a connection; one and the same workload is told by its identity.

    To tell workloads apart takes longer than all the rest.
    """

    def __init__(self, tallies: Tallies, label: str) -> None:
        self._tallies, self._label = tallies, label
        # What is known by its identity is kept with it.
        self._near: dict[tuple[int, int, int, int], tuple[UseTally, object, object]] = {}

    def of(self, resolved: AnyResolved) -> UseTally:
        """The tally of its call and port."""
        # Where a label tells clients apart, one workload is several.
        client = resolved.client if self._label else resolved.client.workload
        party = resolved.server
        if isinstance(party, External) and isinstance(resolved.connection, Connection):
            # A single connection's server outside is a value of its own.
            return self._found(resolved)
        server = party.workload if isinstance(party, Party) else party
        key = id(client), id(server), resolved.connection.protocol, resolved.port
        found = self._near.get(key)
        if found is None:
            found = self._near[key] = self._found(resolved), client, server
        return found[0]

    def _found(self, resolved: AnyResolved) -> UseTally:
        server, label = resolved.server, self._label
        client = _labelled(resolved.client, label) if label else resolved.client.workload
        pair = (client, server.workload if isinstance(server, Party) else server)
        port = (PROTOCOL_NAMES[resolved.connection.protocol], resolved.port)
        ports = self._tallies.setdefault(pair, {})
        if port not in ports:
            ports[port] = UseTally()
        return ports[port]


def _labelled(party: Party, key: str) -> Workload:
    value = party.pod.labels.get(key, NO_VALUE) if party.pod else NO_VALUE
    return replace(party.workload, label=f"{key}={value}")


def merge_calls(parts: Iterable[tuple[Call, ...]], *, at_once: bool = False) -> tuple[Call, ...]:
    """The calls of several captures as one (S13); `at_once` where all are of the same captures."""
    tallies: Tallies = {}
    for calls in parts:
        for call in calls:
            ports = tallies.setdefault((call.client, call.server), {})
            for use in call.uses:
                ports.setdefault((use.protocol, use.port), UseTally()).merge(use, at_once=at_once)
    return _calls(tallies)


def _calls(tallies: Tallies) -> tuple[Call, ...]:
    """The calls, in order; the tallies are used up."""
    calls = []
    while tallies:
        # What is a call is no tally any more: there is room for a million of either, not of both.
        (client, server), ports = tallies.popitem()
        uses = tuple(ports[key].use(*key) for key in sorted(ports))
        seen = {outcome for use in uses for outcome, _ in use.outcomes}
        status = ESTABLISHED if CONNECTED in seen else ATTEMPTED if uses else LOOKUP
        calls.append(Call(client, server, status, uses))
    return tuple(sorted(calls, key=call_order))


def fate_of(
    resolution: Resolution | GroupResolution,
    inclusion: Inclusion,
    cluster_dns: ClusterDns,
) -> Fate:
    """What becomes of a connection: shown, hidden and why, or why it is not resolved."""
    seen, within = resolution.connection, inclusion.within
    if within is not None and not within.touches(seen.first_ns, seen.last_ns, 0):
        return HIDDEN_TIME
    if isinstance(resolution, Unresolved):
        return resolution.fate
    connection, server = resolution.connection, resolution.server
    if connection.outcome != CONNECTED:
        one_way = connection.protocol == UDP and connection.outcome == "unanswered"
        if not (inclusion.attempts or (one_way and inclusion.one_way_udp)):
            if one_way:
                return HIDDEN_ONE_WAY
            return HIDDEN_HALF if is_half(connection) else _hidden(connection.outcome)
    if cluster_dns.is_called(resolution):
        if not inclusion.cluster_dns:
            return HIDDEN_DNS
    elif isinstance(server, External):
        if not inclusion.internet:
            return HIDDEN_EXTERNAL
    elif not inclusion.self_calls and server.workload == resolution.client.workload:
        return HIDDEN_SELF
    return _excluded(resolution, inclusion) or SHOWN


@cache
def _hidden(outcome: str) -> Fate:
    return Fate(FateKind.HIDDEN, outcome)


def is_half(connection: Connection | ConnectionGroup) -> bool:
    """Whether segments of one side are all that was recorded: nobody begins a connection so.

    It was answered before the capture; whether its peer is there still, nothing says (S40).
    """
    if isinstance(connection, Connection) and connection.syns:
        # A flow log's connection goes by a rule of its own, whatever it saw.
        return False
    return connection.outcome == "unanswered" and connection.rule is not Rule.HANDSHAKE


def _excluded(resolved: AnyResolved, inclusion: Inclusion) -> Fate | None:
    if inclusion.client_labels:
        labels = resolved.client.pod.labels if resolved.client.pod else {}
        if any(labels.get(key) != value for key, value in inclusion.client_labels):
            return HIDDEN_CLIENT
    if not (inclusion.exclude_namespaces or inclusion.exclude_labels):
        return None
    for party in (resolved.client, resolved.server):
        if isinstance(party, External):
            continue
        if party.workload.namespace in inclusion.exclude_namespaces:
            return HIDDEN_NAMESPACE
        labels = party.pod.labels if party.pod else {}
        for key, value in inclusion.exclude_labels:
            if key in labels and value in (None, labels[key]):
                return HIDDEN_LABEL
    return None
