"""S40 to S46: did the call happen, and which calls are shown."""

from typing import Any

import pytest
from msgspec.structs import replace

from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import ATTEMPTED
from otterize_pcap.packets.protocols import ACK, FIN, PSH, RST, SYN
from otterize_pcap.resolve.build_graph import HIDDEN_DNS, HIDDEN_HALF, HIDDEN_ONE_WAY, Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.resolution import UNKNOWN_PRIVATE
from otterize_pcap.resolve.undecided import AGELESS
from tests.cluster_builder import (
    Json,
    Seen,
    attempt,
    call,
    conntrack,
    datagrams,
    edges,
    entry,
    fates,
    mapped,
    packet,
    pod,
    recording,
    service,
    snapshot,
)

CLIENT, SERVER = "10.1.0.1", "10.1.0.9"
UDP_PORT = {"containerPort": 53, "protocol": "UDP"}
KNOWN = snapshot(pod("client", CLIENT), pod("server", SERVER, ports=[80, UDP_PORT]))
A, B = f"{CLIENT}:40000", f"{SERVER}:80"
SYN_ = (packet(A, B, SYN, 7), 0.0, 1)
SYN_ACK = (packet(B, A, SYN | ACK, 9, 8), 0.001, 1)
FINAL_ACK = (packet(A, B, ACK, 8, 10), 0.002, 1)
RESET = (packet(A, B, RST, 8, 0), 0.002, 1)
RESET_BY_SERVER = (packet(B, A, RST | ACK, 0, 8), 0.001, 1)
UNREACHABLE = (packet(A, B, unreachable=True), 0.001, 1)


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        pytest.param([SYN_, SYN_ACK, FINAL_ACK], "established", id="handshake"),
        pytest.param(
            [SYN_, SYN_ACK, FINAL_ACK, (packet(B, A, RST, 10, 0), 0.01, 1)],
            "established",
            id="reset after it",
        ),
        pytest.param([SYN_, SYN_ACK, RESET], "probed", id="half-open scan"),
        pytest.param([SYN_, SYN_ACK], "probed", id="never answered"),
        pytest.param([SYN_, RESET_BY_SERVER], "refused", id="reset"),
        pytest.param([SYN_, UNREACHABLE], "refused", id="ICMP unreachable"),
        pytest.param([SYN_], "unanswered", id="SYN alone"),
        pytest.param(
            [SYN_, (packet(A, B, SYN, 7), 1.0, 1), (packet(A, B, SYN, 7), 3.0, 1)],
            "unanswered",
            id="SYN repeated",
        ),
        pytest.param(
            [SYN_, (packet(A, B, ACK, 8, 10), 0.1, 1)], "unanswered", id="one-sided segments"
        ),
        pytest.param(
            [SYN_, FINAL_ACK, (packet(A, B, FIN | ACK, 8, 10), 0.1, 1)],
            "established",
            id="client alone, FIN",
        ),
        pytest.param(
            [SYN_, FINAL_ACK, (packet(A, B, PSH | ACK, 8, 10), 0.1, 1)],
            "established",
            id="client alone, data",
        ),
        pytest.param(
            [SYN_ACK, (packet(B, A, PSH | ACK, 10, 8), 0.1, 1)],
            "established",
            id="server alone, data",
        ),
        pytest.param(
            [SYN_, FINAL_ACK, (packet(A, B, PSH | ACK, 8, 10), 0.1, 1), UNREACHABLE],
            "refused",
            id="client alone, unreachable",
        ),
        pytest.param(
            [SYN_, (packet(A, B, ACK, 8, 10), 0.1, 1), (packet(B, A, RST, 10), 0.2, 1)],
            "refused",
            id="blind segments reset",
        ),
    ],
)
def test_outcome(seen: list[Seen], outcome: str) -> None:
    """S40, S41: what came of a TCP connection; only established ones are calls."""
    found = mapped(KNOWN, seen)
    assert found.resolutions[0].connection.outcome == outcome
    if outcome == "established":
        assert edges(found) == {"client -> server:80"}
    else:
        assert edges(found) == set()
        assert fates(found) == {Fate(FateKind.HIDDEN, outcome): 1}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
def test_one_direction_of_an_older_connection_is_not_unanswered(compiled: bool) -> None:
    """S40: nobody begins with a segment that acknowledges; whether the peer is there is not known.

    With the other direction, or with a conntrack entry, it is a call.
    """
    half = [(packet(A, B, PSH | ACK, 8 + number, 10), number / 10, 1) for number in range(3)]
    assert fates(mapped(KNOWN, recording(half, compiled=compiled))) == {HIDDEN_HALF: 1}
    answer = (packet(B, A, ACK, 10, 8), 0.05, 1)
    assert len(edges(mapped(KNOWN, recording([*half, answer], compiled=compiled)))) == 1


def test_conntrack_says_assured() -> None:
    """S40: what conntrack calls ASSURED is established, however little of it was recorded."""
    seen = [(packet(A, B, ACK, 8, 10), 0.0, 1)]
    line = entry(A, B, remaining=431990)
    assert edges(mapped(KNOWN, seen)) == set()
    assert edges(mapped(KNOWN, seen, dumps=[conntrack(line)])) == {"client -> server:80"}


def test_older_entry_says_nothing_of_a_new_attempt() -> None:
    """S40: an entry of the endpoints' last connection does not answer for the next one."""
    line = entry(A, B, state="TIME_WAIT", remaining=90)
    found = mapped(KNOWN, attempt(A, B, 20, refused=True), dumps=[conntrack(line, at=0)])
    assert fates(found) == {Fate(FateKind.HIDDEN, "refused"): 1}


def test_attempts_can_be_included() -> None:
    """S41: `--include-attempts` adds the rest, marked."""
    rules = Rules(inclusion=Inclusion(attempts=True))
    found = mapped(KNOWN, attempt(A, B), rules=rules)
    assert edges(found) == {"client -> server:80"}
    assert found.graph.calls[0].status == ATTEMPTED


def test_datagrams() -> None:
    """S40: datagrams both ways are a call; one way is hidden, and can be counted."""
    ends = (f"{CLIENT}:40000", f"{SERVER}:53")
    assert edges(mapped(KNOWN, datagrams(*ends))) == {"client -> server:53/UDP"}
    one_way = datagrams(*ends, answered=False)
    assert fates(mapped(KNOWN, one_way)) == {HIDDEN_ONE_WAY: 1}
    rules = Rules(inclusion=Inclusion(one_way_udp=True))
    assert edges(mapped(KNOWN, one_way, rules=rules)) == {"client -> server:53/UDP"}


def test_refused_datagram() -> None:
    """S40, S43: an ICMP error makes no call, and says that a datagram was refused."""
    ends = (f"{CLIENT}:40000", f"{SERVER}:53")
    seen = [
        *datagrams(*ends, answered=False),
        (packet(*ends, protocol=17, unreachable=True), 0.01, 1),
    ]
    assert fates(mapped(KNOWN, seen)) == {Fate(FateKind.HIDDEN, "refused"): 1}


def dns_service(name: str, namespace: str, **more: object) -> Json:
    """A Service in front of the pods `server`."""
    made: dict[str, Any] = {"selector": {"app": "server"}, **more}
    return service(name, DNS, 53, namespace=namespace, **made)


DNS = "10.96.0.10"
LABELLED = {"labels": {"k8s-app": "kube-dns"}}


@pytest.mark.parametrize(
    ("made", "hidden"),
    [
        pytest.param(dns_service("dns", "kube-system", **LABELLED), True, id="label"),
        pytest.param(dns_service("kube-dns", "kube-system"), True, id="kube-dns"),
        pytest.param(dns_service("dns-default", "openshift-dns"), True, id="dns-default"),
        pytest.param(dns_service("coredns", "kube-system"), True, id="coredns"),
        pytest.param(dns_service("x", "kube-system", protocol="UDP"), True, id="by its port"),
        pytest.param(dns_service("x", "kube-system"), False, id="TCP alone"),
        pytest.param(dns_service("x", "given"), True, id="given"),
        pytest.param(dns_service("kube-dns", "app"), False, id="a tenant's name"),
        pytest.param(dns_service("dns-default", "app"), False, id="a tenant's other name"),
        pytest.param(dns_service("dns", "app", **LABELLED), False, id="a tenant's label"),
    ],
)
def test_cluster_dns_is_hidden(made: Json, hidden: bool) -> None:
    """S45: calls to the cluster's DNS are counted and hidden; its other ports are calls.

    A tenant's Service that only looks like it hides nothing.
    """
    namespace = made["metadata"]["namespace"]
    known = snapshot(pod("client", CLIENT), pod("server", SERVER, namespace=namespace), made)
    seen = [*call(f"{CLIENT}:1", f"{SERVER}:53"), *call(f"{CLIENT}:2", f"{SERVER}:9153")]
    given = Rules(cluster_dns=(("given", "x"),))
    found = mapped(known, seen, rules=given)
    shown = {edge.partition(":")[2] for edge in edges(found)}
    assert shown == ({"9153"} if hidden else {"53", "9153"})
    assert fates(found).get(HIDDEN_DNS, 0) == hidden
    included = replace(given, inclusion=Inclusion(cluster_dns=True))
    assert len(edges(mapped(known, seen, rules=included))) == 2


def test_whoever_answers_for_the_cluster_dns_is_it() -> None:
    """S45: a node's cache answers at the Service's address (Cilium's local redirect)."""
    known = snapshot(
        pod("client", CLIENT),
        pod("server", SERVER, namespace="kube-system"),
        pod("cache", "10.1.0.8", namespace="kube-system", ports=[53]),
        dns_service("kube-dns", "kube-system"),
    )
    port = f"{CLIENT}:40000"
    seen = [
        (packet(*ends, flags, seq, ack), at + leg / 1000, leg)
        for leg, server in enumerate((f"{DNS}:53", "10.1.0.8:53"), 1)
        for ends, flags, seq, ack, at in (
            ((port, server), SYN, 7, 0, 0.0),
            ((server, port), SYN | ACK, 9, 8, 0.01),
            ((port, server), ACK, 8, 10, 0.02),
        )
    ]
    found = mapped(known, seen)
    assert not edges(found)
    assert fates(found) == {HIDDEN_DNS: 1}


@pytest.mark.parametrize("flags", [SYN | ACK, RST, RST | ACK], ids=["SYN-ACK", "RST", "RST-ACK"])
@pytest.mark.parametrize("sender", [(A, B), (B, A)], ids=["client", "server"])
@pytest.mark.parametrize("after", [-5.0, -0.01, 0.0005, 0.0015, 0.0025, 0.3, 9.0])
def test_forged_segment_hides_and_turns_no_call(
    flags: int, sender: tuple[str, str], after: float
) -> None:
    """S30, S40: a segment that no TCP would take changes nothing of the call that it is in.

    Its numbers are outside any window; the peer's TCP drops it (RFC 9293 3.10.7).
    """
    whole = [
        SYN_,
        SYN_ACK,
        FINAL_ACK,
        (packet(A, B, PSH | ACK, 8, 10), 0.2, 1),
        (packet(B, A, PSH | ACK, 10, 20), 0.4, 1),
        (packet(A, B, FIN | ACK, 20, 20), 10.0, 1),
    ]
    forged = (packet(*sender, flags, 1 << 30, 3 << 29), after, 1)
    seen = sorted([*whole, forged], key=lambda each: each[1])
    assert edges(mapped(KNOWN, seen)) == {"client -> server:80"}


@pytest.mark.parametrize("after", [0.15, 0.5, 1.9, 5.0])
@pytest.mark.parametrize("seq", [7, 20, 1 << 30])
def test_forged_syn_ack_turns_no_connection_in_the_middle(after: float, seq: int) -> None:
    """S30: also where the recording began after the call did, however shortly before."""
    seen = [
        (packet(A, B, PSH | ACK, 8, 10), 0.0, 1),
        (packet(B, A, PSH | ACK, 10, 20), 0.1, 1),
        (packet(A, B, SYN | ACK, seq, 5), after, 1),
        (packet(A, B, PSH | ACK, 20, 20), 6.0, 1),
        (packet(B, A, PSH | ACK, 20, 30), 6.1, 1),
    ]
    assert edges(mapped(KNOWN, seen)) == {"client -> server:80"}


@pytest.mark.parametrize(("seq", "ack"), [(7, 10), (7, 99), (1 << 30, 5)])
def test_forged_syn_ack_at_the_beginning_turns_no_call(seq: int, ack: int) -> None:
    """S30, S32: nor where it is the first that was recorded of a call that was there before."""
    seen = [
        (packet(A, B, SYN | ACK, seq, ack), 0.0, 1),
        (packet(A, B, PSH | ACK, 8, 10), 1.0, 1),
        (packet(B, A, PSH | ACK, 10, 20), 1.1, 1),
    ]
    assert edges(mapped(KNOWN, seen)) == {"client -> server:80"}


SILENT = recording(call("10.1.0.7:1", "10.1.0.8:2"))


def test_silent_connection_is_known_to_conntrack() -> None:
    """S46: an open entry without a packet is a call, and says where it is from."""
    found = mapped(KNOWN, SILENT, dumps=[conntrack("# header", entry(A, B))])
    assert edges(found) == {"client -> server:80"}
    (use,) = found.graph.calls[0].uses
    assert use.evidence is not None
    assert (use.evidence.file, use.evidence.packet, use.evidence.rule) == (
        "node/a/conntrack-end",
        2,
        "S31",
    )
    assert use.packets == (0, 0)


@pytest.mark.parametrize(
    "line",
    [
        entry(A, B, state="TIME_WAIT", remaining=100),
        entry(A, B, state="CLOSE", remaining=5),
        entry(A, B, state="SYN_SENT", remaining=100),
        entry(A, B, assured=False),
    ],
    ids=["TIME_WAIT", "CLOSE", "SYN_SENT", "not assured"],
)
def test_entry_that_is_no_call(line: str) -> None:
    """S46: what is closing, opening or not assured is no call."""
    assert edges(mapped(KNOWN, SILENT, dumps=[conntrack(line)])) == set()


def test_entry_is_resolved_when_it_last_spoke() -> None:
    """S46: the dump minus what ran off the timeout: not who has the address now."""
    known = snapshot(
        pod("old", CLIENT, start=-9000, finished=-500, phase="Succeeded"),
        pod("new", CLIENT, start=-400),
        pod("server", SERVER, start=-9000, ports=[80]),
    )
    line = entry(A, B, remaining=432000 - 1000)
    assert edges(mapped(known, SILENT, dumps=[conntrack(line, at=0)])) == {"old -> server:80"}
    recent = entry(A, B, remaining=432000 - 10)
    assert edges(mapped(known, SILENT, dumps=[conntrack(recent, at=0)])) == {"new -> server:80"}


@pytest.mark.parametrize(
    ("line", "timeouts"),
    [(entry(A, B), {}), (entry(A, B, remaining=250), None)],
    ids=["timeouts unknown", "data not acknowledged"],
)
def test_entry_without_an_age(line: str, timeouts: dict[str, int] | None) -> None:
    """S46: where it cannot be known when an entry last spoke, it is counted and no more."""
    found = mapped(KNOWN, SILENT, dumps=[conntrack(line, timeouts=timeouts)])
    assert edges(found) == set()
    assert fates(found) == {AGELESS: 1, UNKNOWN_PRIVATE: 1}


@pytest.mark.parametrize(
    ("ends", "call"),
    [
        ((A, B), "client -> server"),
        ((A, "10.96.0.1:80", B), "client -> server"),
        (("10.1.9.9:40000", B), "anybody -> server"),
        ((A, "10.1.9.9:80"), "client -> anybody"),
        ((A, "8.8.8.8:443"), "client -> 8.8.8.8"),
        (("8.8.8.8:40000", B), "anybody -> server"),
    ],
    ids=["pods", "a Service", "unknown client", "unknown server", "outside", "from outside"],
)
def test_entry_without_an_age_may_be_its_holders_call(ends: tuple[str, ...], call: str) -> None:
    """S46, S65: any other call that is absent is known to be absent."""
    found = mapped(KNOWN, SILENT, dumps=[conntrack(entry(*ends), timeouts={})])
    assert found.graph.coverage is not None
    [undecided] = [one for one in found.graph.coverage.undecided if one.fate == AGELESS]
    names = (
        "anybody" if parties is None else " ".join(one.name for one in parties)
        for parties in (undecided.clients, undecided.servers)
    )
    assert " -> ".join(names) == call


def test_one_connection_in_many_dumps_is_one() -> None:
    """S46: before and after capturing, on two nodes, before and after NAT: one connection."""
    known = snapshot(
        pod("client", CLIENT), pod("server", SERVER, ports=[80]), service("server", "10.96.0.1")
    )
    vip = entry(A, "10.96.0.1:80", B)
    dumps = [
        conntrack(vip, at=8),
        conntrack(vip, at=9),
        conntrack(entry(A, B), at=9, name="b"),
    ]
    found = mapped(known, SILENT, dumps=dumps)
    (use,) = found.graph.calls[0].uses
    assert (use.connections, use.services) == (1, ("server.app",))


def test_recorded_connection_is_not_taken_from_conntrack() -> None:
    """S46: an entry of which packets were recorded adds nothing."""
    found = mapped(KNOWN, call(A, B), dumps=[conntrack(entry(A, B))])
    assert found.graph.calls[0].uses[0].connections == 1
    assert found.graph.calls[0].uses[0].packets == (2, 2)


def test_offloaded_entry_is_read() -> None:
    """S46: an entry in a flow table has no timeout and no state, and no age."""
    line = entry(A, B).replace(" 431995 ESTABLISHED", "").replace("ASSURED", "OFFLOAD")
    dump = conntrack(line)
    assert [(found.remaining, found.state, found.assured) for found in dump.entries] == [
        (None, "", True)
    ]
    assert fates(mapped(KNOWN, SILENT, dumps=[dump]))[AGELESS] == 1


def test_unreadable_lines_are_counted() -> None:
    """S46: a line that is damaged is counted, never guessed."""
    damaged = entry(A, B).replace("sport=40000", "sport=99999")
    dump = conntrack(damaged, entry(A, B)[:60], "", "garbage")
    assert (dump.entries, dump.unreadable) == ((), 2)
