"""What was counted of groups → `ConnectionGroup`s."""

from array import array
from collections.abc import Iterable, Sequence

from otterize_pcap.connections.outcome import ESTABLISHED
from otterize_pcap.connections.rule import Rule
from otterize_pcap.connections.stands import ConnectionGroup, Stand
from otterize_pcap.connections.verdicts import ConnectionClass

CountedGroup = tuple[int, int, int, int, tuple[int, int], tuple[int, int], int, int, int, int, int]
"""Class, client's stand, server's, connections, packets both ways, bytes both ways, first_ns,
last_ns, file's rank, packet, evidence_ns."""

NumberedGroup = tuple[int, CountedGroup, tuple[tuple[int, int], ...]]
"""Its number, what was counted, and where it was added up its classes with their connections."""


def groups_of(
    numbered: Iterable[NumberedGroup],
    classes: Sequence[ConnectionClass],
    stands: Sequence[Stand],
    files: Sequence[str],
) -> list[ConnectionGroup]:
    """The groups; classes, stands and files are in the order of their numbers."""
    return [
        ConnectionGroup(
            number,
            classes[kind],
            stands[client],
            stands[server],
            connections,
            packets,
            sizes,
            first_ns,
            last_ns,
            files[rank],
            packet,
            evidence_ns,
            tuple([(classes[each].rule, count) for each, count in kinds]) if kinds else (),
        )
        for number, counted, kinds in numbered
        for (
            kind,
            client,
            server,
            connections,
            packets,
            sizes,
            first_ns,
            last_ns,
            rank,
            packet,
            evidence_ns,
        ) in (counted,)
    ]


def families(classes: Iterable[ConnectionClass]) -> "array[int]":
    """For each class the number of those whose connections have one fate between the same ends.

    0 for one without direction: which end is which is no more than a guess there. What became of a
    connection that was not answered depends on what told its direction as well (S40).
    """
    numbers: dict[tuple[int, str, Rule | None], int] = {}
    found = array("I")
    for each in classes:
        rule = None if each.outcome == ESTABLISHED else each.rule
        family = numbers.setdefault((each.protocol, each.outcome, rule), len(numbers) + 1)
        found.append(0 if each.rule is Rule.UNDIRECTED else family)
    return found
