"""S42, S50: names out of payloads, and what they do to the map."""

import itertools
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.names import Names, RecordedPayload, read_names
from otterize_pcap.packets.packet import Packet
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.name_payloads import NamePayloads
from tests.conftest import FIXTURES, Otterize

CLIENT, RESOLVER, SERVER = map(parse_address, ("10.0.0.1", "10.0.0.53", "203.0.113.5"))


def name(text: str) -> bytes:
    """A domain name as DNS writes it."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def record(owner: str, kind: int, content: bytes) -> bytes:
    """One resource record."""
    return name(owner) + struct.pack(">HHIH", kind, 1, 60, len(content)) + content


def response(asked: str, records: list[bytes], flags: int = 0x8180) -> bytes:
    """A DNS response to one question."""
    head = struct.pack(">HHHHHH", 1, flags, 1, len(records), 0, 0)
    return head + name(asked) + struct.pack(">HH", 1, 1) + b"".join(records)


def udp(content: bytes, time_ns: int = 0, offset_ns: int = 0) -> RecordedPayload:
    """A datagram from the resolver to the client."""
    payload = Payload(Packet(17, RESOLVER, CLIENT, 53, 40000, 100), time_ns, 1, content)
    return RecordedPayload(payload, "a.pcap", offset_ns)


def tcp(content: bytes, seq: int, *, to_server: bool, time_ns: int = 0) -> RecordedPayload:
    """A segment of a DNS answer over TCP, or of a client's first words to a server."""
    if to_server:
        packet = Packet(6, CLIENT, SERVER, 40000, 443, 100, seq=seq)
    else:
        packet = Packet(6, RESOLVER, CLIENT, 53, 40000, 100, seq=seq)
    return RecordedPayload(Payload(packet, time_ns, 1, content), "a.pcap")


def hello(host: str) -> bytes:
    """A TLS 1.2 record with a ClientHello that names a host."""
    entry = b"\0" + struct.pack(">H", len(host)) + host.encode()
    listed = struct.pack(">H", len(entry)) + entry
    extensions = struct.pack(">HH", 0, len(listed)) + listed
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\0"
        + struct.pack(">H", 2)
        + b"\x13\x01"
        + b"\x01\0"
        + struct.pack(">H", len(extensions))
        + extensions
    )
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


ADDRESS = SERVER[12:]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            response("a.example", [record("a.example", 1, ADDRESS)]), ("a.example",), id="A"
        ),
        pytest.param(
            response(
                "a.example",
                [record("a.example", 5, name("b.example")), record("b.example", 1, ADDRESS)],
            ),
            ("a.example", "b.example"),
            id="alias",
        ),
        pytest.param(
            response("a.example", [record("other.example", 1, ADDRESS)]), (), id="unasked"
        ),
        pytest.param(
            response("a.example", [record("a.example", 1, ADDRESS)], 0x8183), (), id="NXDOMAIN"
        ),
        pytest.param(
            response("a.example", [record("a.example", 1, ADDRESS)], 0x0100), (), id="query"
        ),
        pytest.param(
            response("A.Example", [record("a.EXAMPLE", 1, ADDRESS)]), ("a.example",), id="case"
        ),
        pytest.param(b"\0\1\2", (), id="cut off"),
    ],
)
def test_dns_answers(message: bytes, expected: tuple[str, ...]) -> None:
    """S50: an address has the name that was asked for, and then those of the chain of aliases."""
    names = read_names([udp(message, 5)])
    assert names.from_dns(CLIENT, SERVER, 5) == expected


def test_answers_count_from_their_time_on() -> None:
    """S50: an answer names no connection that began before it, and the last one counts."""
    payloads = [
        udp(response(host, [record(host, 1, ADDRESS)]), time_ns)
        for host, time_ns in (("late.example", 20), ("early.example", 10))
    ]
    names = read_names(payloads)
    assert [names.from_dns(CLIENT, SERVER, time_ns) for time_ns in (9, 10, 19, 20)] == [
        (),
        ("early.example",),
        ("early.example",),
        ("late.example",),
    ]
    assert names.from_dns(RESOLVER, SERVER, 30) == ()


def test_clock_offsets_apply_to_answers() -> None:
    """S12: an answer recorded by a clock that is ahead is moved back."""
    message = response("a.example", [record("a.example", 1, ADDRESS)])
    names = read_names([udp(message, 100, 90)])
    assert names.from_dns(CLIENT, SERVER, 10) == ("a.example",)


def cuts(content: bytes) -> st.SearchStrategy[list[int]]:
    """Places to split a stream into segments."""
    return st.lists(st.integers(1, len(content) - 1), max_size=5, unique=True).map(sorted)


DNS_STREAM = b"".join(
    struct.pack(">H", len(message)) + message
    for message in (
        response("first.example", [record("first.example", 1, bytes(4))]),
        response("a.example", [record("a.example", 1, ADDRESS)]),
    )
)


@given(places=cuts(DNS_STREAM), start=st.integers(0, 2**32 - 1), order=st.randoms())
def test_dns_over_tcp(places: list[int], start: int, order: object) -> None:
    """S50: an answer over TCP is read however it was split, shuffled, repeated or numbered."""
    bounds = [0, *places, len(DNS_STREAM)]
    segments = [
        tcp(DNS_STREAM[begin:end], (start + begin) % 2**32, to_server=False)
        for begin, end in itertools.pairwise(bounds)
    ]
    segments += segments[:2]
    order.shuffle(segments)  # type: ignore[attr-defined] # Hypothesis types it as object
    assert read_names(segments).from_dns(CLIENT, SERVER, 0) == ("a.example",)


HELLO = hello("api.example")


@given(places=cuts(HELLO))
def test_server_name_of_split_hello(places: list[int]) -> None:
    """S50: a ClientHello split over segments is kept whole, and names the server."""
    bounds = [0, *places, len(HELLO)]
    chooser = NamePayloads()
    kept = []
    for begin, end in itertools.pairwise(bounds):
        recorded = tcp(HELLO[begin:end], 1000 + begin, to_server=True, time_ns=7)
        payload = recorded.payload
        hinted = Packet(
            6, CLIENT, SERVER, 40000, 443, 100, seq=payload.packet.seq, hint=int(begin == 0)
        )
        if chooser.wants(hinted, payload.content):
            kept.append(recorded)
    names = read_names(kept)
    expected = "api.example" if places[:1] >= [5] or not places else None
    assert names.from_tls(((CLIENT, 40000), (SERVER, 443)), 0, 10) == expected
    assert names.from_tls(((CLIENT, 40000), (SERVER, 443)), 8, 10) is None


@given(contents=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_arbitrary_payloads_name_nothing_and_break_nothing(contents: list[bytes]) -> None:
    """Whatever a payload holds, reading names ends well."""
    payloads = [udp(content) for content in contents]
    payloads += [tcp(content, 0, to_server=True) for content in contents]
    payloads += [tcp(content, 9, to_server=False) for content in contents]
    assert isinstance(read_names(payloads), Names)


def test_outside_servers_are_named(otterize: Otterize) -> None:
    """S50: on the recorded capture every external server has its true name, or its address."""
    path = FIXTURES / "outside"
    result = otterize("intents", "list", path, "--internet", "--format", "json", "-q")
    found = {
        (call["client"], call["server"], call["port"])
        for call in json.loads(result.stdout)
        if call["internet"]
    }
    truth = json.loads((path / "truth.json").read_text())
    assert found == {
        (entry["client"]["name"], entry.get("name", entry["address"]), entry["port"])
        for entry in truth["external"]
    }


def test_looked_up_service_is_marked(otterize: Otterize) -> None:
    """S42: a Service that was looked up and not called shows only where asked for."""
    arguments = ("intents", "list", FIXTURES / "outside", "-q", "-n", "shop")
    assert "inventory" not in otterize(*arguments).stdout
    shown = otterize(*arguments, "--include-lookups").stdout
    assert shown == "shopper calls:\n  - inventory (lookup only)\n  - orders\n"
