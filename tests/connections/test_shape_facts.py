"""Every fact of a shape matters: without it, the rules say something else of some capture."""

from collections.abc import Callable

import pytest

from otterize_pcap.connections.port_ranges import ABOVE, BELOW, INSIDE, SYSTEM
from otterize_pcap.connections.shapes import (
    HINT_SHIFT,
    SENDER,
    EndFact,
    FlowFact,
    SideFact,
    SightingFact,
)
from otterize_pcap.connections.verdicts import Verdicts
from otterize_pcap.packets.protocols import TCP, UDP
from tests.connections.described import traffic_of
from tests.connections.shape_examples import EXAMPLES
from tests.connections.test_shapes import grouped

Mutant = Callable[[bytes], bytes]
END, FLOW, SIGHTING = 5, 12, 5
# An end's `PortFacts`: the zone in two bits, then a bit for each zone that was called from.
PORTS, ZONE, FIRST_SHOWN = 4, 3, 4


def sections(shape: bytes) -> dict[str, range]:
    """Where each part of a shape lies; see the layout in `shapes`."""
    _, ends, flows, sightings = shape[:4]
    leads = 4 + END * ends
    first_flow = leads + 1 + 2 * shape[leads]
    first_sighting = first_flow + FLOW * flows
    gaps = first_sighting + SIGHTING * sightings
    return {
        "ends": range(4, leads, END),
        "leads": range(leads, first_flow),
        "flows": range(first_flow, first_sighting, FLOW),
        "sightings": range(first_sighting, gaps, SIGHTING),
        "gaps": range(gaps, len(shape)),
    }


def without(section: str, offsets: tuple[int, ...], mask: int = 0xFF, instead: int = 0) -> Mutant:
    """Some bits of some bytes of each part of a section replaced."""

    def mutant(shape: bytes) -> bytes:
        changed = bytearray(shape)
        for begin in sections(shape)[section]:
            for offset in offsets:
                changed[begin + offset] = changed[begin + offset] & ~mask & 0xFF | instead
        return bytes(changed)

    return mutant


def all_alike(*offsets: int) -> Mutant:
    """Tokens of flows that say only whether there is one."""

    def mutant(shape: bytes) -> bytes:
        changed = bytearray(shape)
        for begin in sections(shape)["flows"]:
            for offset in offsets:
                changed[begin + offset] = min(changed[begin + offset], 1)
        return bytes(changed)

    return mutant


def zone_as(zone: int, other: int) -> Mutant:
    """Ports of one zone as if they were of another one."""

    def mutant(shape: bytes) -> bytes:
        changed = bytearray(shape)
        for begin in sections(shape)["ends"]:
            if changed[begin + PORTS] & ZONE == zone:
                changed[begin + PORTS] ^= zone ^ other
        return bytes(changed)

    return mutant


def another_protocol(shape: bytes) -> bytes:
    """A shape of UDP as TCP's, and any other as UDP's."""
    return bytes([TCP if shape[0] == UDP else UDP]) + shape[1:]


def without_leads(shape: bytes) -> bytes:
    """A shape in which no Service leads anywhere."""
    leads = sections(shape)["leads"]
    return shape[: leads.start] + b"\0" + shape[leads.stop :]


def without_gaps(shape: bytes) -> bytes:
    """A shape in which no flow came too late for another."""
    return shape[: sections(shape)["gaps"].start]


SAID, ACKNOWLEDGED, STREAM = (6, 9), (7, 10), (8, 11)
MUTANTS: dict[str, Mutant] = {
    "protocol": another_protocol,
    "rank of address": without("ends", (0,)),
    "class of port": without("ends", (1,)),
    "place of port": without("ends", (2,)),
    **{f"EndFact.{fact.name}": without("ends", (3,), fact.value) for fact in EndFact},
    "port below the range": zone_as(BELOW, INSIDE),
    "port inside the range": zone_as(INSIDE, BELOW),
    "port above the range": zone_as(ABOVE, INSIDE),
    "port of the system": zone_as(SYSTEM, BELOW),
    "called from below the range": without("ends", (PORTS,), FIRST_SHOWN << BELOW),
    "called from inside the range": without("ends", (PORTS,), FIRST_SHOWN << INSIDE),
    "called from above the range": without("ends", (PORTS,), FIRST_SHOWN << ABOVE),
    "leads": without_leads,
    "client's side": without("flows", (2,), 3, 2),
    "first sender": without("flows", (2,), SENDER, 1 << 4),
    **{f"FlowFact.{fact.name}": without("flows", (2,), fact.value) for fact in FlowFact},
    "client ISN": without("flows", (3,)),
    "client ISNs differ": all_alike(3),
    "server ISN": without("flows", (4,)),
    "server ISNs differ": all_alike(4),
    "timestamp": without("flows", (5,)),
    "timestamps differ": all_alike(5),
    **{f"SideFact.{fact.name}": without("flows", SAID, fact.value) for fact in SideFact},
    "hint of a client": without("flows", SAID, 1 << HINT_SHIFT),
    "hint of a server": without("flows", SAID, 2 << HINT_SHIFT),
    "acknowledged first ISN": without("flows", ACKNOWLEDGED, 1),
    "acknowledged second ISN": without("flows", ACKNOWLEDGED, 2),
    "stream": without("flows", STREAM),
    "streams differ": all_alike(*STREAM),
    **{
        f"SightingFact.{fact.name}": without("sightings", (4,), fact.value) for fact in SightingFact
    },
    "gaps": without_gaps,
}


def test_every_fact_has_an_example() -> None:
    """No fact is written into shapes that nobody shows to matter."""
    assert MUTANTS.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("fact", MUTANTS)
def test_rules_say_something_else_without_a_fact(fact: str) -> None:
    """A shape without one of its facts is not judged as the whole shape is."""
    verdicts = Verdicts()
    _, shapes = grouped(traffic_of(EXAMPLES[fact]), fast=False)
    mutants = [(shape, MUTANTS[fact](shape)) for shape in shapes]
    assert [
        shape for shape, mutant in mutants if verdicts.judge(shape) != verdicts.judge(mutant)
    ] != []
