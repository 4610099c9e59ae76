"""Components are cut where no connection lies across, and only there."""

from collections.abc import Iterable
from time import process_time

import pytest

from otterize_pcap.connections.conntrack_flows import related_sightings, tuple5
from otterize_pcap.connections.sightings import Sighting, sightings_of
from otterize_pcap.connections.snapshot_answers import Answer, during
from otterize_pcap.table.chunk import FAST_PATH
from tests.connections.described import traffic_of
from tests.connections.one_by_one import connections_one_by_one
from tests.connections.test_shapes import EVERYTHING, grouped

CLIENT, SERVER, VIP = "10.1.0.1:40000", "10.1.0.2:80", "10.96.0.1:80"
both_kinds = pytest.mark.parametrize(
    "fast",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built"),
        ),
    ],
)


def handshake(after: int, isn: int, where: str = "a0") -> tuple[str, ...]:
    """A whole handshake of one client with one server."""
    return (
        f"{after} {where} tcp {CLIENT} > {SERVER} S {isn} 0",
        f"{after + 1} {where} tcp {SERVER} > {CLIENT} SA {isn + 5} {isn + 1}",
        f"{after + 2} {where} tcp {CLIENT} > {SERVER} A {isn + 1} {isn + 6}",
    )


def counted(lines: Iterable[str], *, fast: bool) -> tuple[int, int, int]:
    """How many connections have a shape, how many have none, and how many there are one by one."""
    found = traffic_of(tuple(lines))
    by_shape, _ = grouped(found, fast=fast)
    one_by_one = connections_one_by_one(found.capture(fast=fast), EVERYTHING)
    return (
        sum(group.connections for group in by_shape.groups),
        len(by_shape.odd),
        len(one_by_one),
    )


@both_kinds
def test_connections_in_turn_are_cut(*, fast: bool) -> None:
    """Endpoints used again after a pause, each time with a handshake, are of one shape (S20)."""
    lines = [line for turn in range(50) for line in handshake(3000 * turn, 7 * turn)]
    assert counted(lines, fast=fast) == (50, 0, 50)
    assert len(grouped(traffic_of(tuple(lines)), fast=fast)[1]) == 1


@both_kinds
def test_a_syn_sent_again_after_a_pause_is_not_cut_off(*, fast: bool) -> None:
    """One interface saw a SYN, another only its repetition seconds later: one connection (S20)."""
    lines = (f"0 a0 tcp {CLIENT} > {SERVER} S 5 0", *handshake(3000, 5, "a1"))
    assert counted(lines, fast=fast) == (1, 0, 1)


@both_kinds
def test_a_syn_into_a_connection_that_goes_on_is_not_cut_off(*, fast: bool) -> None:
    """What follows an unanswered SYN is of what was before it, also where a handshake follows."""
    lines = (
        f"0 a0 tcp {CLIENT} > {SERVER} A 1 1",
        f"3000 a1 tcp {CLIENT} > {SERVER} S 5 0",
        f"3001 a1 tcp {SERVER} > {CLIENT} A 1 1",
        f"3002 a1 tcp {CLIENT} > {SERVER} A 1 1",
        *handshake(9000, 70, "a2"),
    )
    shaped, odd, one_by_one = counted(lines, fast=fast)
    assert (shaped + odd, one_by_one) == (2, 2)


@both_kinds
def test_what_goes_on_after_a_pause_is_not_cut_off(*, fast: bool) -> None:
    """Segments belong to the last handshake before them, however long ago it was (S20)."""
    lines = (*handshake(0, 5), f"99000 a1 tcp {SERVER} > {CLIENT} A 11 6")
    assert counted(lines, fast=fast) == (1, 0, 1)


@both_kinds
def test_datagrams_are_cut_after_thirty_seconds(*, fast: bool) -> None:
    """A pause of more than 30 seconds ends what datagrams make one connection."""
    lines = [f"{after} a0 udp {CLIENT} > {SERVER} -" for after in (0, 30_000, 60_001)]
    assert counted(lines, fast=fast) == (2, 0, 2)


@both_kinds
def test_endpoints_used_very_often_take_no_longer(*, fast: bool) -> None:
    """A client that uses one port again and again costs its packets, not their square."""
    lines = [line for turn in range(5000) for line in handshake(2000 * turn, 7 * turn)]
    found = traffic_of(tuple(lines))
    began = process_time()
    by_shape, _ = grouped(found, fast=fast)
    assert sum(group.connections for group in by_shape.groups) == 5000
    assert process_time() - began < 20


@both_kinds
def test_entries_of_other_sides_that_nobody_recorded(*, fast: bool) -> None:
    """Two entries that tell different other sides of what no packet shows have no shape (S20a)."""
    masqueraded = "192.168.0.1:40000"
    lines = (
        f"0 a0 tcp {CLIENT} > {SERVER} A 1 1",
        f"40000 a0 tcp {masqueraded} > 10.1.0.4:80 A 1 1",
        f"dump a 1 tcp - + {CLIENT} {VIP} {SERVER} {CLIENT}",
        f"dump a 41 tcp - + {CLIENT} {VIP} 10.1.0.4:80 {masqueraded}",
    )
    shaped, odd, one_by_one = counted(lines, fast=fast)
    assert (shaped, odd) == (0, one_by_one)


def sightings(*lines: str) -> list[Sighting]:
    """Conntrack's entries of some lines."""
    return sightings_of(traffic_of(lines).dumps, {})


def test_entries_are_related_through_others() -> None:
    """An entry counts that has an endpoint in common with one of a recorded flow (S31)."""
    other, unrelated = "192.168.0.1:32767", "10.1.0.3:80"
    found = sightings(
        f"dump a 1 tcp - + 8.8.8.8:9 {other} {VIP} {CLIENT}",
        f"dump a 1 tcp - + {CLIENT} {unrelated} {unrelated} {CLIENT}",
        f"dump a 1 tcp - + {CLIENT} {VIP} {SERVER} {CLIENT}",
    )
    recorded = tuple5(6, found[2].reply_to, found[2].server)
    assert related_sightings(found, recorded.__eq__) == [found[0], found[2]]


def test_what_never_was_at_one_time_changes_only_across_both() -> None:
    """A Service that was gone before its backend came leads there at no time, but may across."""
    never = [(10, 5)]
    assert [during(never, *times) for times in ((0, 7), (7, 8), (7, 20))] == [Answer.NO] * 3
    assert during(never, 0, 20) == Answer.CHANGES
