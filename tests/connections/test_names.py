"""S42, S50: names out of payloads, and what they do to the map."""

import itertools
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.names import MAX_NAMES, Names, RecordedPayload, read_names
from otterize_pcap.packets.packet import Packet
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.name_payloads import NamePayloads
from otterize_pcap.timestamps import SECOND_NS
from tests.conftest import FIXTURES, Otterize

CLIENT, RESOLVER, SERVER = map(parse_address, ("10.0.0.1", "10.0.0.53", "203.0.113.5"))


def name(text: str) -> bytes:
    """A domain name as DNS writes it."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def record(owner: str, kind: int, content: bytes) -> bytes:
    """One resource record."""
    return name(owner) + struct.pack(">HHIH", kind, 1, 60, len(content)) + content


def response(asked: str, records: list[bytes], flags: int = 0x8180, number: int = 1) -> bytes:
    """A DNS response to one question."""
    head = struct.pack(">HHHHHH", number, flags, 1, len(records), 0, 0)
    return head + name(asked) + struct.pack(">HH", 1, 1) + b"".join(records)


def query(asked: str, number: int = 1) -> bytes:
    """A DNS question."""
    return response(asked, [], 0x0100, number)


def udp(
    content: bytes,
    time_ns: int = 0,
    offset_ns: int = 0,
    source: bytes = RESOLVER,
    port: int = 40000,
) -> RecordedPayload:
    """A datagram from the resolver to the client."""
    payload = Payload(17, (source, 53), (CLIENT, port), 0, time_ns, 1, content)
    return RecordedPayload(payload, "a.pcap", offset_ns)


def ask(content: bytes, time_ns: int = 0, offset_ns: int = 0) -> RecordedPayload:
    """A datagram from the client to the resolver."""
    payload = Payload(17, (CLIENT, 40000), (RESOLVER, 53), 0, time_ns, 1, content)
    return RecordedPayload(payload, "a.pcap", offset_ns)


def a_record(host: str, address: bytes = SERVER, number: int = 1) -> bytes:
    """A response that gives a name one address."""
    return response(host, [record(host, 1, address[12:])], number=number)


def tcp(content: bytes, seq: int, *, to_server: bool, time_ns: int = 0) -> RecordedPayload:
    """A segment of a DNS answer over TCP, or of a client's first words to a server."""
    if to_server:
        payload = Payload(6, (CLIENT, 40000), (SERVER, 443), seq, time_ns, 1, content)
    else:
        payload = Payload(6, (RESOLVER, 53), (CLIENT, 40000), seq, time_ns, 1, content)
    return RecordedPayload(payload, "a.pcap")


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
    asked = [ask(query(host), 4) for host in ("A.example", "a.example")]
    names = read_names([*asked, udp(message, 5)])
    assert names.from_dns(CLIENT, SERVER, 5) == ((expected,) if expected else ())


def test_answers_count_from_their_time_on() -> None:
    """S50: an answer names no connection that began before it, and every later one."""
    early, late = a_record("early.example"), a_record("late.example", number=2)
    payloads = [
        udp(late, 20),
        udp(early, 10),
        ask(query("late.example", 2), 19),
        ask(query("early.example"), 9),
    ]
    names = read_names(payloads)
    assert [names.from_dns(CLIENT, SERVER, time_ns) for time_ns in (9, 10, 19, 20)] == [
        (),
        (("early.example",),),
        (("early.example",),),
        (("early.example",), ("late.example",)),
    ]
    assert names.from_dns(RESOLVER, SERVER, 30) == ()


def test_clock_offsets_apply_to_answers() -> None:
    """S12: an answer recorded by a clock that is ahead is moved back."""
    names = read_names([ask(query("a.example"), 95, 90), udp(a_record("a.example"), 100, 90)])
    assert names.from_dns(CLIENT, SERVER, 10) == (("a.example",),)


ONE, AAAA = (name("a.example") + struct.pack(">HH", kind, 1) for kind in (1, 28))
FORGER = parse_address("10.0.0.66")


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(udp(a_record("evil.example"), 5), id="another name"),
        pytest.param(udp(a_record("a.example", number=2), 5), id="another identification"),
        pytest.param(udp(a_record("a.example"), 5, port=40001), id="another port"),
        pytest.param(udp(a_record("a.example"), 5, source=FORGER), id="another resolver"),
        pytest.param(udp(a_record("a.example"), 31 * SECOND_NS), id="too late"),
        pytest.param(udp(a_record("a.example"), -2 * SECOND_NS), id="before the question"),
        pytest.param(udp(a_record("a.example").replace(ONE, AAAA, 1), 5), id="another type"),
    ],
)
def test_answer_that_nobody_asked_for_names_nothing(forged: RecordedPayload) -> None:
    """S50: one datagram must not rename another's call, so each answer needs its question."""
    names = read_names([ask(query("a.example")), forged])
    assert names.from_dns(CLIENT, SERVER, 40 * SECOND_NS) == ()
    assert names.answers == []


def test_service_answers_for_whom_it_leads_to() -> None:
    """S50: asked at a Service's address, answered by its pod, where no leg shows the way back."""
    asked = [ask(query("a.example")), udp(a_record("a.example"), 5, source=FORGER)]
    names = read_names(asked, lambda *way: way == (17, (RESOLVER, 53), (FORGER, 53)))
    assert names.from_dns(CLIENT, SERVER, 5) == (("a.example",),)


def test_disputed_answer_names_nothing() -> None:
    """S50: two answers to one question that say different things, and neither is believed."""
    other = parse_address("203.0.113.66")
    disputed = [
        ask(query("a.example")),
        udp(a_record("a.example"), 5),
        udp(a_record("a.example", other), 6),
    ]
    names = read_names(disputed)
    assert (names.from_dns(CLIENT, SERVER, 9), names.from_dns(CLIENT, other, 9)) == ((), ())


def test_question_asked_again_has_another_answer() -> None:
    """S50: a resolver that turns its addresses round answers each time as it likes."""
    other = parse_address("203.0.113.66")
    asked = [
        ask(query("a.example")),
        udp(a_record("a.example"), 5),
        udp(a_record("a.example"), 6),
        ask(query("a.example"), 5 * SECOND_NS),
        udp(a_record("a.example", other), 6 * SECOND_NS),
    ]
    names = read_names(asked)
    told = names.from_dns(CLIENT, SERVER, 9), names.from_dns(CLIENT, other, 9 * SECOND_NS)
    assert told == ((("a.example",),), (("a.example",),))


def test_names_of_one_address_are_bounded() -> None:
    """A client that asks for a million names of one address makes nobody slow."""
    asked = [
        payload
        for number in range(100)
        for payload in (
            ask(query(f"{number}.example", number)),
            udp(a_record(f"{number}.example", number=number)),
        )
    ]
    assert len(read_names(asked).from_dns(CLIENT, SERVER, 0)) == MAX_NAMES


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
    questions = [query("first.example"), query("a.example")]
    content = b"".join(struct.pack(">H", len(one)) + one for one in questions)
    asked = Payload(6, (CLIENT, 40000), (RESOLVER, 53), 7, 0, 1, content)
    told = read_names([*segments, RecordedPayload(asked, "a.pcap")])
    assert told.from_dns(CLIENT, SERVER, 0) == (("a.example",),)
    assert read_names(segments).from_dns(CLIENT, SERVER, 0) == ()


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
        hinted = Packet(6, CLIENT, SERVER, 40000, 443, 100, seq=payload.seq, hint=int(begin == 0))
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
