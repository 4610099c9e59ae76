"""Connections that conntrack alone knows (S46)."""

import pytest

from tests.cluster_builder import (
    SECOND,
    START,
    conntrack,
    datagrams,
    entry,
    mapped,
    pod,
    recording,
    snapshot,
)


@pytest.mark.parametrize("ages", [(4, 30), (30, 4)])
def test_connection_that_a_dump_lists_twice(ages: tuple[int, int]) -> None:
    """Its evidence is the line whose last packet was first, whichever comes first (S46).

    The kernel's table moves while it is read, and such a dump is real.
    """
    lines = [entry("10.1.0.1:40000", "10.1.0.2:80", remaining=432000 - age) for age in ages]
    pods = (pod("web", "10.1.0.1"), pod("api", "10.1.0.2", ports=[80]))
    other = recording(datagrams("10.1.0.3:1", "10.1.0.4:2", 1))
    found = mapped(snapshot(*pods), other, dumps=[conntrack(*lines, at=40)])
    (call,) = found.graph.calls
    evidence = call.uses[0].evidence
    assert evidence is not None
    assert (evidence.packet, evidence.time_ns) == (1 + ages.index(30), START + 10 * SECOND)
