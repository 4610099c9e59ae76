"""S30 to S36: who is the client."""

import pytest
from msgspec.structs import replace

from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.resolution import UNDIRECTED
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    Json,
    Seen,
    call,
    capture,
    conntrack,
    datagrams,
    edges,
    endpoint_slice,
    entry,
    fates,
    mapped,
    packet,
    pod,
    recording,
    service,
    snapshot,
    talk,
)

ONE, TWO, THREE = "10.1.0.1", "10.1.0.2", "10.1.0.3"


def cluster(*more: Json, two_serves: int | None = None, one_serves: int | None = None) -> Snapshot:
    """Pods of `one`, `two` and `three`, with the ports that they declare."""
    return snapshot(
        pod("one", ONE, ports=[one_serves] if one_serves else []),
        pod("two", TWO, ports=[two_serves] if two_serves else []),
        pod("three", THREE),
        *more,
    )


def rule(known: Snapshot, seen: list[Seen], **more: object) -> str:
    """The rule that decided on the first connection, and which way: `S30 one->two`."""
    found = mapped(known, seen, **more)  # type: ignore[arg-type] # passed on as given
    first = found.resolutions[0].connection
    if first.rule == "S36":
        assert fates(found) == {UNDIRECTED: 1}
        return "S36"
    names = {edge.partition(":")[0].replace(" ", "") for edge in edges(found)}
    return f"{first.rule} {' '.join(sorted(names))}"


def test_syn_and_syn_ack() -> None:
    """S30: the SYN is the client's, whatever the ports."""
    assert rule(cluster(), call(f"{ONE}:80", f"{TWO}:40000")) == "S30 one->two"


def test_syn_ack_alone() -> None:
    """S30: a SYN-ACK is the server's."""
    seen = call(f"{ONE}:40000", f"{TWO}:40001")[1:]
    assert rule(cluster(), seen) == "S30 one->two"


@pytest.mark.parametrize("ecn", [0x40, 0x80, 0xC0, 0x1C0])
def test_ecn_bits_are_ignored(ecn: int) -> None:
    """S30: a SYN that negotiates ECN is a SYN."""
    seen = call(f"{ONE}:40000", f"{TWO}:40001")
    seen[0] = (packet(f"{ONE}:40000", f"{TWO}:40001", SYN | ecn, seen[0][0].seq), 0.0, 1)
    assert rule(cluster(), seen) == "S30 one->two"


UNKNOWN_PORTS = talk(f"{ONE}:40000", f"{TWO}:40001")


def test_nothing_tells() -> None:
    """S36: without a handshake and with two ephemeral ports nobody is the client."""
    assert rule(cluster(), UNKNOWN_PORTS) == "S36"


def test_conntrack_tells() -> None:
    """S31: conntrack's original direction."""
    line = entry(f"{ONE}:40000", f"{TWO}:40001")
    assert rule(cluster(), UNKNOWN_PORTS, dumps=[conntrack(line)]) == "S31 one->two"


def test_declared_port_tells() -> None:
    """S32: a containerPort of exactly one side."""
    assert rule(cluster(two_serves=40001), UNKNOWN_PORTS) == "S32 one->two"


def test_endpoint_slice_tells() -> None:
    """S32: a port that an EndpointSlice lists."""
    known = cluster(service("s", "10.96.0.1"), endpoint_slice("s", [TWO], 40001))
    assert rule(known, UNKNOWN_PORTS) == "S32 one->two"


def test_two_declared_ports_tell_nothing() -> None:
    """S32: exactly one side must be declared."""
    assert rule(cluster(two_serves=40001, one_serves=40000), UNKNOWN_PORTS) == "S36"


def test_server_elsewhere_tells() -> None:
    """S33: who answered a handshake elsewhere in the capture is the server."""
    seen = [*UNKNOWN_PORTS, *call(f"{THREE}:40002", f"{TWO}:40001", 1)]
    assert rule(cluster(), seen) == "S33 one->two three->two"


@pytest.mark.parametrize(("sender", "hint"), [("client", 1), ("server", 2)])
def test_payload_tells(sender: str, hint: int) -> None:
    """S34: what a client or a server alone says."""
    ends = (f"{ONE}:40000", f"{TWO}:40001")
    source, target = ends if sender == "client" else ends[::-1]
    seen = [*UNKNOWN_PORTS, (packet(source, target, ACK, 1000, 500, hint=hint), 0.01, 1)]
    assert rule(cluster(), seen) == "S34 one->two"


def test_request_down_a_reverse_tunnel_tells_nothing() -> None:
    """S34: what a server's fixed port asks of a client's ephemeral one makes no client of it."""
    ends = (f"{ONE}:40000", f"{TWO}:8132")
    seen = [*talk(*ends), (packet(*ends[::-1], ACK, 1000, 500, hint=1), 0.01, 1)]
    assert rule(cluster(), seen) == "S36"


@pytest.mark.parametrize(
    ("port", "others", "expected"),
    [
        (443, 0, "S35 one->two"),
        (8080, 0, "S36"),
        (8080, 1, "S35 one->two three->two"),
        (40001, 1, "S36"),
    ],
)
def test_port_tells(port: int, others: int, expected: str) -> None:
    """S35: one port outside the ephemeral range, below 1024 or with two clients."""
    seen = talk(f"{ONE}:40000", f"{TWO}:{port}")
    seen += [
        found
        for number in range(others)
        for found in talk(f"{THREE}:{41000 + number}", f"{TWO}:{port}")
    ]
    found = mapped(cluster(), seen)
    if expected == "S36":
        assert edges(found) == set()
    else:
        assert rule(cluster(), seen) == expected


def test_contradiction_is_undirected() -> None:
    """S36: where two strong rules disagree, neither counts."""
    line = entry(f"{TWO}:40001", f"{ONE}:40000")
    assert rule(cluster(two_serves=40001), UNKNOWN_PORTS, dumps=[conntrack(line)]) == "S36"


def test_weak_rule_does_not_contradict_a_strong_one() -> None:
    """S32, S34: a declared port says who serves, whatever the payload looks like."""
    request = (packet(f"{TWO}:40001", f"{ONE}:40000", ACK, 1000, 500, hint=1), 0.01, 1)
    found = mapped(cluster(two_serves=40001), [*UNKNOWN_PORTS, request])
    assert edges(found) == {"one -> two:40001"}
    (only,) = found.resolutions
    assert only.connection.rule == "S32"
    assert only.connection.testimony == (("S32", True), ("S34", False))


def test_weak_rules_that_disagree_are_undirected() -> None:
    """S36: of two weak rules that disagree, neither counts."""
    seen = [*UNKNOWN_PORTS, *call(f"{THREE}:40002", f"{TWO}:40001", 1)]
    request = (packet(f"{TWO}:40001", f"{ONE}:40000", ACK, 1000, 500, hint=1), 0.01, 1)
    assert edges(mapped(cluster(), [*seen, request])) == {"three -> two:40001"}


POOLED = talk(f"{ONE}:40000", f"{TWO}:9777")


def test_conntrack_turns_no_ephemeral_port_into_a_server() -> None:
    """S31: an entry of a connection that was taken up in the middle tells nothing."""
    dumps = [conntrack(entry(f"{TWO}:9777", f"{ONE}:40000"))]
    assert rule(cluster(), POOLED, dumps=dumps) == "S36"
    assert rule(cluster(two_serves=9777), POOLED, dumps=dumps) == "S32 one->two"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param("", entry(f"{TWO}:40001", f"{ONE}:40000"), "S36", id="made within"),
        pytest.param("", entry(f"{ONE}:40000", f"{TWO}:40001"), "S36", id="who knows"),
        pytest.param(
            entry(f"{ONE}:40000", f"{TWO}:40001"),
            entry(f"{TWO}:40001", f"{ONE}:40000"),
            "S31 one->two",
            id="flushed",
        ),
        pytest.param(
            entry(f"{ONE}:40000", f"{TWO}:40001"),
            entry(f"{ONE}:40000", f"{TWO}:40001"),
            "S31 one->two",
            id="lasting",
        ),
    ],
)
def test_earlier_dump_knows_better(first: str, last: str, expected: str) -> None:
    """S31: an entry that the node's first dump lacks may have been made in the middle."""
    dumps = [conntrack(first, at=-1), conntrack(last, at=10)]
    assert rule(cluster(), UNKNOWN_PORTS, dumps=dumps) == expected


def test_entry_of_the_end_alone_may_be_of_the_middle() -> None:
    """S31: where no dump shows how the capture began, an entry may have been made since."""
    late = replace(conntrack(entry(f"{TWO}:40001", f"{ONE}:40000"), at=10), at_start=False)
    assert rule(cluster(), UNKNOWN_PORTS, dumps=[late]) == "S36"
    usual = replace(conntrack(entry(f"{ONE}:40000", f"{TWO}:9777")), at_start=False)
    assert rule(cluster(), POOLED, dumps=[usual]) == "S31 one->two"


def test_late_entry_counts_where_its_ports_are_usual() -> None:
    """S31: an entry made within the capture counts where only its server's port is fixed."""
    dumps = [conntrack("", at=-1), conntrack(entry(f"{ONE}:40000", f"{TWO}:9777"))]
    assert rule(cluster(), POOLED, dumps=dumps) == "S31 one->two"


def test_entry_made_anew_by_a_push() -> None:
    """S31, UDP: the server's push after the entry's timeout turns nothing round."""
    ends = (f"{ONE}:40000", f"{TWO}:40001")
    seen = recording([*datagrams(*ends, 40), *datagrams(*ends[::-1], 100)], first=0)
    anew = entry(f"{TWO}:40001", f"{ONE}:40000", protocol="udp", remaining=29, assured=False)
    dumps = [conntrack("", at=0), conntrack(anew, at=101)]
    assert edges(mapped(cluster(), seen, dumps=dumps)) == {"one -> two:40001/UDP"}


def test_leg_to_a_service_and_leg_to_its_pod_are_one_peer() -> None:
    """S35: a client's fixed port with a VIP leg and a pod leg serves nobody."""
    known = cluster(service("s", "10.96.0.1", 50051), endpoint_slice("s", [TWO], 50051))
    seen = [*talk(f"{ONE}:9000", "10.96.0.1:50051"), *talk(f"{ONE}:9000", f"{TWO}:50051")]
    (only,) = mapped(known, seen).resolutions
    assert only.connection.testimony == (("S32", True),)


def with_range(known: Snapshot, seen: list[Seen], first: int, last: int) -> MappedCapture:
    """What the mapper makes of packets where node `a` saved its ephemeral ports."""
    contents = contents_of(capture(known, seen))
    ranges = {"a": range(first, last + 1)}
    return map_capture(Capture(replace(contents, port_ranges=ranges)))


HIGH_SERVER = [
    *talk(f"{ONE}:20010", f"{TWO}:50052"),
    *talk(f"{ONE}:20012", f"{TWO}:50052", seq=5000),
]


def test_node_says_which_ports_are_ephemeral() -> None:
    """S35: a tuned `ip_local_port_range` goes before the usual one."""
    assert edges(mapped(cluster(), HIGH_SERVER)) == set()
    assert edges(with_range(cluster(), HIGH_SERVER, 1024, 32000)) == {"one -> two:50052"}
    assert edges(with_range(cluster(), HIGH_SERVER, 1024, 65000)) == set()


@pytest.mark.parametrize("syns", [1, 2])
def test_syns_show_which_ports_are_ephemeral(syns: int) -> None:
    """S35: what an address's own SYNs show goes before its node's range; one port is no range."""
    seen = [
        found
        for number in range(syns)
        for found in call(f"{ONE}:{20000 + number}", f"{THREE}:80", number)
    ]
    expected = {"one -> three:80"} | ({"one -> two:50052"} if syns > 1 else set())
    assert edges(mapped(cluster(), [*HIGH_SERVER, *seen])) == expected


def test_dns_queries_show_which_ports_are_ephemeral() -> None:
    """S35: a pod that only asks DNS shows its ephemeral ports too."""
    seen = [
        (packet(f"{ONE}:{20000 + number}", f"{THREE}:53", protocol=17, hint=1), number, 1)
        for number in range(2)
    ]
    assert edges(mapped(cluster(), [*HIGH_SERVER, *seen])) == {"one -> two:50052"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32768\t60999\n", range(32768, 61000)),
        ("1024 65535", range(1024, 65536)),
        ("60999 32768", None),
        ("1 70000", None),
        ("1024", None),
        ("a b", None),
        ("", None),
    ],
)
def test_saved_range(text: str, expected: range | None) -> None:
    """S35: /proc/sys/net/ipv4/ip_local_port_range; what is no range is as good as not saved."""
    assert parse_port_range(text) == expected


def test_stray_syn_turns_nothing_round() -> None:
    """S30: a SYN that a server sends into a connection that is there does not make it a client."""
    stray = (packet(f"{TWO}:80", f"{ONE}:40000", SYN, 99), 0.2, 1)
    seen = [*call(f"{ONE}:40000", f"{TWO}:80"), stray, *talk(f"{ONE}:40000", f"{TWO}:80", 0.3)]
    found = mapped(cluster(), seen)
    assert edges(found) == {"one -> two:80"}
    assert len(found.resolutions) == 1


def test_stray_syn_into_an_older_connection() -> None:
    """S30, S36: nor where the connection is older than the capture, if a rule says otherwise."""
    stray = (packet(f"{TWO}:80", f"{ONE}:40000", SYN, 99), 0.0, 1)
    seen = [stray, *talk(f"{ONE}:40000", f"{TWO}:80", 0.3)]
    assert edges(mapped(cluster(two_serves=80), seen)) == set()


def test_lost_syn_ack_is_no_matter() -> None:
    """S30, S40: segments both ways after a SYN are a call, though the SYN-ACK was lost."""
    seen = call(f"{ONE}:40000", f"{TWO}:80")
    assert edges(mapped(cluster(), [seen[0], *seen[2:]])) == {"one -> two:80"}


QUESTION = (f"{ONE}:40000", f"{TWO}:40001")


@pytest.mark.parametrize(
    ("at", "expected"),
    [(10, "S36"), (29.9, "S36"), (31, "UDP one->two")],
)
def test_first_datagram(at: float, expected: str) -> None:
    """UDP: who sent first, if answered, and not within the file's first 30 seconds."""
    known = cluster()
    seen = recording(datagrams(*QUESTION, at), first=0)
    found = mapped(known, seen)
    assert (found.resolutions[0].connection.rule == "UDP") == (expected != "S36")
    assert edges(found) == ({"one -> two:40001/UDP"} if expected != "S36" else set())


def test_unanswered_datagram_tells_nothing() -> None:
    """UDP: without a reply the first sender is nobody."""
    seen = recording(datagrams(*QUESTION, 60, answered=False), first=0)
    assert fates(mapped(cluster(), seen)) == {UNDIRECTED: 1}


def test_pause_turns_no_flow_round() -> None:
    """UDP: who speaks first after 30 seconds of silence may be the server that pushes."""
    seen = recording([*datagrams(*QUESTION, 40), *datagrams(*QUESTION[::-1], 100)], first=0)
    found = mapped(cluster(), seen)
    assert edges(found) == {"one -> two:40001/UDP"}
    assert fates(found)[UNDIRECTED] == 1


def test_datagrams_to_a_declared_port() -> None:
    """UDP: a rule that speaks counts within the first 30 seconds too."""
    declared = {"containerPort": 8125, "protocol": "UDP"}
    known = snapshot(pod("one", ONE), pod("two", TWO, ports=[declared]))
    assert edges(mapped(known, datagrams(f"{ONE}:40000", f"{TWO}:8125"))) == {"one -> two:8125/UDP"}


def test_declared_tcp_port_says_nothing_of_udp() -> None:
    """S32: a port is declared for one protocol."""
    known = cluster(two_serves=8125)
    assert edges(mapped(known, datagrams(f"{ONE}:40000", f"{TWO}:8125"))) == set()


def asked(client: str, server: str, count: int, at: float, *, lost: bool = False) -> list[Seen]:
    """UDP exchanges from one port after another; of lost ones the question was not recorded."""
    found: list[Seen] = []
    for number in range(count):
        first, second = (server, f"{client}{number}") if lost else (f"{client}{number}", server)
        found += datagrams(first, second, at + number / 10)
    return found


def test_most_flows_outweigh_a_lost_question() -> None:
    """UDP: where an answer was recorded first, what most flows of an endpoint say counts."""
    server = f"{TWO}:45679"
    seen = [
        *asked(f"{ONE}:4000", server, 3, 40),
        *asked(f"{ONE}:4100", server, 2, 50, lost=True),
    ]
    assert edges(mapped(cluster(), recording(seen, first=0))) == {"one -> two:45679/UDP"}


def test_peers_on_one_port_have_no_majority() -> None:
    """UDP: where both ends use the same port, each may ask the other."""
    seen = [
        *datagrams(f"{ONE}:47946", f"{TWO}:47946", 40),
        *datagrams(f"{THREE}:47946", f"{TWO}:47946", 41),
        *datagrams(f"{TWO}:47946", "10.1.0.4:47946", 42),
    ]
    known = cluster(pod("four", "10.1.0.4"))
    assert edges(mapped(known, recording(seen, first=0))) == {
        "one -> two:47946/UDP",
        "three -> two:47946/UDP",
        "two -> four:47946/UDP",
    }


def test_answer_is_no_first_datagram() -> None:
    """UDP: what an ephemeral port hears first from a fixed one is an answer."""
    seen = recording(datagrams(f"{TWO}:7001", f"{ONE}:40000", 40), first=0)
    assert fates(mapped(cluster(), seen)) == {UNDIRECTED: 1}
