"""S30 to S36: who is the client."""

import pytest

from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.resolve import UNDIRECTED
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    Json,
    Seen,
    call,
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
    """S36: where two rules disagree, neither counts."""
    line = entry(f"{TWO}:40001", f"{ONE}:40000")
    assert rule(cluster(two_serves=40001), UNKNOWN_PORTS, dumps=[conntrack(line)]) == "S36"


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
