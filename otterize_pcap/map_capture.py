"""One capture → its resolved connections and service graph: the stages in order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from otterize_pcap.addresses import is_not_a_call
from otterize_pcap.build_graph import (
    Inclusion,
    build_calls,
    cluster_dns_ports,
    merge_calls,
)
from otterize_pcap.connections import Row
from otterize_pcap.conntrack import Dump
from otterize_pcap.graph import Coverage, FileCoverage, NodeCoverage, ServiceGraph, Workload
from otterize_pcap.identity import ANNOTATIONS, Identities
from otterize_pcap.joined import Connection, connect
from otterize_pcap.legs import Recording
from otterize_pcap.nat import ServiceRoutes
from otterize_pcap.resolve import DEFAULT_SLACK_NS, Resolution, Resolver
from otterize_pcap.snapshot import Snapshot
from otterize_pcap.timestamps import SECOND_NS, format_time

# Tunnels that any process can imitate by sending a UDP datagram (S25).
UDP_TUNNELS = frozenset({"vxlan", "vxlan-gpe", "geneve", "gtp"})


@dataclass(frozen=True, slots=True)
class Capture:
    """All that was recorded at one time: files, conntrack dumps, node addresses, the snapshot.

    `nodes` maps local node addresses, beyond those in the snapshot, to node names. `files` and
    `coverage_nodes` say what was read and which nodes were captured; `skipped` counts packets
    without a connection, by reason.
    """

    recordings: Sequence[Recording]
    snapshot: Snapshot
    dumps: Sequence[Dump] = ()
    nodes: Mapping[bytes, str] = field(default_factory=dict)
    files: tuple[FileCoverage, ...] = ()
    coverage_nodes: tuple[NodeCoverage, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that change how a capture is understood; the defaults are the rules' own."""

    slack_ns: int = DEFAULT_SLACK_NS
    annotation: str = ANNOTATIONS[0]
    image_name_for_jobs: bool = False
    inclusion: Inclusion = field(default_factory=Inclusion)


@dataclass(frozen=True, slots=True)
class MappedCapture:
    """Every connection with what became of it, and the graph they make."""

    resolutions: tuple[Resolution, ...]
    graph: ServiceGraph
    offsets: Mapping[str, int]
    cluster_dns: Mapping[Workload, frozenset[int]]


def map_capture(capture: Capture, rules: Rules = Rules()) -> MappedCapture:
    """Join, direct and resolve a capture's connections, and build its service graph."""
    nodes = {**capture.nodes, **capture.snapshot.nodes}
    routes = ServiceRoutes(capture.snapshot, nodes, rules.slack_ns)
    identities = Identities(
        capture.snapshot,
        annotation=rules.annotation,
        image_name_for_jobs=rules.image_name_for_jobs,
    )
    forged: Counter[str] = Counter()
    recordings = [
        Recording(
            recording.files,
            recording.node,
            tuple(_believable(recording.rows, capture.snapshot, forged)),
            recording.first_ns,
        )
        for recording in capture.recordings
    ]
    connections, offsets = connect(recordings, routes, capture.dumps)
    resolver = Resolver(capture.snapshot, identities, routes, nodes, rules.slack_ns)
    resolutions = tuple(resolver.resolve(connection) for connection in connections)
    cluster_dns = cluster_dns_ports(capture.snapshot, identities)
    calls, fates = build_calls(resolutions, rules.inclusion, cluster_dns)
    coverage = Coverage(
        files=capture.files,
        nodes=capture.coverage_nodes,
        connections=tuple(sorted(fates.items())),
        skipped=tuple(sorted((Counter(capture.skipped) + forged).items())),
        notes=tuple(_notes(capture, connections, offsets, rules.slack_ns)),
    )
    return MappedCapture(resolutions, ServiceGraph(calls, coverage), offsets, cluster_dns)


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
    )


def _believable(rows: Iterable[Row], snapshot: Snapshot, forged: Counter[str]) -> Iterator[Row]:
    """Leave out what a pod itself put into a tunnel: it could be made up (S25)."""
    for row in rows:
        if row.tunnels and any(
            tunnel.kind in UDP_TUNNELS and _held(snapshot, address, row)
            for tunnel in row.tunnels
            for address in (tunnel.low, tunnel.high)
        ):
            forged["inside a tunnel that a pod made"] += sum(side.packets for side in row.sides)
            continue
        yield row


def _held(snapshot: Snapshot, address: bytes, row: Row) -> bool:
    return any(
        tenure.start_ns <= row.last_ns and tenure.end_ns >= row.first_ns
        for tenure in snapshot.tenures.get(address, ())
    )


def _notes(
    capture: Capture,
    connections: Sequence[Connection],
    offsets: Mapping[str, int],
    slack_ns: int,
) -> Iterator[str]:
    """What a reader must know to trust the result: clocks, and what the snapshot cannot say."""
    for node, offset in sorted(offsets.items()):
        yield f"clock of {node} was {offset / SECOND_NS:+.3f} s off; corrected"
    snapshot = capture.snapshot
    if snapshot.watch_start_ns is not None and snapshot.watch_end_ns is not None:
        return
    taken = snapshot.taken_ns
    yield (
        "snapshot is a single point in time"
        + (f" ({format_time(taken)})" if taken is not None else "")
        + ": pods that came or went unseen are missing from it"
    )
    times = [
        connection.first_ns
        for connection in connections
        if not is_not_a_call(connection.clients[0][0])
    ]
    newest = max(
        (tenure.start_ns for held in snapshot.tenures.values() for tenure in held), default=None
    )
    if times and newest is not None and max(times) + slack_ns < newest:
        yield "all packets are older than the snapshot's newest pod; was it taken later?"
