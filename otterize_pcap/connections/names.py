"""Payloads → names: which addresses a client was told by DNS, and whom it named to TLS (S50).

Input: the payloads that reading kept. DNS answers (RFC 1035, 3596) come over UDP or, with a length
before each message (RFC 7766), TCP; server names are in a ClientHello's extension (RFC 6066, 3),
which may be split over segments and records. What does not parse names nothing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from otterize_pcap.addresses import MAPPED
from otterize_pcap.packets.headers import (
    ClientHello,
    DnsMessage,
    UndecodableError,
    parse_header,
)
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.rows import Endpoint

A, CNAME, AAAA = 1, 5, 28
RESPONSE, NO_ERROR = 1, 0
HANDSHAKE_RECORD, CLIENT_HELLO, SERVER_NAME, HOST_NAME = 22, 1, 0, 0
MAX_CHAIN = 16

Stream = tuple[Endpoint, Endpoint]


@dataclass(frozen=True, slots=True)
class RecordedPayload:
    """A payload with where it was recorded; `offset_ns` is how far that node's clock was ahead."""

    payload: Payload
    file: str
    offset_ns: int = 0

    @property
    def time_ns(self) -> int:
        """When it was sent, with the clock's offset removed."""
        return self.payload.time_ns - self.offset_ns


@dataclass(frozen=True, slots=True)
class Answer:
    """One DNS answer: what `client` (16 bytes) was told of `name`, and when (ns).

    `packet` of `file` is where it begins. `aliases` are the names behind `name`, by CNAME after
    CNAME.
    """

    client: bytes
    name: str
    addresses: tuple[bytes, ...]
    time_ns: int
    file: str
    packet: int
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Names:
    """What names a capture holds, by who was told them and when.

    `answers` are in order of time. `told` maps (client, address) to the times and the names, the
    one asked for first, under which the client was given that address; `server_names` maps a TLS
    connection's (client, server) endpoints to the times and names of its ClientHellos.
    """

    answers: list[Answer] = field(default_factory=list)
    told: dict[tuple[bytes, bytes], list[tuple[int, tuple[str, ...]]]] = field(default_factory=dict)
    server_names: dict[Stream, list[tuple[int, str]]] = field(default_factory=dict)

    def from_dns(self, client: bytes, address: bytes, time_ns: int) -> tuple[str, ...]:
        """The names under which a client was last given an address, at or before a time.

        First the one that it asked for, then those that CNAMEs led to, in their order.
        """
        told = self.told.get((client, address), [])
        place = bisect_right(told, time_ns, key=lambda entry: entry[0])
        return told[place - 1][1] if place else ()

    def from_tls(self, stream: Stream, first_ns: int, last_ns: int) -> str | None:
        """The server name of a connection between two endpoints within a time."""
        for time_ns, name in self.server_names.get(stream, ()):
            if first_ns <= time_ns <= last_ns:
                return name
        return None


def read_names(payloads: Iterable[RecordedPayload]) -> Names:
    """All names in some payloads."""
    names = Names()
    segments: dict[Stream, list[RecordedPayload]] = defaultdict(list)
    for recorded in payloads:
        packet = recorded.payload.packet
        if packet.protocol == UDP:
            names.answers += _answer(recorded.payload.content, packet.destination, recorded)
            continue
        source = (packet.source, packet.source_port)
        destination = (packet.destination, packet.destination_port)
        segments[source, destination].append(recorded)
    for stream, found in segments.items():
        (source, destination) = stream
        for content, begun in _runs(found):
            if source[1] in DNS_PORTS:
                for message in _messages(content):
                    names.answers += _answer(message, destination[0], begun)
            else:
                name = _server_name(content)
                if name:
                    names.server_names.setdefault(stream, []).append((begun.time_ns, name))
    names.answers.sort(
        key=lambda answer: (
            answer.time_ns,
            answer.client,
            answer.name,
            answer.file,
            answer.packet,
        )
    )
    for answer in names.answers:
        for address in answer.addresses:
            told = names.told.setdefault((answer.client, address), [])
            told.append((answer.time_ns, (answer.name, *answer.aliases)))
    return names


def _runs(segments: list[RecordedPayload]) -> Iterator[tuple[bytes, RecordedPayload]]:
    """Contiguous stretches of a TCP stream, each with its first segment.

    The same segment on several interfaces or nodes counts once (RFC 9293 3.4 for the arithmetic).
    """
    first = segments[0].payload.packet.seq
    ordered = sorted(
        segments,
        key=lambda recorded: (
            (recorded.payload.packet.seq - first + (1 << 31)) & 0xFFFFFFFF,
            -len(recorded.payload.content),
            recorded.time_ns,
        ),
    )
    content = bytearray()
    begun, expected = ordered[0], ordered[0].payload.packet.seq
    for recorded in ordered:
        payload = recorded.payload
        behind = (expected - payload.packet.seq) & 0xFFFFFFFF
        if behind >= 1 << 31:
            yield bytes(content), begun
            content, begun, behind = bytearray(), recorded, 0
            expected = payload.packet.seq
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


def _answer(content: bytes, client: bytes, recorded: RecordedPayload) -> list[Answer]:
    """What one DNS message says, where it is a response without error."""
    try:
        message = parse_header(DnsMessage, content, "DNS")
    except UndecodableError:
        return []
    if message.qr != RESPONSE or message.rcode != NO_ERROR or len(message.qd) != 1:
        return []
    asked = message.qd[0].name.lower().rstrip(".")
    aliases = {asked: None}
    for _ in range(MAX_CHAIN):
        more = [
            rr.cname.lower().rstrip(".")
            for rr in message.an
            if rr.type == CNAME and rr.name.lower().rstrip(".") in aliases
        ]
        if aliases.keys() >= set(more):
            break
        aliases.update(dict.fromkeys(more))
    addresses = []
    for rr in message.an:
        if rr.name.lower().rstrip(".") not in aliases:
            continue
        if rr.type == A and len(rr.rdata) == 4:
            addresses.append(MAPPED + bytes(rr.rdata))
        elif rr.type == AAAA and len(rr.rdata) == 16:
            addresses.append(bytes(rr.rdata))
    if not asked or not addresses:
        return []
    where = (recorded.time_ns, recorded.file, recorded.payload.number)
    return [Answer(client, asked, tuple(addresses), *where, tuple(aliases)[1:])]


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
