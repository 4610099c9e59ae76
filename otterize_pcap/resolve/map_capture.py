"""One capture → its resolved connections and service graph: the stages in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from otterize_pcap.connections.clocks import ClockFacts
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import leg_order
from otterize_pcap.connections.names import Names, RecordedPayload, read_names
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import (
    Coverage,
    External,
    ServiceGraph,
    Workload,
)
from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.resolve.any_clock import AnyClockResolver
from otterize_pcap.resolve.belonging import refuse_strangers
from otterize_pcap.resolve.blind_spots import with_workloads
from otterize_pcap.resolve.build_graph import (
    Inclusion,
    build_calls,
    merge_calls,
)
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.resolve.cluster_dns import ClusterDns, ServiceName
from otterize_pcap.resolve.external_names import ExternalNames
from otterize_pcap.resolve.holders import Holders
from otterize_pcap.resolve.identity import ANNOTATIONS, Identities, NamedBy, held_by_workloads
from otterize_pcap.resolve.lookups import Lookup, add_lookups, find_lookups
from otterize_pcap.resolve.naming_notes import inferred_names, merged_notes
from otterize_pcap.resolve.notes import (
    clock_notes,
    hands_notes,
    snapshot_notes,
    unrecorded_notes,
)
from otterize_pcap.resolve.resolve import (
    AMBIGUOUS,
    DEFAULT_SLACK_NS,
    GroupResolution,
    Resolution,
    Resolved,
    Resolver,
    of_one,
)
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.resolve.stands import StandResolver
from otterize_pcap.resolve.tunnel_answers import TunnelAnswers
from otterize_pcap.resolve.tunnel_ends import TunnelEnds
from otterize_pcap.resolve.undecided import find_undecided, merge_undecided, unknown_ends
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint

AGELESS = Fate(FateKind.UNRESOLVED, "known to conntrack only, without its age")
IN_FORGED = "inside a tunnel, but sent by a pod as well: forged"


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that change how a capture is understood; the defaults are the rules' own.

    `cluster_dns` are Services, (namespace, name), that are the cluster's DNS as well (S45).
    `force` goes on where a capture and a snapshot do not belong together (S13).
    """

    slack_ns: int = DEFAULT_SLACK_NS
    annotation: str = ANNOTATIONS[0]
    image_name_for_jobs: bool = False
    inclusion: Inclusion = field(default_factory=Inclusion)
    owner: NamedBy = NamedBy.ROOT
    workload_labels: tuple[str, ...] = ()
    cluster_dns: tuple[ServiceName, ...] = ()
    force: bool = False


def identities_under(rules: Rules, snapshot: Snapshot) -> Identities:
    """Who the pods of a snapshot are under these rules."""
    return Identities(
        snapshot,
        annotation=rules.annotation,
        image_name_for_jobs=rules.image_name_for_jobs,
        owner=rules.owner,
        workload_labels=rules.workload_labels,
    )


DEFAULT_RULES = Rules()


class CaptureLookup:
    """What everything that resolves one capture asks: its snapshot under the given rules."""

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self.contents = contents = contents_of(capture)
        self.rules = rules
        self.snapshot = contents.snapshot
        # An address that the API says is a node's is no other's, whatever interfaces have it.
        own = {address: frozenset((node,)) for address, node in self.snapshot.nodes.items()}
        self.nodes = {**contents.nodes, **own}
        self.hands = ChangesOfHands(contents, self.nodes, rules.slack_ns)
        self.routes = ServiceRoutes(self.snapshot, self.nodes, rules.slack_ns, self.hands)
        self.identities = identities_under(rules, self.snapshot)
        self.cluster_dns = ClusterDns(self.snapshot, self.identities, rules.cluster_dns)

    def resolver(self, other_readings: Sequence[int] = ()) -> Resolver:
        """What resolves ends by the clock chosen, and by others that may be right (S12)."""
        asked = (
            self.snapshot,
            self.identities,
            self.routes,
            self.nodes,
            self.rules.slack_ns,
            self.contents.inside,
        )
        if other_readings:
            # Which hand was whose depends on the clock.
            return AnyClockResolver(*asked, other_readings)
        return Resolver(*asked, self.hands)

    def names(self, offsets: Mapping[str, int]) -> Names:
        """What the capture's payloads name, by corrected time."""
        recorded = [
            RecordedPayload(payload, file, offsets.get(node, 0))
            for node, file, payload in self.contents.payloads
        ]
        return read_names(recorded, self._leads, self._vouches)

    def _leads(self, protocol: int, asked: Endpoint, answered: Endpoint) -> bool:
        """Whether what is asked at one endpoint may be answered from another: a Service's."""
        return any((lead[0], lead[1]) == answered for lead in self.routes.leads(protocol, asked))

    def _vouches(self, address: bytes) -> bool:
        """Whether no pod but the cluster's DNS can send from an address.

        Asked where reading kept too little of DNS to show the questions. Masquerading gives pods a
        node's address.
        """
        if self.contents.asks_kept:
            return False
        if self.cluster_dns.answers_from(address):
            return True
        return address not in self.snapshot.tenures and address not in self.nodes

    def port_ranges(self) -> dict[bytes, range]:
        """The ephemeral ports of nodes' and pods' addresses, as far as nodes saved them (S35).

        Nodes of a cluster are tuned alike: where all that are known say the same, the others do.
        """
        saved = self.contents.port_ranges
        ranges = set(saved.values())
        usual = ranges.pop() if len(ranges) == 1 else None
        pods = {
            address: frozenset(tenure.pod.node for tenure in tenures)
            for address, tenures in self.snapshot.tenures.items()
        }
        found = {
            address: saved.get(next(iter(names)), usual) if len(names) == 1 else usual
            for address, names in ({**self.nodes, **pods} if saved else {}).items()
        }
        return {address: ports for address, ports in found.items() if ports is not None}

    @staticmethod
    def believes(tunnels: tuple[Tunnel, ...]) -> bool:
        """Whether no pod sent a copy of what came through a tunnel (S25)."""
        return FORGED not in tunnels


class MappedCapture:
    """Every connection of a capture with what became of it, and the graph they make.

    Raises `MismatchError` where capture and snapshot do not belong together (S13).

    Connections that resolve alike are groups; `select` looks at each one of those asked for.
    """

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self._lookup = CaptureLookup(capture, rules)
        contents = self._lookup.contents
        if not rules.force:
            refuse_strangers(
                contents.recordings,
                contents.coverage_nodes,
                contents.snapshot,
                contents.nodes,
                contents.dumps,
            )
        self._found = GroupedConnections(
            contents.recordings,
            self._lookup.routes,
            contents.dumps,
            ClockFacts(contents.clocks_ahead, self._lookup.hands.settle),
            self._lookup.believes,
            ranges=self._lookup.port_ranges(),
        )
        self.offsets: Mapping[str, int] = self._found.offsets
        self._resolver = self._lookup.resolver(self._found.other_readings)
        self.cluster_dns: ClusterDns = self._lookup.cluster_dns
        self.inclusion = rules.inclusion
        self.clocks_disagree = bool(self._found.other_readings)

    @property
    def lookup(self) -> CaptureLookup:
        """What it was resolved against."""
        return self._lookup

    @cached_property
    def groups(self) -> list[GroupResolution]:
        """The groups of connections, with what becomes of each."""
        return [self._answers.judge(each) for each in self._of_groups]

    @cached_property
    def odd(self) -> list[Resolution]:
        """What becomes of each connection that is in no group."""
        return [self._answers.judge(each) for each in self._of_odd]

    @cached_property
    def _of_groups(self) -> list[GroupResolution]:
        resolve = StandResolver(self._resolver).resolve
        return [resolve(group) for group in self._found.groups]

    @cached_property
    def _of_odd(self) -> list[Resolution]:
        return [self._named(self._resolver.resolve(each)) for each in self._found.odd]

    @cached_property
    def _answers(self) -> TunnelAnswers:
        return TunnelAnswers(self._lookup.contents.closed, (*self._of_groups, *self._of_odd))

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """Every answer of DNS to a pod about a Service."""
        names = self._lookup.names(self.offsets)
        holders = Holders(self._resolver.holder, self._lookup.routes.client_changes)
        return tuple(find_lookups(names, self._lookup.snapshot, holders))

    @cached_property
    def held(self) -> Mapping[bytes, frozenset[Workload]]:
        """Which workloads held each pod address, at any time; see `held_by_workloads`."""
        return held_by_workloads(self._lookup.snapshot, self._lookup.identities)

    def changes_of_hands(self, address: bytes) -> list[tuple[int, int]]:
        """When packets show an address to have got another pod: after one time, by the other."""
        return self._lookup.hands.moments(address)

    @property
    def snapshot(self) -> Snapshot:
        """Who had which address when."""
        return self._lookup.snapshot

    @property
    def identities(self) -> Identities:
        """Whose pods they were."""
        return self._lookup.identities

    @property
    def shapes(self) -> int:
        """How often the rules ran."""
        return self._found.shapes

    @cached_property
    def resolutions(self) -> tuple[Resolution, ...]:
        """What becomes of every connection, by the time at which it began."""
        return tuple(sorted(self.select(lambda _: True), key=_order))

    def select(
        self, wanted: Callable[[Resolution | GroupResolution], bool]
    ) -> Iterator[Resolution]:
        """What becomes of each connection that is wanted, as its group or by a name of its own."""

        def could_be(resolution: GroupResolution) -> bool:
            return wanted(resolution) or (self._goes_by_names and _is_outside(resolution))

        yield from filter(wanted, self._each(could_be))
        yield from filter(wanted, self.odd)

    def _each(self, wanted: Callable[[GroupResolution], bool]) -> Iterator[Resolution]:
        """Each connection of the groups that are wanted."""
        chosen = {
            resolution.connection.number: resolution
            for resolution in self.groups
            if wanted(resolution)
        }
        for number, connection in self._found.connections(chosen.keys()):
            yield self._named(of_one(chosen[number], connection))

    @cached_property
    def graph(self) -> ServiceGraph:
        """The service graph."""
        lookup, contents, rules = self._lookup, self._lookup.contents, self._lookup.rules
        counted = self._counted()
        calls, fates, hidden = build_calls(counted, rules.inclusion, lookup.cluster_dns)
        if rules.inclusion.lookups:
            calls = add_lookups(calls, self.lookups)
        if self._found.ageless:
            fates[AGELESS] += self._found.ageless
        skipped = Counter(contents.skipped)
        if self._found.left_out_packets:
            skipped[IN_FORGED] += self._found.left_out_packets
        coverage = Coverage(
            files=contents.files,
            nodes=with_workloads(
                contents.coverage_nodes, contents.files, lookup.snapshot, lookup.identities
            ),
            connections=tuple(sorted(fates.items())),
            skipped=tuple(sorted(skipped.items())),
            notes=(*self._notes(fates[AMBIGUOUS]), *merged_notes(lookup.identities, calls)),
            undecided=(
                *find_undecided(
                    counted,
                    attempts=rules.inclusion.attempts,
                    balancers=self._has_balancers,
                    tunnels=bool(contents.closed),
                ),
                *unknown_ends(AGELESS, self._found.ageless),
            ),
        )
        nearest = rules.owner == NamedBy.NEAREST
        return ServiceGraph(
            calls,
            coverage,
            hidden,
            inferred_names(lookup.identities, calls),
            lookup.identities.roots() if nearest else (),
        )

    def _notes(self, ambiguous: int) -> Iterator[str]:
        """What a reader must know to trust the graph."""
        lookup, contents = self._lookup, self._lookup.contents
        yield from clock_notes(self.offsets, self._found.other_readings)
        yield from snapshot_notes(lookup.snapshot, contents.files, lookup.rules.slack_ns)
        yield from hands_notes(lookup.hands, ambiguous, lookup.snapshot)
        yield from unrecorded_notes(
            lookup.snapshot,
            {each.node for each in contents.recordings if each.files},
            {each.name for each in contents.coverage_nodes},
            max(
                (file.last_ns for file in contents.files if file.last_ns is not None), default=None
            ),
        )
        ends = TunnelEnds(lookup.snapshot, contents.nodes)
        opened = any(
            any(each.table.paths) for each in contents.recordings if each.table is not None
        )
        yield from ends.notes(contents.closed, opened=opened)

    def _counted(self) -> list[Resolution | GroupResolution]:
        """All connections, in groups as far as a group says all of them."""
        if not self._goes_by_names:
            return [*self.odd, *self.groups]
        # A name belongs to a single connection, so that none can stand for others.
        inside = [resolution for resolution in self.groups if not _is_outside(resolution)]
        return [*self.odd, *inside, *self._each(_is_outside)]

    @cached_property
    def _names(self) -> ExternalNames:
        lookup = self._lookup
        return ExternalNames(lookup.snapshot, lookup.names(self.offsets), self._resolver)

    @cached_property
    def _has_balancers(self) -> bool:
        """Whether the Service behind an address outside may be known by name (S50)."""
        return any(service.hostnames for service in self._lookup.snapshot.services)

    @property
    def _goes_by_names(self) -> bool:
        return self._lookup.rules.inclusion.internet or self._has_balancers

    def _named(self, resolution: Resolution) -> Resolution:
        """The same with a server outside as the Service that it serves, or by name (S50)."""
        if self._has_balancers:
            resolution = self._names.behind_balancer(resolution)
        if not self._lookup.rules.inclusion.internet:
            return resolution
        return self._names.named(resolution)


def map_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> MappedCapture:
    """Join, direct and resolve every connection of a capture."""
    return MappedCapture(capture, rules)


def graph_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> ServiceGraph:
    """The service graph of a capture."""
    return MappedCapture(capture, rules).graph


def _order(resolution: Resolution) -> tuple[int, str, int]:
    return leg_order(resolution.connection.legs[0])


def _is_outside(resolution: Resolution | GroupResolution) -> bool:
    return isinstance(resolution, Resolved) and isinstance(resolution.server, External)


def merge_graphs(graphs: Sequence[ServiceGraph]) -> ServiceGraph:
    """The graphs of several captures, each resolved with its own snapshot, as one (S13)."""
    if len(graphs) == 1:
        return graphs[0]
    coverages = [graph.coverage for graph in graphs if graph.coverage is not None]
    connections: Counter[Fate] = Counter()
    skipped: Counter[str] = Counter()
    for coverage in coverages:
        connections.update(dict(coverage.connections))
        skipped.update(dict(coverage.skipped))
    return ServiceGraph(
        merge_calls(graph.calls for graph in graphs),
        Coverage(
            files=tuple(file for coverage in coverages for file in coverage.files),
            nodes=tuple(node for coverage in coverages for node in coverage.nodes),
            connections=tuple(sorted(connections.items())),
            skipped=tuple(sorted(skipped.items())),
            notes=tuple(dict.fromkeys(note for coverage in coverages for note in coverage.notes)),
            undecided=merge_undecided(
                call for coverage in coverages for call in coverage.undecided
            ),
        ),
        tuple(dict.fromkeys(call for graph in graphs for call in graph.hidden)),
        tuple(dict.fromkeys(entry for graph in graphs for entry in graph.inferred)),
        tuple(dict.fromkeys(entry for graph in graphs for entry in graph.roots)),
    )
