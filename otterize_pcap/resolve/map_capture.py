"""One capture → its resolved connections and service graph: the stages in order."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from otterize_pcap.connections.clocks import measure_offsets
from otterize_pcap.connections.connect import Connection, connect
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_only import count_ageless, tracked_recordings
from otterize_pcap.connections.groups import ConnectionGroup, Grouping, compiled_tables
from otterize_pcap.connections.legs import Recording, Tuple5
from otterize_pcap.connections.names import Names, RecordedPayload, read_names
from otterize_pcap.graph.service_graph import (
    Coverage,
    External,
    FileCoverage,
    NodeCoverage,
    ServiceGraph,
    Workload,
)
from otterize_pcap.resolve.blind_spots import with_workloads
from otterize_pcap.resolve.build_graph import (
    Inclusion,
    build_calls,
    cluster_dns_ports,
    merge_calls,
)
from otterize_pcap.resolve.external_names import name_outside
from otterize_pcap.resolve.group_sides import GroupSides
from otterize_pcap.resolve.identity import ANNOTATIONS, Identities
from otterize_pcap.resolve.lookups import Lookup, add_lookups, find_lookups
from otterize_pcap.resolve.notes import notes_of
from otterize_pcap.resolve.resolve import (
    DEFAULT_SLACK_NS,
    Resolution,
    Resolved,
    Resolver,
)
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.resolve.timeless import Timeless
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.rows import Row

# Tunnels that any process can imitate by sending a UDP datagram (S25).
AGELESS = "unresolved: known to conntrack only, without its age"
UDP_TUNNELS = frozenset({"vxlan", "vxlan-gpe", "geneve", "gtp"})


@dataclass(frozen=True, slots=True)
class Capture:
    """All that was recorded at one time: files, conntrack dumps, node addresses, the snapshot.

    `nodes` maps local node addresses, beyond those in the snapshot, to the nodes that have them.
    `files` and `coverage_nodes` say what was read and which nodes were captured; `skipped` counts
    packets without a connection, by reason. `payloads` are what names are read from, each with its
    node and file. `clocks_ahead` is how far, in ns, nodes' clocks were ahead of the API server's,
    where measured.
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


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that change how a capture is understood; the defaults are the rules' own."""

    slack_ns: int = DEFAULT_SLACK_NS
    annotation: str = ANNOTATIONS[0]
    image_name_for_jobs: bool = False
    inclusion: Inclusion = field(default_factory=Inclusion)


DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True)
class MappedCapture:
    """Every connection with what became of it, every Service looked up, and the graph they make."""

    resolutions: tuple[Resolution, ...]
    lookups: tuple[Lookup, ...]
    graph: ServiceGraph
    offsets: Mapping[str, int]
    cluster_dns: Mapping[Workload, frozenset[int]]


class _Mapping:
    """What all ways through one capture share."""

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self.capture = capture
        self.rules = rules
        self.snapshot = capture.snapshot
        # An address that the API says is a node's is no other's, whatever interfaces have it.
        own = {address: frozenset((node,)) for address, node in capture.snapshot.nodes.items()}
        self.nodes = {**capture.nodes, **own}
        self.dumps = [dump for dump in capture.dumps if dump.entries]
        self.routes = ServiceRoutes(capture.snapshot, self.nodes, rules.slack_ns)
        self.identities = Identities(
            capture.snapshot,
            annotation=rules.annotation,
            image_name_for_jobs=rules.image_name_for_jobs,
        )
        self.resolver = Resolver(
            capture.snapshot, self.identities, self.routes, self.nodes, rules.slack_ns
        )
        self.cluster_dns = cluster_dns_ports(capture.snapshot, self.identities)
        self.forged: Counter[str] = Counter()
        self.ageless = 0

    def names(self, offsets: Mapping[str, int]) -> Names:
        """What the capture's payloads name, by corrected time."""
        return read_names(
            RecordedPayload(payload, file, offsets.get(node, 0))
            for node, file, payload in self.capture.payloads
        )

    def lookups(self, offsets: Mapping[str, int]) -> Iterator[Lookup]:
        """The Services that DNS told pods of."""
        return find_lookups(self.names(offsets), self.snapshot, self.resolver)

    def in_pod(self, address: bytes) -> bool:
        """Whether an address is, or at another time was, a pod's, also of one that nobody saw."""
        if address in self.snapshot.tenures:
            return True
        return address not in self.nodes and self.snapshot.is_pod_range(address)

    def believed(self) -> list[Recording]:
        """The recordings without what a pod put into a tunnel itself (S25)."""
        return [
            replace(
                recording,
                rows=tuple(_believable(recording.rows, self.in_pod, self.forged)),
                table=None,
            )
            for recording in self.capture.recordings
        ]

    def resolved(
        self, connections: Iterable[Connection], offsets: Mapping[str, int]
    ) -> Iterator[Resolution]:
        """What becomes of each connection, servers outside by name where asked for (S50)."""
        resolutions = map(self.resolver.resolve, connections)
        if not self.rules.inclusion.internet:
            return resolutions
        names = self.names(offsets)
        return (name_outside(resolution, names) for resolution in resolutions)

    def tracked(self, shows: Callable[[Tuple5], bool]) -> list[Recording]:
        """What conntrack alone knows of, where `shows` tells what was recorded (S46)."""
        self.ageless = count_ageless(self.dumps, shows)
        return tracked_recordings(self.dumps, shows)

    def graph(
        self,
        resolutions: Iterable[Resolution],
        groups: Iterable[tuple[ConnectionGroup, Resolution]],
        offsets: Mapping[str, int],
    ) -> ServiceGraph:
        """The service graph of resolved connections and groups."""
        inclusion = self.rules.inclusion
        calls, fates, hidden = build_calls(resolutions, groups, inclusion, self.cluster_dns)
        if inclusion.lookups:
            calls = add_lookups(calls, self.lookups(offsets))
        if self.ageless:
            fates[AGELESS] += self.ageless
        coverage = Coverage(
            files=self.capture.files,
            nodes=with_workloads(
                self.capture.coverage_nodes, self.capture.files, self.snapshot, self.identities
            ),
            connections=tuple(sorted(fates.items())),
            skipped=tuple(sorted((Counter(self.capture.skipped) + self.forged).items())),
            notes=tuple(notes_of(self.snapshot, self.capture.files, offsets, self.rules.slack_ns)),
        )
        return ServiceGraph(calls, coverage, hidden)


def map_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> MappedCapture:
    """Join, direct and resolve every connection of a capture, and build its service graph."""
    mapping = _Mapping(capture, rules)
    recordings = mapping.believed()
    offsets = measure_offsets(recordings, capture.clocks_ahead)
    shown = {(row.protocol, row.low, row.high) for found in recordings for row in found.rows}
    recordings += mapping.tracked(shown.__contains__)
    connections = connect(recordings, mapping.routes, mapping.dumps, offsets)
    resolutions = tuple(mapping.resolved(connections, offsets))
    graph = mapping.graph(resolutions, (), offsets)
    lookups = tuple(mapping.lookups(offsets))
    return MappedCapture(resolutions, lookups, graph, offsets, mapping.cluster_dns)


def graph_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> ServiceGraph:
    """The service graph of a capture: `map_capture(...).graph`, made the shortest way.

    Plain connections are grouped where the tables are compiled, and resolved a group at a time.
    """
    mapping = _Mapping(capture, rules)
    tables = compiled_tables(capture.recordings, mapping.in_pod)
    spans = [(file.first_ns, file.last_ns) for file in capture.files]
    first_ns = min((first for first, _ in spans if first is not None), default=None)
    last_ns = max((last for _, last in spans if last is not None), default=None)
    if first_ns is None or last_ns is None or tables is None:
        return map_capture(capture, rules).graph
    grouping = Grouping(capture.recordings, tables, capture.clocks_ahead)
    widest = max(map(abs, grouping.offsets.values()), default=0)
    timeless = Timeless(
        capture.snapshot,
        mapping.routes,
        mapping.nodes,
        rules.slack_ns,
        (first_ns - widest, last_ns + widest),
    )
    whole: list[tuple[ConnectionGroup, Resolution]] = []
    broken: list[ConnectionGroup] = []
    sides = GroupSides(capture.snapshot, mapping.resolver, timeless)
    for group in grouping.group(mapping.dumps, timeless):
        resolution = sides.resolve(group)
        # A name belongs to a single connection, so that none can stand for others.
        if resolution is None or (rules.inclusion.internet and _is_outside(resolution)):
            broken.append(group)
        else:
            whole.append((group, resolution))
    left = [*grouping.left(broken), *mapping.tracked(grouping.shows)]
    connections = connect(left, mapping.routes, mapping.dumps, grouping.offsets, grouping.survey)
    resolutions = mapping.resolved(connections, grouping.offsets)
    return mapping.graph(resolutions, whole, grouping.offsets)


def _is_outside(resolution: Resolution) -> bool:
    return isinstance(resolution, Resolved) and isinstance(resolution.server, External)


def merge_graphs(graphs: Sequence[ServiceGraph]) -> ServiceGraph:
    """The graphs of several captures, each resolved with its own snapshot, as one (S13)."""
    if len(graphs) == 1:
        return graphs[0]
    coverages = [graph.coverage for graph in graphs if graph.coverage is not None]
    connections: Counter[str] = Counter()
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


def _believable(
    rows: Iterable[Row], in_pod: Callable[[bytes], bool], forged: Counter[str]
) -> Iterator[Row]:
    """Leave out what a pod itself put into a tunnel: it could be made up (S25)."""
    for row in rows:
        if row.tunnels and any(
            tunnel.kind in UDP_TUNNELS and (in_pod(tunnel.low) or in_pod(tunnel.high))
            for tunnel in row.tunnels
        ):
            forged["inside a tunnel that a pod made"] += sum(side.packets for side in row.sides)
            continue
        yield row
