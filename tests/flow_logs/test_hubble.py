"""Hubble's flows: who is the client, what came of it, who the ends are, what was lost."""

import json
from typing import Any

import pytest

from otterize_pcap.compare.coverage_gaps import coverage_gaps
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.flow_logs.flow import LoggedEnd, StandsFor
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.conftest import FIXTURES
from tests.flow_logs.logs import Json, as_lines, connections, edges, graph_of, read_log, summary

STORY = (FIXTURES / "flow-logs" / "hubble.jsonl").read_bytes()
SYN, SYN_ACK, ACK = {"SYN": True}, {"SYN": True, "ACK": True}, {"ACK": True}
WEB: Json = {
    "namespace": "shop",
    "pod_name": "web-1",
    "workloads": [{"name": "web", "kind": "Deployment"}],
}
HEIR: Json = {
    "namespace": "shop",
    "pod_name": "heir-1",
    "workloads": [{"name": "heir", "kind": "Deployment"}],
}
DB: Json = {
    "namespace": "data",
    "pod_name": "db-0",
    "workloads": [{"name": "db", "kind": "StatefulSet"}],
}


def flow(
    at: float = 0,
    *,
    flags: Json | None = None,
    reply: bool | None = False,
    turned: bool = False,
    protocol: str = "TCP",
    ports: tuple[int, int] = (40000, 5432),
    **more: Any,  # noqa: ANN401 - JSON
) -> Json:
    """A flow between web and db; `turned` from db to web."""
    ends, addresses = [WEB, DB], ["10.0.0.1", "10.0.0.2"]
    way = -1 if turned else 1
    layer: Json = dict(zip(("source_port", "destination_port"), ports[::way], strict=True))
    if protocol == "TCP":
        layer["flags"] = ACK if flags is None else flags
    found = {
        "time": f"2026-11-23T07:00:{at:012.9f}Z",
        "verdict": "FORWARDED",
        "IP": dict(zip(("source", "destination"), addresses[::way], strict=True)),
        "l4": {protocol: layer},
        **dict(zip(("source", "destination"), ends[::way], strict=True)),
        "Type": "L3_L4",
        "node_name": "default/n1",
        **more,
    }
    if reply is not None:
        found["is_reply"] = reply
    return {"flow": found}


HANDSHAKE = [
    flow(0, flags=SYN),
    flow(0.001, flags=SYN_ACK, reply=True, turned=True),
    flow(0.002, flags=ACK),
]
FROM_WEB = ("10.0.0.1:40000", "10.0.0.2:5432")


def test_story_has_the_calls_that_were_made() -> None:
    """The recorded story's established calls, the domain name that DNS told, and nothing else."""
    assert edges(graph_of(STORY, Inclusion(internet=True))) == [
        "checkout -> db 5432/TCP",
        "checkout -> kubernetes 6443/TCP",
        "checkout -> api.payments.example 443/TCP",
        "web -> checkout 8080/TCP",
    ]


def test_attempts_and_dns_are_asked_for() -> None:
    """A dropped SYN and one-way UDP are attempts; the cluster's DNS is known by its label."""
    asked = Inclusion(attempts=True, one_way_udp=True, cluster_dns=True)
    assert edges(graph_of(STORY, asked)) == [
        "checkout -> coredns 53/UDP",
        "checkout -> db 5432/TCP",
        "checkout -> kubernetes 6443/TCP",
        "web -> checkout 8080/TCP",
        "web -> db 5432/TCP",
        "web -> statsd 8125/UDP",
    ]


def test_socket_translations_say_which_service_was_asked() -> None:
    """Before and after translation are joined by the socket's cookie; they are no calls."""
    call = next(call for call in graph_of(STORY).calls if call.client.name == "web")
    assert call.uses[0].services == ("checkout.shop",)
    assert call.uses[0].connections == 1
    assert read_log(STORY).passed_over["flow-log event: socket translation"] == 2


def test_connection_that_two_nodes_saw_counts_once() -> None:
    """Egress on one node and ingress on the other are one connection with two observations."""
    seen = [*HANDSHAKE, *(flow_on(each, "default/n2", 0.0003) for each in HANDSHAKE)]
    found = connections(seen)
    assert len(found) == 1
    assert [leg.recording.node for leg in found[0].connection.legs] == ["n1", "n2"]


def flow_on(record: Json, node: str, later: float) -> Json:
    """The same as another node saw it."""
    found = json.loads(json.dumps(record))
    found["flow"]["node_name"] = node
    seconds = float(found["flow"]["time"][17:-1]) + later
    found["flow"]["time"] = f"2026-11-23T07:00:{seconds:012.9f}Z"
    return dict(found)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(HANDSHAKE, ("hubble: is_reply", "established"), id="handshake"),
        pytest.param(HANDSHAKE[:1], ("hubble: is_reply", "unanswered"), id="SYN alone"),
        pytest.param(HANDSHAKE[:2], ("hubble: is_reply", "probed"), id="no final ACK"),
        pytest.param(
            [flow(flags=SYN, reply=None, verdict="DROPPED")],
            ("hubble: TCP flags", "unanswered"),
            id="dropped",
        ),
        pytest.param(
            [flow(flags=SYN), flow(1, flags={"RST": True, "ACK": True}, reply=True, turned=True)],
            ("hubble: is_reply", "refused"),
            id="refused",
        ),
        pytest.param(
            [flow(flags=SYN_ACK, reply=None, turned=True), flow(1, flags=ACK, reply=None)],
            ("hubble: TCP flags", "established"),
            id="SYN-ACK tells where is_reply is null",
        ),
        pytest.param(
            [*HANDSHAKE[:2], flow(0.002, flags=ACK, verdict="AUDIT")],
            ("hubble: is_reply", "established"),
            id="audit mode drops nothing",
        ),
        pytest.param(
            [*HANDSHAKE[:2], flow(0.002, flags=ACK, verdict="REDIRECTED")],
            ("hubble: is_reply", "established"),
            id="to the proxy",
        ),
        pytest.param(
            [*HANDSHAKE[:2], flow(0.002, flags=ACK, verdict="DROPPED")],
            ("hubble: is_reply", "probed"),
            id="what was dropped did not arrive",
        ),
        pytest.param(
            [flow(Type="L7", l7={"type": "REQUEST", "http": {"method": "GET"}})],
            ("hubble: is_reply", "established"),
            id="a request that the proxy saw",
        ),
        pytest.param(
            [flow(Type="L7", verdict="DROPPED", l7={"type": "REQUEST", "http": {}})],
            ("hubble: is_reply", "unanswered"),
            id="a request that the proxy refused",
        ),
        pytest.param(
            [flow(protocol="UDP"), flow(1, protocol="UDP", reply=True, turned=True)],
            ("hubble: is_reply", "established"),
            id="UDP both ways",
        ),
        pytest.param([flow(protocol="UDP")], ("hubble: is_reply", "unanswered"), id="UDP one way"),
        pytest.param(
            [flow(protocol="SCTP"), flow(1, protocol="SCTP", reply=True, turned=True)],
            ("hubble: is_reply", "established"),
            id="SCTP both ways",
        ),
    ],
)
def test_direction_and_outcome(records: list[Json], expected: tuple[str, str]) -> None:
    """Web is the client, whichever way the flows go, and what they show decides the outcome."""
    assert summary(records) == [(*FROM_WEB, *expected)]


def test_old_flows_say_reply_and_stand_bare() -> None:
    """Before 0.9 a line was the flow itself; `reply` is true of replies, and tells nothing else."""
    bare = [
        flow(0, reply=None, flags=ACK)["flow"],
        {**flow(1, reply=None, flags=ACK, turned=True)["flow"], "reply": True},
    ]
    assert summary(bare) == [(*FROM_WEB, "hubble: is_reply", "established")]


def test_disagreement_is_undirected() -> None:
    """Where is_reply says both, nobody is the client."""
    torn = [flow(0), flow(1, reply=False, turned=True)]
    assert [found[2] for found in summary(torn)] == ["S36"]


def test_port_that_closed_is_another_connection() -> None:
    """A SYN well after FIN or RST begins the next connection; a retransmitted one does not."""
    closed = flow(1, flags={"FIN": True, "ACK": True})
    assert len(summary([*HANDSHAKE, closed, flow(5, flags=SYN)])) == 2
    assert len(summary([flow(0, flags=SYN), flow(1, flags=SYN), flow(3, flags=SYN)])) == 1


def test_address_of_another_pod_is_another_connection() -> None:
    """The log names a pod at the time: the same 5-tuple of another pod is not the same call."""
    other = json.loads(json.dumps(HANDSHAKE))
    for number, each in enumerate(other):
        each["flow"]["time"] = f"2026-11-23T07:00:30.{number:09d}Z"
        side = "destination" if number == 1 else "source"
        each["flow"][side] = HEIR
    found = edges(graph_of(as_lines([*HANDSHAKE, *other])))
    assert found == ["heir -> db 5432/TCP", "web -> db 5432/TCP"]


@pytest.mark.parametrize(
    ("labels", "identity", "port", "expected"),
    [
        (["reserved:host"], 1, 80, StandsFor.NODE),
        (["reserved:remote-node"], 6, 80, StandsFor.NODE),
        (["reserved:health"], 4, 4240, StandsFor.NODE),
        (["reserved:ingress"], 8, 80, StandsFor.NODE),
        (["reserved:world"], 2, 443, StandsFor.WORLD),
        (["cidr:1.2.3.4/32", "reserved:world-ipv4"], 16777218, 443, StandsFor.WORLD),
        (["reserved:kube-apiserver"], 7, 8443, StandsFor.API_SERVER),
        (["reserved:kube-apiserver", "reserved:remote-node"], 7, 6443, StandsFor.API_SERVER),
        (["reserved:kube-apiserver", "reserved:remote-node"], 7, 10250, StandsFor.NODE),
        ([], 2, 443, StandsFor.WORLD),
        ([], 7, 6443, StandsFor.API_SERVER),
        (["k8s:app=x"], 12345, 80, StandsFor.UNSAID),
        (["reserved:unmanaged"], 3, 80, StandsFor.UNSAID),
    ],
)
def test_reserved_identities(
    labels: list[str], identity: int, port: int, expected: StandsFor
) -> None:
    """Nodes, the world and the API server, by label or by the identity's number alone."""
    found = connections(
        [flow(ports=(40000, port), destination={"labels": labels, "identity": identity})]
    )
    assert found[0].servers[0].stands_for is expected


def test_pod_of_another_cluster_is_nobody_here() -> None:
    """ClusterMesh: a namespace and name of another cluster are not this cluster's."""
    far = {**DB, "labels": ["k8s:io.cilium.k8s.policy.cluster=west"]}
    records = [flow(0, destination=far), flow(1, reply=True, turned=True, source=far)]
    graph = graph_of(as_lines(records))
    assert graph.calls == ()
    assert graph.coverage is not None
    assert [str(fate) for fate, _ in graph.coverage.connections] == [
        "unresolved: pod of another cluster"
    ]


def test_service_without_the_pod_behind_it_is_the_server() -> None:
    """Where only the ClusterIP was seen, the Service that was called is all that is known."""
    service = {"name": "cache", "namespace": "data"}
    nobody: Json = {"identity": 2, "labels": ["reserved:world"]}
    records = [
        flow(0, ports=(40000, 6379), destination=nobody, destination_service=service),
        flow(1, ports=(40000, 6379), reply=True, turned=True, source=nobody),
    ]
    graph = graph_of(as_lines(records))
    server = graph.calls[0].server
    assert (server.name, getattr(server, "kind", "")) == ("cache", "Service")


def test_cluster_ip_and_the_pod_that_answered_are_one_connection() -> None:
    """Without socket translation the same client's port is seen to both at one time (S20)."""
    service = {"name": "db", "namespace": "data"}
    asked = flow(0, flags=SYN, destination={}, destination_service=service)
    asked["flow"]["IP"]["destination"] = "10.96.0.9"
    found = connections([asked, *HANDSHAKE])
    assert len(found) == 1
    assert [port for _, port in found[0].connection.servers] == [5432, 5432]
    assert found[0].services == ("db.data",)
    assert found[0].connection.joined_by == ("S20",)


def test_names_of_an_address_outside() -> None:
    """Cilium's own names go before DNS answers; two names are no name."""
    world: Json = {"identity": 2}
    named = flow(0, flags=SYN, destination=world, destination_names=["api.example.com"])
    both = json.loads(json.dumps([named, HANDSHAKE[1], HANDSHAKE[2]]))
    both[0]["flow"]["IP"]["destination"] = "203.0.113.9"
    both[1]["flow"] |= {"source": world, "IP": {"source": "203.0.113.9", "destination": "10.0.0.1"}}
    both[2]["flow"] |= {"destination": world}
    both[2]["flow"]["IP"]["destination"] = "203.0.113.9"
    asked = Inclusion(internet=True)
    assert edges(graph_of(as_lines(both), asked)) == ["web -> api.example.com 5432/TCP"]
    both[0]["flow"]["destination_names"] = ["a.example.com", "b.example.com"]
    assert edges(graph_of(as_lines(both), asked)) == ["web -> 203.0.113.9 5432/TCP"]


def test_lost_events_and_nodes_without_an_answer_are_gaps() -> None:
    """What Hubble says that it lost, and which node did not answer, hides calls."""
    coverage = graph_of(STORY).coverage
    assert coverage is not None
    reasons = [gap.reason for gap in coverage_gaps(coverage)]
    assert reasons[0] == "node n3 was not captured (Hubble had no answer: timeout)"
    assert reasons[1].endswith("; 7 events were lost")


def test_call_that_a_log_lacks_is_not_called_removed() -> None:
    """A flow log is a sample: not seen is not gone."""
    less = b"\n".join(line for line in STORY.split(b"\n") if b'"db-0"' not in line)
    found = diff_graphs(graph_of(STORY), graph_of(less))
    assert found.removed == ()
    assert [entry.call.server.name for entry in found.not_seen] == ["db"]


def test_snapshot_knows_more_of_a_pod_that_the_log_names() -> None:
    """Owners come from the log, labels as the pod has them, without Cilium's own."""
    end = connections([flow(source={**WEB, "ID": 7, "labels": LABELS})])[0].clients[0]
    assert end == LoggedEnd(
        end.address,
        40000,
        namespace="shop",
        pod="web-1",
        owners=(("Deployment", "web"),),
        labels=(("app", "web"), ("tier", "")),
        node="n1",
    )


LABELS = [
    "k8s:app=web",
    "k8s:tier=",
    "k8s:io.kubernetes.pod.namespace=shop",
    "k8s:io.cilium.k8s.policy.cluster=default",
]


def test_pods_without_a_workload_are_named_by_themselves_and_said_to_be() -> None:
    """Cilium's documented export (real lines) masks workloads: nothing is guessed from names."""
    content = (FIXTURES / "flow-logs" / "hubble-exporter.jsonl").read_bytes()
    graph = graph_of(content, Inclusion(attempts=True))
    assert edges(graph) == ["xwing -> deathstar-7848d6c4d5-th9v2 80/TCP"]
    assert graph.coverage is not None
    (note,) = graph.coverage.notes
    assert note == (
        "the log does not say what made 2 of its pods, which are named by themselves: --snapshot "
        "tells, or a label (--workload-label)"
    )
    assert dict(graph.coverage.skipped) == {"ICMP or an unknown protocol in a flow log": 1}


def test_empty_snapshot_is_no_source_of_notes() -> None:
    """Without a snapshot there is no time of one to speak of."""
    assert graph_of(STORY, snapshot=Snapshot(where="")).coverage == graph_of(STORY).coverage
