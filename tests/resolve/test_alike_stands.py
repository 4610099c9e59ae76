"""Pods of one workload that are counted as one: the graph is that of all groups, one by one."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import ServiceGraph, Workload
from otterize_pcap.packets.packet import Packet
from otterize_pcap.packets.protocols import ACK, SYN
from otterize_pcap.resolve.build_graph import HIDDEN_HALF, Inclusion
from otterize_pcap.resolve.capture import Capture
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import Identity
from otterize_pcap.resolve.map_capture import MappedCapture, graph_capture
from otterize_pcap.snapshot.snapshot import Pod
from tests.cluster_builder import (
    OUTSIDE,
    call,
    edges,
    fates,
    mapped,
    packet,
    pod,
    recording,
    snapshot,
)
from tests.conftest import FIXTURES
from tests.connections.test_shapes import EXAMPLES, compiled
from tests.connections.traffic import Traffic, traffic

INCLUSIONS = (
    Inclusion(),
    Inclusion(attempts=True, one_way_udp=True, cluster_dns=True),
    Inclusion(internet=True, lookups=True, self_calls=False),
    Inclusion(attempts=True, exclude_namespaces=frozenset(("shop",))),
    Inclusion(exclude_labels=(("app", None),)),
    Inclusion(distinct_by_label="app"),
    Inclusion(behind=True),
)
SCENARIOS = sorted(path.parent for path in FIXTURES.glob("*/snapshot.json"))


def of_few(pod: Pod) -> Identity:
    """An identity that many pods have."""
    return Identity(Workload(f"set-{len(pod.name) % 2}", "shop", "StatefulSet"))


def both_ways(capture: Capture, inclusion: Inclusion) -> tuple[ServiceGraph, ServiceGraph]:
    """The graph as it is made, and with each group counted as it is."""
    rules = Rules(inclusion=inclusion, force=True)
    with patch("otterize_pcap.resolve.map_capture.may_count_as_one", lambda _: False):
        each = graph_capture(capture, rules)
    return graph_capture(capture, rules), each


def assert_same(graphs: Sequence[ServiceGraph]) -> None:
    """Two graphs are equal, coverage and all."""
    one, other = graphs
    assert one.calls == other.calls
    assert one.hidden == other.hidden
    assert one.coverage == other.coverage
    assert (one.inferred, one.roots, one.parts, one.labels) == (
        (other.inferred, other.roots, other.parts, other.labels)
    )


@compiled
@settings(max_examples=EXAMPLES)
@given(found=traffic(), inclusion=st.sampled_from(INCLUSIONS))
def test_random_captures(found: Traffic, inclusion: Inclusion) -> None:
    """Whatever is asked for, who is counted as one changes nothing; all pods are of two sets."""
    identify = "otterize_pcap.resolve.identity.Identities._identify"
    with patch(identify, lambda _, pod: of_few(pod)):
        assert_same(both_ways(found.capture(fast=True), inclusion))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_recorded_captures(scenario: Path) -> None:
    """The same of recorded traffic."""
    (capture,) = open_captures([scenario])
    for inclusion in INCLUSIONS:
        assert_same(both_ways(capture, inclusion))


@compiled
def test_fewer_are_counted() -> None:
    """Of the recorded Kubernetes' groups many count as one; of one that asks for pods, none."""
    (capture,) = open_captures([FIXTURES / "real-cluster"])
    mapped = MappedCapture(capture, Rules())
    assert len(mapped._to_count) < len(mapped.groups)
    told_apart = MappedCapture(capture, replace(Rules(), inclusion=Inclusion(behind=True)))
    assert told_apart._to_count == told_apart.groups


CLASSES_OF_A_SUM = 4  # `_alike.pyx`
JOB, FIRST, SECOND = "10.1.0.1", "10.1.0.2", "10.1.0.3"


@compiled
def test_who_stood_outside_is_told_of_each() -> None:
    """S50: of two pods of a workload one has an address outside, which is told of the workload."""
    known = snapshot(pod("job", JOB), pod("web", FIRST), pod("web", OUTSIDE, name="web-2"))
    seen = [*call(f"{JOB}:40000", f"{FIRST}:80"), *call(f"{JOB}:40001", f"{OUTSIDE}:80")]
    found = mapped(known, recording(seen, compiled=True))
    assert edges(found) == {"job -> web:80"}
    assert [each.name for each in found.coverage.outside] == ["web"]


@compiled
def test_what_was_not_answered_is_told_apart() -> None:
    """S40: a SYN without answer is no half of a connection older than the capture."""
    known = snapshot(
        pod("job", JOB), pod("web", FIRST, ports=[80]), pod("web", SECOND, name="web-2", ports=[80])
    )
    seen = [
        (packet(f"{JOB}:40000", f"{FIRST}:80", SYN, 1), 1.0, 1),
        *[(packet(f"{JOB}:40001", f"{SECOND}:80", ACK, 5, 9), 1.0 + at, 1) for at in range(3)],
    ]
    found = mapped(known, recording(seen, compiled=True))
    assert fates(found) == {
        HIDDEN_HALF: 1,
        Fate(FateKind.HIDDEN, "unanswered"): 1,
    }


@compiled
def test_more_classes_than_a_sum_has_room_for_are_all_counted() -> None:
    """Six classes between two workloads: none is lost, and each rule is counted."""
    port = f"{FIRST}:80"
    clients = [f"{JOB}:{40000 + number}" for number in range(6)]
    clients.append(f"{JOB}:700")
    hint, syn_ack = 1, SYN | ACK
    ways: list[list[Packet]] = [
        [packet(clients[0], port, SYN, 1), packet(port, clients[0], syn_ack, 5, 2),
         packet(clients[0], port, ACK, 2, 6)],
        [packet(clients[1], port, SYN, 1001), packet(port, clients[1], syn_ack, 1005, 1002),
         packet(clients[1], port, ACK, 1002, 1006)],
        [packet(port, clients[2], syn_ack, 5, 2), packet(clients[2], port, ACK, 2, 6)],
        [packet(clients[3], port, ACK, 2, 6), packet(port, clients[3], ACK, 6, 2)],
        [packet(clients[4], port, ACK, 2, 6, hint=hint), packet(port, clients[4], ACK, 6, 2)],
        [packet(clients[5], port, ACK, 2, 6), packet(port, clients[5], ACK, 6, 2, hint=hint)],
        # No port of a client, so that S35 does not speak.
        [packet(clients[6], port, ACK, 2, 6), packet(port, clients[6], ACK, 6, 2)],
    ]  # fmt: skip
    seen = [(each, 1.0 + at / 10, 1) for way in ways for at, each in enumerate(way)]
    known = snapshot(pod("job", JOB), pod("web", FIRST, ports=[80]))
    found = mapped(known, recording(seen, compiled=True))
    kinds = {each.connection.kind for each in found.groups}
    assert len(kinds) == CLASSES_OF_A_SUM + 2
    # Those for which there is no room are added up by their own class.
    assert sorted(len(each.connection.rules) for each in found._to_count) == [1, 1, 4]
    assert {kind.outcome for kind in kinds} == {"established"}
    assert_same((found.graph, mapped(known, recording(seen, compiled=False)).graph))
    (shown,) = found.graph.calls
    assert sum(count for _, count in shown.uses[0].rules) == shown.uses[0].connections == 6
