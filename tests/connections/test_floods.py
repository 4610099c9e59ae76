"""Clients of whom nothing is known are few groups, and each is still found."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.addresses import (
    KINDS,
    MAPPED,
    borders_of,
    format_address,
    in_network,
    is_not_a_call,
    is_private,
    parse_address,
    parse_network,
)
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.explain.asked_pair import Question
from otterize_pcap.explain.explain import explain
from otterize_pcap.packets.protocols import ACK, SYN, TCP, UDP
from otterize_pcap.policies.pod_flows import pod_flows
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.table.chunk import FAST_PATH
from tests.connections.one_by_one import calls_one_by_one
from tests.connections.traffic import MS, Seen, Traffic, packet
from tests.connections.traffic_cluster import NODE_A, POD_A, POD_B, VIP, end

EVERYTHING = Rules(inclusion=Inclusion(attempts=True, one_way_udp=True), force=True)
WAYS = [False, pytest.param(True, marks=pytest.mark.skipif(not FAST_PATH, reason="not compiled"))]
INSIDE, PODS = parse_network("203.0.113.0/25"), parse_network("203.0.113.128/25")
# Two and more of each kind, on both sides of borders, and some of whom everything is known.
CLIENTS = (
    *("8.8.8.8", "9.255.255.255", "11.0.0.0", "10.9.9.9", "10.9.9.10", "172.15.255.255"),
    *("172.16.0.0", "169.254.1.1", "169.254.169.254", "169.254.20.10", "169.254.20.11"),
    *("203.0.112.255", "203.0.113.0", "203.0.113.127", "203.0.113.128", "203.0.114.0"),
    *("223.255.255.255", "224.0.0.1", "255.255.255.255", "2001:db8::1", "fe80::1", "fc00::1"),
    *(POD_A, NODE_A, VIP),
)
ADDRESSES = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=4, max_size=4).map(lambda low: MAPPED + low),
    st.sampled_from(borders_of(KINDS)),
    st.sampled_from([int.from_bytes(one) for one in borders_of(KINDS) if any(one)]).map(
        lambda border: (border - 1).to_bytes(16)
    ),
)


@given(one=ADDRESSES, other=ADDRESSES)
def test_no_border_between_is_the_same_kind(one: bytes, other: bytes) -> None:
    """Addresses are alike to every question about ranges where no border parts them."""
    low, high = sorted((one, other))
    if any(low < border <= high for border in borders_of(KINDS)):
        return
    assert is_not_a_call(low) == is_not_a_call(high)
    assert is_private(low) == is_private(high)
    assert [in_network(low, each) for each in KINDS] == [in_network(high, each) for each in KINDS]


def flood(*, fast: bool, outwards: bool = False) -> Capture:
    """Calls, attempts and datagrams from every client to a pod, a Service and a node.

    With `outwards` the other way round: pods and a node call whom nobody knows, some of them at
    ports that tell no client from a server.
    """
    seen: list[Seen] = []
    for number, client in enumerate(CLIENTS * 3):
        caller = end(client, 40000 + number)
        server = end((POD_B, VIP, NODE_A)[number % 3], 80)
        if outwards:
            caller = end((POD_B, POD_A, NODE_A)[number % 3], 40000 + number)
            server = end(client, (443, 53, 40000 + number % 2)[number % 7 % 3])
        protocol = UDP if number % 5 == 0 else TCP
        at = number * 9 * MS
        seen.append((packet(protocol, caller, server, SYN, number), at, 1, 0))
        if number % 2:
            seen += [
                (packet(protocol, server, caller, SYN | ACK, number, number + 1), at + 1, 1, 0),
                (packet(protocol, caller, server, ACK, number + 1, number + 1), at + 2, 1, 0),
            ]
        if outwards and number % 4 == 0:
            # Older than the capture.
            del seen[-1 - 2 * (number % 2) :]
            seen += [
                (packet(protocol, server, caller, ACK, 5, 6), at + 1, 1, 0),
                (packet(protocol, caller, server, ACK, 6, 5), at + 2, 1, 0),
            ]
    for number, address in enumerate(("8.8.8.8", "8.8.8.9", "8.8.4.4") if outwards else ()):
        # Three of one range: answered, and older than the capture where no port tells who called.
        for port, flags in ((443, SYN | ACK), (50000, ACK)):
            caller, server = end(POD_B, 50001 + number), end(address, port)
            seen += [
                (packet(TCP, caller, server, flags & SYN or ACK, 5, 6), number * MS, 1, 0),
                (packet(TCP, server, caller, flags, 6, 6), number * MS + 1, 1, 0),
                (packet(TCP, caller, server, ACK, 6, 7), number * MS + 2, 1, 0),
            ]
    made = contents_of(Traffic(tuple(seen), (), 0, ("a", "b")).capture(fast=fast))
    known = replace(made.snapshot, pod_networks=(*made.snapshot.pod_networks, PODS))
    return Capture(replace(made, snapshot=known, inside=(INSIDE,)))


@pytest.mark.parametrize("fast", WAYS)
def test_grouped_clients_are_what_each_of_them_is(*, fast: bool) -> None:
    """Every connection of a flood has the fate that it has alone; so has the graph."""
    capture = flood(fast=fast)
    mapped = MappedCapture(capture, EVERYTHING)
    alone = calls_one_by_one(capture, EVERYTHING)
    assert mapped.graph.coverage is not None
    assert (mapped.graph.calls, mapped.graph.coverage.connections) == (alone.shown, alone.fates)
    each = Counter(resolution.connection.clients for resolution in mapped.resolutions)
    assert each.total() == 3 * len(CLIENTS)
    assert any(group.connection.client.is_example for group in mapped.groups)


@pytest.mark.parametrize("fast", WAYS)
@pytest.mark.parametrize("outwards", [False, True])
@pytest.mark.parametrize("internet", [False, True])
def test_groups_of_a_flood_change_no_graph(
    monkeypatch: pytest.MonkeyPatch, *, fast: bool, outwards: bool, internet: bool
) -> None:
    """Calls, what is hidden, and what may have been calls, are those of each alone."""
    capture = flood(fast=fast, outwards=outwards)
    rules = Rules(
        inclusion=Inclusion(attempts=True, one_way_udp=True, internet=internet), force=True
    )
    grouped = MappedCapture(capture, rules)
    monkeypatch.setattr(CaptureLookup, "borders", lambda _: None)
    alone = MappedCapture(capture, rules)
    assert len(grouped.groups) < len(alone.groups)
    assert grouped.graph == alone.graph
    assert pod_flows(grouped) == pod_flows(alone)

    def told(mapped: MappedCapture) -> list[tuple[object, ...]]:
        return [
            (one.connection.clients, one.connection.servers, one.client, one.server)
            for one in mapped.resolutions
        ]

    assert told(grouped) == told(alone)


@pytest.mark.parametrize("fast", WAYS)
def test_calls_to_many_outside_are_a_few_groups(*, fast: bool) -> None:
    """Calls to 3,000 addresses outside at two ports are two groups."""
    servers = [(MAPPED + bytes((8, 8, *divmod(number, 256))), 80) for number in range(3000)]
    seen = tuple(
        (packet(TCP, end(POD_B, 999), (address, port + number % 2), SYN, number), number, 1, 0)
        for number, (address, port) in enumerate(servers)
    )
    capture = Traffic(seen, (), 0, ("a", "b")).capture(fast=fast)
    groups = MappedCapture(capture, EVERYTHING).groups
    assert [(group.connection.connections, group.connection.servers[0][1]) for group in groups] == [
        (1500, 80),
        (1500, 81),
    ]


@pytest.mark.parametrize("fast", WAYS)
def test_flood_is_a_few_groups(*, fast: bool) -> None:
    """Attempts from 3,000 addresses outside to one port are one group."""
    clients = [(MAPPED + bytes((8, 8, *divmod(number, 256))), 999) for number in range(3000)]
    seen = tuple(
        (packet(TCP, client, end(POD_B, 80), SYN, number), number, 1, 0)
        for number, client in enumerate(clients)
    )
    capture = Traffic(seen, (), 0, ("a", "b")).capture(fast=fast)
    (group,) = MappedCapture(capture, EVERYTHING).groups
    assert isinstance(group.connection, ConnectionGroup)
    assert (group.connection.connections, group.connection.packets) == (3000, (3000, 0))


@pytest.mark.parametrize("fast", WAYS)
@pytest.mark.parametrize("client", ["8.8.8.8", "10.9.9.10", "203.0.113.127", "2001:db8::1"])
def test_one_of_a_flood_is_explained(client: str, *, fast: bool) -> None:
    """Who asks for one address gets its connections, and no other's."""
    mapped = MappedCapture(flood(fast=fast), EVERYTHING)
    asked = parse_address(client)
    expected = sum(
        any(address == asked for address, _ in resolution.connection.clients)
        for resolution in mapped.resolutions
    )
    found = explain(Question(client, "b", most=100), mapped)
    shown = {one.clients[0].rpartition(":")[0].strip("[]") for one in found.connections}
    assert shown == {format_address(asked)}
    assert 0 < len(found.connections) <= expected


@pytest.mark.parametrize("fast", WAYS)
@pytest.mark.parametrize("server", ["8.8.8.8", "10.9.9.10", "203.0.113.127", "2001:db8::1"])
def test_one_of_many_outside_is_explained(server: str, *, fast: bool) -> None:
    """Who asks for one server's address gets the calls to it, and to no other."""
    mapped = MappedCapture(flood(fast=fast, outwards=True), EVERYTHING)
    asked = parse_address(server)
    found = explain(Question("b", server, most=100), mapped)
    shown = {one.servers[0].rpartition(":")[0].strip("[]") for one in found.connections}
    assert shown == {format_address(asked)}
