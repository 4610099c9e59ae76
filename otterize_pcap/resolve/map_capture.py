"""One capture → its resolved connections and service graph: the stages in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import Recording, leg_order
from otterize_pcap.connections.names import Names, RecordedPayload, read_names
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import (
    Coverage,
    External,
    FileCoverage,
    NodeCoverage,
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
    cluster_dns_ports,
    merge_calls,
)
from otterize_pcap.resolve.external_names import name_outside
from otterize_pcap.resolve.identity import ANNOTATIONS, Identities
from otterize_pcap.resolve.lookups import Lookup, add_lookups, find_lookups
from otterize_pcap.resolve.notes import clock_notes, snapshot_notes
from otterize_pcap.resolve.resolve import (
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
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import Payload

AGELESS = Fate(FateKind.UNRESOLVED, "known to conntrack only, without its age")
IN_FORGED = "inside a tunnel, but sent by a pod as well: forged"


@dataclass(frozen=True, slots=True)
class Capture:
    """All that was recorded at one time: files, conntrack dumps, node addresses, the snapshot.

    `nodes` maps local node addresses, beyond those in the snapshot, to the nodes that have them.
    `files` and `coverage_nodes` say what was read and which nodes were captured; `skipped` counts
    packets without a connection, by reason. `payloads` are what names are read from, each with its
    node and file. `clocks_ahead` is how far, in ns, nodes' clocks were ahead of the API server's,
    where measured. `closed` counts the packets of tunnels that were left closed (S25).
    """

    recordings: Sequence[Recording]
    snapshot: Snapshot
    dumps: Sequence[Dump] = ()
    nodes: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    files: tuple[FileCoverage, ...] = ()
    coverage_nodes: tuple[NodeCoverage, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    payloads: Sequence[tuple[str, str, Payload]] = ()
    clocks_ahead: Mapping[str, int] = field(default_factory=dict)
    closed: Mapping[Tunnel, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that change how a capture is understood; the defaults are the rules' own.

    `force` goes on where a capture and a snapshot do not belong together (S13).
    """

    slack_ns: int = DEFAULT_SLACK_NS
    annotation: str = ANNOTATIONS[0]
    image_name_for_jobs: bool = False
    inclusion: Inclusion = field(default_factory=Inclusion)
    force: bool = False


DEFAULT_RULES = Rules()


class CaptureLookup:
    """What everything that resolves one capture asks: its snapshot under the given rules."""

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self.capture = capture
        self.rules = rules
        self.snapshot = capture.snapshot
        # An address that the API says is a node's is no other's, whatever interfaces have it.
        own = {address: frozenset((node,)) for address, node in capture.snapshot.nodes.items()}
        self.nodes = {**capture.nodes, **own}
        self.routes = ServiceRoutes(capture.snapshot, self.nodes, rules.slack_ns)
        self.identities = Identities(
            capture.snapshot,
            annotation=rules.annotation,
            image_name_for_jobs=rules.image_name_for_jobs,
        )
        self.cluster_dns = cluster_dns_ports(capture.snapshot, self.identities)

    def resolver(self, other_readings: Sequence[int] = ()) -> Resolver:
        """What resolves ends by the clock chosen, and by others that may be right (S12)."""
        asked = (self.snapshot, self.identities, self.routes, self.nodes, self.rules.slack_ns)
        return AnyClockResolver(*asked, other_readings) if other_readings else Resolver(*asked)

    def names(self, offsets: Mapping[str, int]) -> Names:
        """What the capture's payloads name, by corrected time."""
        return read_names(
            RecordedPayload(payload, file, offsets.get(node, 0))
            for node, file, payload in self.capture.payloads
        )

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
        if not rules.force:
            refuse_strangers(
                capture.recordings, capture.coverage_nodes, capture.snapshot, self._lookup.nodes
            )
        self._found = GroupedConnections(
            capture.recordings,
            self._lookup.routes,
            [dump for dump in capture.dumps if dump.entries],
            capture.clocks_ahead,
            self._lookup.believes,
        )
        self.offsets: Mapping[str, int] = self._found.offsets
        self._resolver = self._lookup.resolver(self._found.other_readings)
        self.cluster_dns: Mapping[Workload, frozenset[int]] = self._lookup.cluster_dns

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
        return TunnelAnswers(self._lookup.capture.closed, (*self._of_groups, *self._of_odd))

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """Every answer of DNS to a pod about a Service."""
        names = self._lookup.names(self.offsets)
        return tuple(find_lookups(names, self._lookup.snapshot, self._resolver))

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
        """What becomes of each connection whose group, or itself, is wanted."""
        chosen = {
            resolution.connection.number: resolution
            for resolution in self.groups
            if wanted(resolution)
        }
        for number, connection in self._found.connections(chosen.keys()):
            yield self._named(of_one(chosen[number], connection))
        yield from filter(wanted, self.odd)

    @cached_property
    def graph(self) -> ServiceGraph:
        """The service graph."""
        lookup, capture, rules = self._lookup, self._lookup.capture, self._lookup.rules
        calls, fates, hidden = build_calls(self._counted(), rules.inclusion, lookup.cluster_dns)
        if rules.inclusion.lookups:
            calls = add_lookups(calls, self.lookups)
        if self._found.ageless:
            fates[AGELESS] += self._found.ageless
        skipped = Counter(capture.skipped)
        if self._found.left_out_packets:
            skipped[IN_FORGED] += self._found.left_out_packets
        coverage = Coverage(
            files=capture.files,
            nodes=with_workloads(
                capture.coverage_nodes, capture.files, lookup.snapshot, lookup.identities
            ),
            connections=tuple(sorted(fates.items())),
            skipped=tuple(sorted(skipped.items())),
            notes=tuple(self._notes()),
        )
        return ServiceGraph(calls, coverage, hidden)

    def _notes(self) -> Iterator[str]:
        """What a reader must know to trust the graph."""
        lookup, capture = self._lookup, self._lookup.capture
        yield from clock_notes(self.offsets, self._found.other_readings)
        yield from snapshot_notes(lookup.snapshot, capture.files, lookup.rules.slack_ns)
        ends = TunnelEnds(lookup.snapshot, capture.nodes)
        opened = any(any(each.table.paths) for each in capture.recordings if each.table is not None)
        yield from ends.notes(capture.closed, opened=opened)

    def _counted(self) -> list[Resolution | GroupResolution]:
        """All connections, in groups as far as a group says all of them."""
        if not self._lookup.rules.inclusion.internet:
            return [*self.odd, *self.groups]
        # A name belongs to a single connection, so that none can stand for others.
        everything = [*self.odd, *self.groups]
        inside = [resolution for resolution in everything if not _is_outside(resolution)]
        return [*inside, *self.select(_is_outside)]

    @cached_property
    def _names(self) -> Names:
        return self._lookup.names(self.offsets)

    def _named(self, resolution: Resolution) -> Resolution:
        """The same with a server outside by name, where that is asked for (S50)."""
        if not self._lookup.rules.inclusion.internet:
            return resolution
        return name_outside(resolution, self._names)


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
        ),
        tuple(dict.fromkeys(call for graph in graphs for call in graph.hidden)),
    )
