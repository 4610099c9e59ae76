"""Payloads → names: which addresses a client was told by DNS, and whom it named to TLS (S50).

Input: the payloads that reading kept. DNS (RFC 1035, 3596) comes over UDP or, with a length before
each message (RFC 7766), TCP; server names are in a ClientHello's extension (RFC 6066, 3),
which may be split over segments and records. What does not parse names nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from otterize_pcap.connections.dns_answers import (
    Answer,
    Asked,
    Leads,
    Place,
    Told,
    Vouches,
    answers_asked_for,
    read_message,
)
from otterize_pcap.packets.headers import ClientHello, UndecodableError, parse_header
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import TCP, UDP
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.rows import Endpoint

HANDSHAKE_RECORD, CLIENT_HELLO, SERVER_NAME, HOST_NAME = 22, 1, 0, 0
MAX_NAMES = 16
"""Names of one address, as one client knew it, that are kept apart."""

Stream = tuple[Endpoint, Endpoint]


class RecordedPayload(Struct, frozen=True):
    """A payload with where it was recorded; `offset_ns` is how far that node's clock was ahead."""

    payload: Payload
    file: str
    offset_ns: int = 0

    @property
    def time_ns(self) -> int:
        """When it was sent, with the clock's offset removed."""
        return self.payload.time_ns - self.offset_ns

    @property
    def place(self) -> Place:
        """Where it was recorded."""
        return Place(self.time_ns, self.file, self.payload.number)


class Names(Struct):
    """What names a capture holds, by who was told them and when.

    `answers` are in order of time. `told` maps (client, address) to the times and the names, the
    one asked for first, under which the client was given that address, each once; `server_names`
    maps a TLS connection's (client, server) endpoints to the times and names of its ClientHellos.
    """

    answers: list[Answer] = field(default_factory=list)
    told: dict[tuple[bytes, bytes], list[tuple[int, tuple[str, ...]]]] = field(default_factory=dict)
    server_names: dict[Stream, list[tuple[int, str]]] = field(default_factory=dict)

    def from_dns(self, client: bytes, address: bytes, time_ns: int) -> tuple[tuple[str, ...], ...]:
        """All names under which a client was given an address, at or before a time.

        Of each first the one that it asked for, then those that CNAMEs led to, in their order.
        """
        told = self.told.get((client, address), [])
        return tuple(chain for since_ns, chain in told if since_ns <= time_ns)

    def from_tls(self, stream: Stream, first_ns: int, last_ns: int) -> str | None:
        """The server name of a connection between two endpoints within a time."""
        for time_ns, name in self.server_names.get(stream, ()):
            if first_ns <= time_ns <= last_ns:
                return name
        return None

    def tell(self, answer: Answer) -> None:
        """Take in what a client was told; answers come in order of time."""
        chain = (answer.name, *answer.aliases)
        for address in answer.addresses:
            told = self.told.setdefault((answer.client, address), [])
            # So many names tell as little as more of them.
            if len(told) < MAX_NAMES and all(chain != known for _, known in told):
                told.append((answer.time_ns, chain))


class Greeted(Struct, frozen=True):
    """A client's greeting to a TLS server, by the name it said, and where that begins."""

    stream: Stream
    name: str
    place: Place


def no_service(_protocol: int, _asked: Endpoint, _answered: Endpoint) -> bool:
    """Nothing is known of Services."""
    return False


def nobody(_address: bytes) -> bool:
    """Whoever answers, the question must be there."""
    return False


def read_names(
    payloads: Iterable[RecordedPayload], leads: Leads = no_service, vouches: Vouches = nobody
) -> Names:
    """All names in some payloads.

    Args:
        payloads: What was kept, in any order.
        leads: Whether a Service leads from where was asked to where the answer came from.
        vouches: Whether an address's answers count without the question.
    """
    names = Names()
    said = list(sayings(payloads))
    for saying in said:
        if isinstance(saying, Greeted):
            times = names.server_names.setdefault(saying.stream, [])
            times.append((saying.place.time_ns, saying.name))
    names.answers = answers_asked_for(
        (saying for saying in said if isinstance(saying, Asked)),
        (saying for saying in said if isinstance(saying, Told)),
        leads,
        vouches,
    )
    for answer in names.answers:
        names.tell(answer)
    return names


def sayings(payloads: Iterable[RecordedPayload]) -> Iterator[Asked | Told | Greeted]:
    """All that payloads, in any order, say of names, each whole where its segments are there."""
    segments: dict[Stream, list[RecordedPayload]] = defaultdict(list)
    for recorded in payloads:
        payload = recorded.payload
        source, target = payload.source, payload.target
        if payload.protocol == UDP:
            message = read_message(payload.content, UDP, source, target, recorded.place)
            if message is not None:
                yield message
        else:
            segments[source, target].append(recorded)
    for stream, found in segments.items():
        (source, target) = stream
        for content, begun in _runs(found):
            if DNS_PORTS & {source[1], target[1]}:
                messages = (
                    read_message(message, TCP, source, target, begun.place)
                    for message in _messages(content)
                )
                yield from (message for message in messages if message is not None)
            elif name := _server_name(content):
                yield Greeted(stream, name, begun.place)


def _runs(segments: list[RecordedPayload]) -> Iterator[tuple[bytes, RecordedPayload]]:
    """Contiguous stretches of a TCP stream, each with its first segment.

    The same segment on several interfaces or nodes counts once (RFC 9293 3.4 for the arithmetic).
    """
    first = segments[0].payload.seq
    ordered = sorted(
        segments,
        key=lambda recorded: (
            (recorded.payload.seq - first + (1 << 31)) & 0xFFFFFFFF,
            -len(recorded.payload.content),
            recorded.time_ns,
        ),
    )
    content = bytearray()
    begun, expected = ordered[0], ordered[0].payload.seq
    for recorded in ordered:
        payload = recorded.payload
        behind = (expected - payload.seq) & 0xFFFFFFFF
        if behind >= 1 << 31:
            yield bytes(content), begun
            content, begun, behind = bytearray(), recorded, 0
            expected = payload.seq
        new = payload.content[behind:]
        content += new
        expected = (expected + len(new)) & 0xFFFFFFFF
    yield bytes(content), begun


def _messages(content: bytes) -> Iterator[bytes]:
    """The DNS messages of a TCP stream; a message that is not all there is left out."""
    at = 0
    while at + 2 <= len(content):
        length = int.from_bytes(content[at : at + 2])
        if at + 2 + length > len(content):
            return
        yield content[at + 2 : at + 2 + length]
        at += 2 + length


def _server_name(content: bytes) -> str | None:
    """The host name in a ClientHello at the start of a stream, None where it is not all there."""
    handshake = bytearray()
    at = 0
    while at + 5 <= len(content) and content[at] == HANDSHAKE_RECORD:
        length = int.from_bytes(content[at + 3 : at + 5])
        handshake += content[at + 5 : at + 5 + length]
        at += 5 + length
    if len(handshake) < 4 or handshake[0] != CLIENT_HELLO:
        return None
    length = int.from_bytes(handshake[1:4])
    if len(handshake) < 4 + length:
        return None
    try:
        hello = parse_header(ClientHello, bytes(handshake[4 : 4 + length]), "TLS")
    except UndecodableError:
        return None
    for kind, body in getattr(hello, "extensions", ()):
        if kind == SERVER_NAME and len(body) >= 5 and body[2] == HOST_NAME:
            name = body[5 : 5 + int.from_bytes(body[3:5])]
            return name.decode("ascii", "replace").lower().rstrip(".") or None
    return None
