"""Grouping plain connections in C gives the graph that looking at each one gives."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address
from otterize_pcap.cli.connections import NoServices, table_connections
from otterize_pcap.connections.clocks import measure_offsets
from otterize_pcap.connections.connect import connect
from otterize_pcap.connections.conntrack import Dump, Entry
from otterize_pcap.connections.groups import Grouping, compiled_tables
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import FileCoverage
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.render.connections import shown_connection
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.map_capture import Capture, Rules, graph_capture, map_capture
from otterize_pcap.resolve.resolve import DEFAULT_SLACK_NS
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.resolve.timeless import Timeless
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import CaptureCounts
from otterize_pcap.table.chunk import FAST_PATH, Table, new_table
from otterize_pcap.table.read import CaptureTable, ReadOptions
from otterize_pcap.table.rows import ACK, RST, SYN
from tests.conftest import FIXTURES

pytestmark = pytest.mark.skipif(
    not FAST_PATH, reason="the compiled path was not built, so nothing is grouped"
)

EXAMPLES = int(os.environ.get("GROUPING_EXAMPLES", "300"))
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
EVERYTHING = Rules(inclusion=Inclusion(attempts=True, one_way_udp=True))
OUTSIDE_TOO = Rules(inclusion=Inclusion(attempts=True, one_way_udp=True, internet=True))

POD_A, POD_B, POD_C = "10.1.0.1", "10.1.0.2", "10.1.0.3"
PORTS = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]
VIP, NODE, OUTSIDE = "10.96.0.1", "192.168.0.1", "8.8.8.8"
ADDRESSES = (POD_A, POD_B, POD_C, VIP, NODE, OUTSIDE)
ENDPOINTS = [(parse_address(text), port) for text in ADDRESSES for port in (80, 8080, 40000)]
# Two clients, a Service, its NodePort and its backend: what NAT and conntrack are about.
TRANSLATED = [
    (parse_address(text), port)
    for text, port in ((POD_A, 40000), (POD_C, 40000), (VIP, 80), (NODE, 40000), (POD_B, 80))
]


def scenarios() -> list[Path]:
    """Every recorded capture."""
    return sorted(path.parent for path in FIXTURES.glob("*/truth.json"))


@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.name)
def test_groups_change_nothing_on_recorded_captures(path: Path) -> None:
    """Every recorded capture has one graph, by groups and one by one."""
    capture = open_captures([path], None, ReadOptions(collect_names=True))[0]
    for rules in (EVERYTHING, OUTSIDE_TOO):
        assert graph_capture(capture, rules) == map_capture(capture, rules).graph


def steady_answers(capture: Capture) -> Timeless:
    """What the capture's snapshot says of all of its time."""
    times = [
        time_ns for file in capture.files for time_ns in (file.first_ns, file.last_ns) if time_ns
    ]
    own = {address: frozenset((node,)) for address, node in capture.snapshot.nodes.items()}
    nodes = {**capture.nodes, **own}
    routes = ServiceRoutes(capture.snapshot, nodes, DEFAULT_SLACK_NS)
    span = (min(times), max(times))
    return Timeless(capture.snapshot, routes, nodes, DEFAULT_SLACK_NS, span)


def test_plain_connections_are_grouped() -> None:
    """The recorded two-node cluster's TCP connections are plain, legs on all interfaces joined."""
    capture = open_captures([FIXTURES / "two-nodes"], None, ReadOptions())[0]
    tables = compiled_tables(capture.recordings, lambda _: False)
    assert tables is not None
    grouping = Grouping(capture.recordings, tables)
    answers = steady_answers(capture)
    grouped = grouping.group(capture.dumps, answers)
    assert sum(group.connections for group in grouped if group.protocol == 6) == 7
    assert sum(group.connections for group in grouped if group.protocol == 17) == 0


def pod(name: str, address: str, start: int, node: str = "a") -> dict[str, object]:
    """A pod that holds an address from some second on."""
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": name[:1]}},
        "spec": {"nodeName": node, "containers": [{"ports": PORTS}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "startTime": f"2023-11-14T22:13:{20 + start:02}Z",
        },
    }


def cluster(*, moving: bool) -> Snapshot:
    """Three pods, a Service with a NodePort, a node; `moving`: one address has two owners."""
    items: list[dict[str, object]] = [
        pod("a", POD_A, 0),
        pod("b", POD_B, 0),
        pod("c", POD_C, 10 if moving else 0),
        {
            "kind": "Service",
            "metadata": {"name": "s", "namespace": "n", "uid": "s"},
            "spec": {
                "clusterIP": VIP,
                "selector": {"app": "b"},
                "ports": [
                    {"name": "t", "port": 80, "nodePort": 40000},
                    {"name": "u", "port": 80, "nodePort": 40000, "protocol": "UDP"},
                ],
            },
        },
        {
            "kind": "Node",
            "metadata": {"name": "a"},
            "status": {"addresses": [{"type": "InternalIP", "address": NODE}]},
        },
    ]
    if moving:
        items.append(pod("d", POD_C, 15))
    return parse_snapshot([("s", json.dumps({"kind": "List", "items": items}).encode())])


SNAPSHOTS = {moving: cluster(moving=moving) for moving in (False, True)}

flags = st.sampled_from([SYN, SYN | ACK, ACK, ACK, RST, RST | ACK])
small = st.integers(0, 3)


@st.composite
def packets(draw: st.DrawFn) -> tuple[Packet, int, int]:
    """A packet between few endpoints with few sequence numbers, its time and its interface."""
    source, destination = draw(
        st.lists(st.sampled_from(ENDPOINTS), min_size=2, max_size=2, unique=True)
    )
    protocol = draw(st.sampled_from([6, 6, 6, 17]))
    flag = draw(flags) if protocol == 6 else 0
    tunnel = Tunnel("vxlan", parse_address(NODE), parse_address("192.168.0.2"))
    packet = Packet(
        protocol,
        source[0],
        destination[0],
        source[1],
        destination[1],
        draw(st.integers(40, 60)),
        flag,
        draw(small),
        draw(st.integers(0, 4)),
        draw(st.sampled_from([None, 7])) if flag & SYN else None,
        draw(st.sampled_from([0, 0, 1, 2])) if not flag & SYN else 0,
        draw(st.sampled_from([(), (), (tunnel,)])),
        unreachable=draw(st.integers(0, 20)) == 0,
    )
    time_ns = START + draw(st.integers(0, 40_000)) * 1_000_000
    return packet, time_ns, draw(st.integers(0, 1))


@st.composite
def handshakes(draw: st.DrawFn) -> list[tuple[Packet, int, int]]:
    """SYN, SYN-ACK and ACK of one connection, perhaps seen again behind NAT."""
    ends = st.lists(st.sampled_from(ENDPOINTS), min_size=2, max_size=2, unique=True)
    client, server = draw(ends)
    behind = draw(st.sampled_from([(client, server), draw(ends)]))
    isn, answer = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    time_ns = START + draw(st.integers(0, 40_000)) * 1_000_000
    found = []
    for number, (one, other) in enumerate([(client, server), behind]):
        for step, (sender, receiver, flag, seq, ack) in enumerate(
            [
                (one, other, SYN, isn, 0),
                (other, one, SYN | ACK, answer, isn + 1),
                (one, other, ACK, isn + 1, answer + 1),
            ][: draw(st.integers(1, 3))]
        ):
            packet = Packet(
                6, sender[0], receiver[0], sender[1], receiver[1], 40, flag, seq, ack, None
            )
            found.append((packet, time_ns + number * 1000 + step * 1_000_000, number))
    return found


@st.composite
def datagrams(draw: st.DrawFn) -> list[tuple[Packet, int, int]]:
    """Questions and answers between two endpoints, perhaps seen again behind a Service."""
    among = draw(st.sampled_from([ENDPOINTS, TRANSLATED, TRANSLATED]))
    ends = st.lists(st.sampled_from(among), min_size=2, max_size=2, unique=True)
    client, server = draw(ends)
    behind = draw(st.sampled_from([None, (client, TRANSLATED[-1]), draw(ends)]))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        time_ns = START + draw(st.integers(0, 90_000)) * 1_000_000
        for number, pair in enumerate([(client, server), behind]):
            if pair is None or pair[0] == pair[1]:
                continue
            for step, (sender, receiver) in enumerate([pair, pair[::-1]][: draw(small)]):
                packet = Packet(
                    17,
                    sender[0],
                    receiver[0],
                    sender[1],
                    receiver[1],
                    40,
                    hint=draw(st.sampled_from([0, 0, 0, 1, 2])),
                )
                found.append((packet, time_ns + number * 1000 + step * 1_000_000, number))
    return found


@st.composite
def crowds(draw: st.DrawFn) -> list[tuple[Packet, int, int]]:
    """Datagrams from several clients to one or two ports that nothing declares (S35)."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        server = draw(st.sampled_from([(POD_B, 8080), (POD_A, 8080), (POD_C, 9090)]))
        client = (draw(st.sampled_from([POD_A, POD_B, POD_C])), draw(st.integers(40000, 40003)))
        ends = [(parse_address(address), port) for address, port in (client, server)]
        time_ns = START + draw(st.integers(0, 90_000)) * 1_000_000
        for step in range(draw(st.integers(1, 2))):
            sender, receiver = ends[step], ends[1 - step]
            packet = Packet(17, sender[0], receiver[0], sender[1], receiver[1], 40)
            found.append((packet, time_ns + step * 1_000_000, 0))
    return found


@st.composite
def dumps(draw: st.DrawFn) -> list[Dump]:
    """What conntrack may have said of such connections."""
    ends = st.sampled_from(draw(st.sampled_from([ENDPOINTS, TRANSLATED])))
    entries = draw(
        st.lists(
            st.builds(
                Entry,
                protocol=st.sampled_from([6, 17]),
                state=st.just("ESTABLISHED"),
                remaining=st.just(1),
                client=ends,
                target=ends,
                server=ends,
                reply_to=ends,
                assured=st.booleans(),
                replied=st.just(True),
            ),
            max_size=3,
        )
    )
    return [Dump("a", START + 30 * SECOND, tuple(entries))]


Seen = tuple[Packet, int, int]
anything = {
    "single": st.lists(st.lists(packets(), max_size=12), min_size=1, max_size=2),
    "whole": st.lists(handshakes() | datagrams() | crowds(), max_size=6),
}


def record(
    single: list[list[Seen]], whole: list[list[Seen]]
) -> Iterator[tuple[str, list[Seen], Table]]:
    """What each of two nodes saw, in order, and its table."""
    for place, (node, seen) in enumerate(zip("ab", single, strict=False)):
        table = new_table(ReadOptions(), bytes(range(56)))
        mixed = [*seen, *(packet for found in whole[place::2] for packet in found)]
        mixed.sort(key=lambda entry: entry[1])
        for number, (packet, time_ns, interface) in enumerate(mixed, 1):
            table.add(packet, time_ns, number, interface)
        yield node, mixed, table


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    **anything,
    conntrack=dumps(),
    moving=st.booleans(),
    rules=st.sampled_from([EVERYTHING, OUTSIDE_TOO]),
)
def test_groups_change_nothing(
    single: list[list[Seen]],
    whole: list[list[Seen]],
    conntrack: list[Dump],
    moving: bool,
    rules: Rules,
) -> None:
    """Whatever packets two nodes saw, and whatever conntrack said, groups change no graph."""
    recordings, files = [], []
    for node, seen, table in record(single, whole):
        times = [time_ns for _, time_ns, _ in seen]
        first, last = min(times, default=None), max(times, default=None)
        name = f"{node}.pcap"
        recordings.append(Recording((name,), node, TableRows(table), first, table))
        files.append(FileCoverage(name, node, len(seen), first, last))
    capture = Capture(recordings, SNAPSHOTS[moving], conntrack, {}, tuple(files))
    assert graph_capture(capture, rules) == map_capture(capture, rules).graph


@settings(max_examples=EXAMPLES, deadline=None)
@given(**anything)
def test_rows_that_stand_alone_change_no_listing(
    single: list[list[Seen]], whole: list[list[Seen]]
) -> None:
    """`connections` lists the same whether it takes lone rows the short way or joins them all."""
    tables, joined = [], []
    for node, seen, table in record(single, whole):
        first = min((time_ns for _, time_ns, _ in seen), default=None)
        name = f"{node}.pcap"
        counts = CaptureCounts(packets=len(seen), first_ns=first)
        tables.append((node, CaptureTable(name, (name,), table, counts)))
        joined.append(Recording((name,), node, tuple(table.rows()), first))
    connections = connect(joined, NoServices(), (), measure_offsets(joined))
    assert list(table_connections(tables)) == list(map(shown_connection, connections))
