"""What the rules say of a shape, asked once a shape."""

from collections.abc import Iterator
from threading import Lock

from msgspec import Struct

from otterize_pcap.connections.connect import Judgement, judge
from otterize_pcap.connections.direction import Testimony
from otterize_pcap.connections.rule import Rule
from otterize_pcap.connections.shape_flows import by_tuple, flows_of, known_of
from otterize_pcap.connections.shapes import ShapeFacts, endpoint_of, read_shape


class ConnectionClass(Struct, frozen=True):
    """What the rules said of a connection, whoever its ends were; see `Connection`."""

    protocol: int
    rule: Rule
    outcome: str
    joined_by: tuple[str, ...]
    testimony: tuple[Testimony, ...]


Judged = tuple[int, tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]
"""Number of a class; places of the clients' endpoints and of the servers' among the shape's ends;
and for each flow of the connection its place and the client's side."""


class Verdicts:
    """Runs the rules on shapes, and numbers the classes of connections that come out."""

    def __init__(self) -> None:
        self.classes: list[ConnectionClass] = []
        self._numbers: dict[ConnectionClass, int] = {}
        self._one_by_one = Lock()

    def judge(self, shape: bytes) -> list[Judged]:
        """The connections of a shape; any thread may ask."""
        with self._one_by_one:
            return self._judge(shape)

    def _judge(self, shape: bytes) -> list[Judged]:
        facts = read_shape(shape)
        flows, sightings = flows_of(facts)
        places = {id(flow): int(flow.legs[0].row.number) - 1 for flow in flows}
        judgements = judge(by_tuple(flows), facts, sightings, known_of(facts, sightings))
        return [
            self._judged(facts, judgement, places)
            for judgement in judgements
            if any(id(flow) in places for flow in judgement.flows)
        ]

    def number(self, found: ConnectionClass) -> int:
        """The number of a class, a new one where it is the first."""
        number = self._numbers.setdefault(found, len(self.classes))
        if number == len(self.classes):
            self.classes.append(found)
        return number

    def _judged(self, facts: ShapeFacts, judgement: Judgement, places: dict[int, int]) -> Judged:
        ends = {endpoint_of(end): place for place, end in enumerate(facts.ends)}
        return (
            self.number(
                ConnectionClass(
                    facts.protocol,
                    judgement.rule,
                    judgement.outcome,
                    judgement.joined_by,
                    judgement.testimony,
                )
            ),
            tuple(ends[endpoint] for endpoint in judgement.clients),
            tuple(ends[endpoint] for endpoint in judgement.servers),
            list(_sides(judgement, places)),
        )


def _sides(judgement: Judgement, places: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Each recorded flow with the client's side; what conntrack alone knows has no legs."""
    for flow, side in zip(judgement.flows, judgement.sides, strict=True):
        if id(flow) in places:
            yield places[id(flow)], side
