"""Random captures of two nodes: NAT, Services, conntrack, reuse and restarts, for property tests.

Endpoints, sequence numbers and times are few, so that whatever can meet does: gaps lie on both
sides of every limit that rules have, and ports on both sides of every class.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.conntrack import Dump, Entry
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.graph.service_graph import FileCoverage
from otterize_pcap.packets.link_layer import CAME_IN
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.protocols import ACK, RST, SCTP, SYN, TCP, UDP
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.table.chunk import new_table
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.rows import Endpoint
from tests.cluster_builder import START
from tests.connections.traffic_cluster import (
    BACKS,
    CLIENTS,
    ENDPOINTS,
    FRONTS,
    MASQUERADED,
    NODE_A,
    NODE_B,
    NODE_PORT,
    POD_A,
    POD_C,
    PROTOCOLS,
    SNAPSHOTS,
    end,
)

MS = 1_000_000
SECOND = 1000 * MS
PAUSES = [0, 1 * MS, 500 * MS, 999 * MS, SECOND, 1001 * MS, 3 * SECOND]
LONG_PAUSES = [*PAUSES, 29 * SECOND, 30 * SECOND, 31 * SECOND, 32 * SECOND, 40 * SECOND]
INSIDE_TUNNELS = [
    (),
    (),
    (),
    (Tunnel("vxlan", parse_address(NODE_A), parse_address(NODE_B)),),
    (Tunnel("vxlan", parse_address(POD_A), parse_address(NODE_B)),),
]

Seen = tuple[Packet, int, int, int]
"""A packet, when after `START` in ns, at which interface and on which node."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was seen and what conntrack said; made into recordings of either kind of table.

    `cluster` is the place of the snapshot in `SNAPSHOTS`, `ranges` are the nodes' ephemeral ports.
    """

    seen: tuple[Seen, ...]
    dumps: tuple[Dump, ...]
    cluster: int
    names: tuple[str, ...]
    ranges: dict[str, range] = field(default_factory=dict)

    def capture(self, *, fast: bool) -> Capture:
        """The capture, its tables compiled or not."""
        recordings, files = [], []
        for node, name in enumerate(self.names):
            mine = sorted(
                (found for found in self.seen if found[3] == node), key=lambda found: found[1]
            )
            table = new_table(ReadOptions(fast=fast), bytes(range(56)))
            for number, (packet, after_ns, interface, _) in enumerate(mine, 1):
                table.add(packet, START + after_ns, number, interface)
            times = [START + found[1] for found in mine]
            first, last = min(times, default=None), max(times, default=None)
            recordings.append(Recording((name,), "ab"[node], TableRows(table), first, table))
            files.append(FileCoverage(name, "ab"[node], len(mine), first, last))
        known, files_read = SNAPSHOTS[self.cluster], tuple(files)
        return Capture(
            CaptureContents(recordings, known, self.dumps, {}, files_read, port_ranges=self.ranges)
        )


def packet(
    protocol: int,
    sender: Endpoint,
    receiver: Endpoint,
    flags: int = 0,
    seq: int = 0,
    ack: int = 0,
    **more: Any,  # noqa: ANN401 - more fields as they are
) -> Packet:
    """A packet of 40 bytes."""
    return Packet(
        protocol,
        sender[0],
        receiver[0],
        sender[1],
        receiver[1],
        40,
        flags,
        seq,
        ack,
        **more,
    )


TUNED = range(1024, 32001)


def mostly_first(ends: list[Endpoint]) -> st.SearchStrategy[Endpoint]:
    """The first of some endpoints or any, so that what is drawn twice often meets."""
    return st.sampled_from([ends[0]] * len(ends) + ends)


few = st.integers(0, 3)
begins = st.integers(0, 90).map(lambda halves: halves * 500 * MS)
nodes = st.integers(0, 1)


@st.composite
def single_packets(draw: st.DrawFn) -> list[Seen]:
    """Any packet between any endpoints."""
    among = st.sampled_from(draw(st.sampled_from([ENDPOINTS, CLIENTS + FRONTS + BACKS])))
    source = draw(among)
    destination = draw(among.filter(lambda found: found != source))
    protocol = draw(st.sampled_from(PROTOCOLS))
    flags = draw(st.sampled_from([SYN, SYN | ACK, ACK, ACK, RST, RST | ACK]))
    one = packet(
        protocol,
        source,
        destination,
        0 if protocol == UDP else flags,
        draw(st.sampled_from([0, 1, 2, 1 << 22, (1 << 32) - 1])),
        draw(st.sampled_from([0, 1, 2, 3, 1 << 31, (1 << 31) + 2])),
        timestamp=draw(st.sampled_from([None, 7])) if flags & SYN and protocol == TCP else None,
        hint=draw(st.sampled_from([0, 0, 0, 1, 2, 3])),
        tunnels=draw(st.sampled_from(INSIDE_TUNNELS)),
        unreachable=draw(st.integers(0, 9)) == 0,
    )
    return [(one, draw(begins), draw(few), draw(nodes))]


@st.composite
def stories(draw: st.DrawFn) -> list[Seen]:
    """One connection as seen before and after NAT on two nodes, whole or in parts."""
    protocol = draw(st.sampled_from([TCP, TCP, TCP, UDP, UDP, SCTP]))
    client, front, back = (draw(mostly_first(ends)) for ends in (CLIENTS, FRONTS, BACKS))
    masqueraded = draw(st.sampled_from([client, client, *MASQUERADED]))
    views = draw(
        st.lists(
            st.sampled_from([(client, front), (client, back), (masqueraded, back)]),
            min_size=1,
            max_size=4,
        )
    )
    isn, answer = draw(few), draw(few)
    timestamp = draw(st.sampled_from([None, 7, 7, 8])) if protocol == TCP else None
    found: list[Seen] = []
    began = draw(begins)
    for interface, view in enumerate(view for view in views if view[0] != view[1]):
        began_here = began + interface * draw(st.sampled_from([0, 1000, *PAUSES]))
        shown = draw(st.sampled_from([timestamp, timestamp, timestamp, 8]))
        steps = _steps(draw, protocol, isn, answer, shown)
        at_ns, node = began_here, draw(nodes)
        tunnels = draw(st.sampled_from(INSIDE_TUNNELS[:4]))
        for back_again, flags, seq, ack, more in steps:
            sender, receiver = view[::-1] if back_again else view
            one = packet(protocol, sender, receiver, flags, seq, ack, **more)
            one = replace(one, tunnels=tunnels)
            found.append((one, at_ns, interface, node))
            at_ns += draw(st.sampled_from([1 * MS, 1 * MS, *LONG_PAUSES]))
    return found


Step = tuple[bool, int, int, int, dict[str, Any]]


def _steps(
    draw: st.DrawFn, protocol: int, isn: int, answer: int, timestamp: int | None
) -> list[Step]:
    if protocol == UDP:
        hints = st.sampled_from([0, 0, 0, 1, 2])
        said = draw(st.lists(st.tuples(st.booleans(), hints), min_size=1, max_size=4))
        return [(back, 0, 0, 0, {"hint": hint}) for back, hint in said]
    data = draw(st.sampled_from([isn + 1, isn + 1, 1 << 22, 1 << 23]))
    whole: list[Step] = [
        (False, SYN, isn, 0, {"timestamp": timestamp}),
        (True, SYN | ACK, answer, isn + 1, {"timestamp": timestamp}),
        (False, ACK, data, answer + 1, {}),
        (True, ACK, answer + 1, data, {"hint": draw(st.sampled_from([0, 0, 2]))}),
        (draw(st.booleans()), draw(st.sampled_from([RST, ACK, RST | ACK])), data, answer + 9, {}),
        (draw(st.booleans()), ACK, data + 5, answer + 9, {}),
    ]
    chosen = draw(st.sampled_from([0b111, 0b1, 0b11, 0b111100, 0b1101, 0b111111, 0b101, 0b1001]))
    chosen = draw(st.sampled_from([chosen, draw(st.integers(1, 63))]))
    return [step for place, step in enumerate(whole) if chosen >> place & 1]


@st.composite
def reused_ends(draw: st.DrawFn) -> list[Seen]:
    """The same endpoints again and again, with handshakes, answers or neither."""
    protocol = draw(st.sampled_from([TCP, TCP, UDP]))
    client = draw(st.sampled_from(CLIENTS))
    server = draw(st.sampled_from([FRONTS[0], BACKS[0]]))
    at_ns, found = draw(begins), []
    for _ in range(draw(st.integers(2, 5))):
        steps = _steps(draw, protocol, draw(few), draw(few), draw(st.sampled_from([None, 7])))
        interface, node = draw(nodes), draw(nodes)
        for back_again, flags, seq, ack, more in steps:
            view = (server, client) if back_again else (client, server)
            found.append((packet(protocol, *view, flags, seq, ack, **more), at_ns, interface, node))
            at_ns += draw(st.sampled_from([1 * MS, *PAUSES]))
        at_ns += draw(st.sampled_from(LONG_PAUSES))
    return found


@st.composite
def crowds(draw: st.DrawFn) -> list[Seen]:
    """Several clients of one port that nothing declares (S35), or with one made-up ISN (S20b)."""
    server = draw(st.sampled_from([end(POD_C, port) for port in (53, 8080, NODE_PORT, 61000)]))
    protocol = draw(st.sampled_from([UDP, TCP]))
    many = draw(st.sampled_from([1, 2, 3, 18]))
    flags = draw(st.sampled_from([SYN, ACK, SYN | ACK])) if protocol == TCP else 0
    began, node = draw(begins), draw(nodes)
    ways = draw(st.sampled_from([(1,), (1, -1), (-1, 1)]))
    return [
        (
            packet(
                protocol,
                end(POD_A, 40000 + number) if way > 0 else server,
                server if way > 0 else end(POD_A, 40000 + number),
                flags,
                9,
                9,
            ),
            began + number * MS + after,
            0,
            node,
        )
        for number in range(many)
        for after, way in enumerate(ways)
    ]


TCP_TIMEOUT = "nf_conntrack_tcp_timeout_established"
TIMEOUTS = {
    TCP_TIMEOUT: 1000,
    "nf_conntrack_udp_timeout": 100,
    "nf_conntrack_udp_timeout_stream": 100,
    "nf_conntrack_sctp_timeout_established": 100,
}


def full_timeout(protocol: int) -> int:
    """The timeout, in seconds, that an established entry runs off from."""
    return TIMEOUTS["nf_conntrack_udp_timeout" if protocol != TCP else TCP_TIMEOUT]


@st.composite
def entries(draw: st.DrawFn, line: int) -> Entry:
    """One tracked connection on a line of a dump, most of them of a Service's client."""
    protocol = draw(st.sampled_from(PROTOCOLS))
    client, front, back = (draw(mostly_first(ends)) for ends in (CLIENTS, FRONTS, BACKS))
    usual = (client, front, back, draw(st.sampled_from([client, *MASQUERADED])))
    plain = (client, back, back, client)
    anything = tuple(draw(st.sampled_from(CLIENTS + FRONTS + BACKS)) for _ in range(4))
    ends = draw(st.sampled_from([usual, usual, usual, plain, anything]))
    full = full_timeout(protocol)
    ran_off = draw(st.sampled_from([0, 1, 2, 3, 4, 5, 20, 30, 31, 32, 33, 34, 60, 99]))
    return Entry(
        protocol=protocol,
        state=draw(st.sampled_from(["ESTABLISHED", "ESTABLISHED", "TIME_WAIT"])),
        remaining=draw(st.sampled_from([None, full - ran_off])),
        client=ends[0],
        target=ends[1],
        server=ends[2],
        reply_to=ends[3],
        assured=draw(st.booleans()),
        replied=True,
        line=line,
    )


# Entries come in the order of their lines, with others between them that are not read.
LINES = st.sets(st.integers(1, 9), max_size=4)


@st.composite
def dumps(draw: st.DrawFn) -> tuple[Dump, ...]:
    """What conntrack may have said on each node."""
    return tuple(
        Dump(
            "ab"[draw(nodes)],
            START + draw(st.integers(0, 100)) * SECOND,
            tuple(draw(entries(line)) for line in sorted(draw(LINES))),
            timeouts=draw(st.sampled_from([{}, TIMEOUTS, TIMEOUTS])),
            where=f"dump{number}",
        )
        for number in range(draw(st.integers(0, 2)))
    )


def sent_from(seen: Seen, hand_ns: int | None) -> Seen:
    """The same as it came in at an interface that its sender had for so long, on its node (S12)."""
    found, after_ns, interface, node = seen
    if hand_ns is None or found.tunnels:
        return seen
    hand = after_ns // hand_ns
    own = 1 + 16 * found.source[-1] + hand if found.source[-1] % 2 == node else 0
    station = CAME_IN << 48 | found.source[-1] << 8 | hand
    return replace(found, station=station), after_ns, interface << 32 | own, node


@st.composite
def traffic(draw: st.DrawFn) -> Traffic:
    """A random capture."""
    kinds = stories() | stories() | single_packets() | reused_ends() | crowds()
    found = draw(st.lists(kinds, max_size=6))
    hand_ns = draw(st.sampled_from([None, 10 * SECOND, 15 * SECOND, 90 * SECOND]))
    return Traffic(
        seen=tuple(sent_from(seen, hand_ns) for each in found for seen in each),
        dumps=draw(dumps()),
        cluster=draw(st.integers(0, len(SNAPSHOTS) - 1)),
        names=draw(st.sampled_from([("a.pcap", "b.pcap"), ("b.pcap", "a.pcap")])),
        ranges=draw(st.sampled_from([{}, {"a": TUNED}, {"a": TUNED, "b": range(32768, 61000)}])),
    )
