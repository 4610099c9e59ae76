"""What a cluster's pods say to each other: DNS lookups and TCP connections, packet by packet.

Half of the connections are TCP through a ClusterIP, each after a DNS lookup through kube-dns. A TCP
connection is eleven packets: a handshake, a question, an answer, and an end; or, where it is older
than the capture, segments and acknowledgements in both directions. A lookup is two.
"""

import random
import struct
from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from typing import NamedTuple

from cluster_frames import Path, Seen
from cluster_layout import ALWAYS, Cluster, Pod, Workload

FIN, SYN, PSH, ACK = 1, 2, 8, 16
UDP = 17
QUESTION, ANSWER = 380, 1200
FIRST_PORT, PORTS = 32768, 28232
# A lookup is answered before the connection that it is for begins.
LOOKUP_TAKES = 1000

_TCP = struct.Struct(">IIBBHHHBBBBII")
_SYN = struct.Struct(">IIBBHHHHHBBBBIIBBBB")
_PORTS = struct.Struct(">HH")
_LOOKUP = struct.Struct(">HHH")


class Step(NamedTuple):
    """One segment: how long after the first (µs, and thinking times), and what it is."""

    after: int
    thinking: int
    outbound: bool
    flags: int
    sent: tuple[int, int]
    data: int = 0


def _fresh() -> list[Step]:
    asked, answered = QUESTION + 1, ANSWER + 1
    return [
        Step(0, 0, True, SYN, (0, 0)),
        Step(400, 0, False, SYN | ACK, (1, 0)),
        Step(800, 0, True, ACK, (1, 1)),
        Step(900, 0, True, PSH | ACK, (1, 1), QUESTION),
        Step(1300, 0, False, ACK, (asked, 1)),
        Step(1400, 1, False, PSH | ACK, (asked, 1), ANSWER),
        Step(1800, 1, True, ACK, (asked, answered)),
        Step(1900, 2, True, FIN | ACK, (asked, answered)),
        Step(2300, 2, False, ACK, (asked + 1, answered)),
        Step(2400, 2, False, FIN | ACK, (asked + 1, answered)),
        Step(2800, 2, True, ACK, (asked + 1, answered + 1)),
    ]


def _older(*, ends: bool) -> list[Step]:
    steps: list[Step] = []
    for turn in range(3):
        asked, answered = turn * QUESTION + 5000, turn * ANSWER + 9000
        begin, thinking = 3000 * turn, 2 * turn
        if turn == 2 and ends:
            steps += [
                Step(begin, thinking, True, FIN | ACK, (asked, answered)),
                Step(begin + 400, thinking, False, FIN | ACK, (asked + 1, answered)),
                Step(begin + 800, thinking, True, ACK, (asked + 1, answered + 1)),
            ]
            break
        more, further = asked + QUESTION, answered + ANSWER
        steps += [
            Step(begin, thinking, True, PSH | ACK, (asked, answered), QUESTION),
            Step(begin + 400, thinking, False, ACK, (more, answered)),
            Step(begin + 500, thinking + 1, False, PSH | ACK, (more, answered), ANSWER),
            Step(begin + 900, thinking + 1, True, ACK, (more, further)),
        ]
    return steps[:11]


FRESH = _fresh()
OLDER = (_older(ends=True), _older(ends=False))


class Talk:
    """One conversation: what it is made of, and how far it has come."""

    __slots__ = ("at", "begin", "number", "path", "ports", "steps", "thinking")

    def __init__(
        self, path: Path, number: int, port: int, begin: int, thinking: int, steps: list[Step]
    ) -> None:
        self.path, self.number, self.begin = path, number, begin
        self.thinking, self.steps, self.at = thinking, steps, 0
        service = path.service
        # From the server, then to it; each behind the Service, then before it.
        target, virtual = service.target, service.port
        self.ports = (
            (_PORTS.pack(target, port), _PORTS.pack(virtual, port)),
            (_PORTS.pack(port, target), _PORTS.pack(port, virtual)),
        )

    def time(self) -> int:
        """When the next packet is sent."""
        step = self.steps[self.at]
        return self.begin + step.after + step.thinking * self.thinking

    def packet(self) -> tuple[Seen, tuple[bytes, bytes], bytes]:
        """The next packet: its frames, its ports, and the rest of its transport header."""
        step = self.steps[self.at]
        self.at += 1
        path, outbound, data = self.path, step.outbound, step.data
        if path.service.protocol == UDP:
            said = len(path.said[0 if outbound else 1])
            rest = _LOOKUP.pack(said + 10, 0, self.number * 40503 & 0xFFFF)
            return path.frames(outbound=outbound, header=10, data=said), self.ports[outbound], rest
        return (
            path.frames(outbound=outbound, header=40 if step.flags & SYN else 32, data=data),
            self.ports[outbound],
            self._rest_of_tcp(step),
        )

    def _rest_of_tcp(self, step: Step) -> bytes:
        seq = self.number * 2_654_435_761 + step.sent[0]
        ack = self.number * 2_246_822_519 + 0x5BD1E995 + step.sent[1]
        ticks = self.begin // 1000 + step.after // 1000
        if not step.outbound:
            seq, ack = ack, seq
        seq &= 0xFFFFFFFF
        ack &= 0xFFFFFFFF
        if step.flags & SYN:
            ack = ack if step.flags & ACK else 0
            window = (64860, 0, 0)
            options = (0x0204, 1410, 4, 2, 8, 10, ticks, 0, 1, 3, 3, 7)
            return _SYN.pack(seq, ack, 0xA0, step.flags, *window, *options)
        return _TCP.pack(seq, ack, 0x80, step.flags, 502, 0, 0, 1, 1, 8, 10, ticks, ticks)


def _due(waiting: list[tuple[int, int, Talk]], until: int) -> Iterator[tuple[int, Talk]]:
    """What a heap of conversations sends before some moment."""
    while waiting and waiting[0][0] < until:
        time, number, talk = waiting[0]
        yield time, talk
        if talk.at < len(talk.steps):
            heapreplace(waiting, (talk.time(), number, talk))
        else:
            heappop(waiting)


LOOKUP = [Step(0, 0, True, 0, (0, 0)), Step(500, 0, False, 0, (0, 0))]


class Traffic:
    """All conversations of a capture, and how often which workload called which."""

    def __init__(self, cluster: Cluster, snaplen: int, older: int, seed: int = 1) -> None:
        self._cluster, self._snaplen, self._older = cluster, snaplen, older
        self._choose = random.Random(seed)
        self._paths: dict[tuple[int, int, int], Path] = {}
        self._ports: dict[tuple[int, int], int] = {}
        self.counts: dict[tuple[int, int | None], int] = {}

    def packets(self, connections: int, duration: int) -> Iterator[tuple[int, Talk]]:
        """Every packet's time and conversation, in order of time; call `packet` of each once."""
        pairs = connections // 2
        waiting: list[tuple[int, int, Talk]] = []
        for index in range(pairs):
            begin = index * duration // pairs
            yield from _due(waiting, begin)
            for talk in self._begin(index, begin):
                heappush(waiting, (talk.time(), talk.number, talk))
        yield from _due(waiting, ALWAYS)

    def _begin(self, index: int, begin: int) -> tuple[Talk, Talk]:
        """A lookup, and the TCP connection that it is for."""
        choose, cluster = self._choose, self._cluster
        caller = int(choose.random() * len(cluster.workloads))
        callees = cluster.called_by(caller)
        callee = callees[int(choose.random() * len(callees))]
        # In a pattern that does not repeat with other numbers: 61 is prime.
        is_older = index * 61 % 100 < self._older
        service = cluster.workloads[callee]
        client = cluster.workloads[caller].draw(choose, begin, since_before=is_older)
        server = service.draw(choose, begin, since_before=is_older)
        resolver = cluster.dns.draw(choose, begin, since_before=False)
        for called in (callee, None):
            self.counts[caller, called] = self.counts.get((caller, called), 0) + 1
        if is_older:
            thinking = 10_000 + int(choose.random() * 1_500_000)
            steps = OLDER[index & 1]
        else:
            thinking = 1000 + int(choose.random() * 200_000)
            steps = FRESH
        lookup = self._path(client, cluster.dns, resolver, callee)
        opened = self._path(client, service, server, callee)
        number, after = 2 * index, begin + LOOKUP_TAKES
        return (
            Talk(lookup, number, self._port(client, lookup), begin, 0, LOOKUP),
            Talk(opened, number + 1, self._port(client, opened), after, thinking, steps),
        )

    def _path(self, client: Pod, service: Workload, server: Pod, callee: int) -> Path:
        key = (client.address, server.address, callee)
        path = self._paths.get(key)
        if path is None:
            is_lookup = service.protocol == UDP
            said = self._lookup_of(callee) if is_lookup else (bytes(QUESTION), bytes(ANSWER))
            path = self._paths[key] = Path(client, service, server, said, self._snaplen)
        return path

    def _port(self, client: Pod, path: Path) -> int:
        """The client's next port of the path's protocol; each is used once in 28,232 times."""
        key = (client.address, path.service.protocol)
        used = self._ports.get(key, 0)
        self._ports[key] = used + 1
        return FIRST_PORT + (client.address * 977 + used) % PORTS

    def _lookup_of(self, callee: int) -> tuple[bytes, bytes]:
        """A question for a Service's A record and its answer (RFC 1035), without their ids."""
        service = self._cluster.workloads[callee]
        labels = (service.name, service.namespace, "svc", "cluster", "local")
        name = b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"
        question = name + struct.pack(">HH", 1, 1)
        address = struct.pack(">HHHIHI", 0xC00C, 1, 1, 5, 4, service.cluster_ip)
        return (
            struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + question,
            struct.pack(">HHHHH", 0x8580, 1, 1, 0, 0) + question + address,
        )
