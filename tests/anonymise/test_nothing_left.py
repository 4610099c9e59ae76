"""No name, address or payload of a capture is in what is made of it: a law over all fixtures."""

import json
import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address

import pytest

from otterize_pcap.addresses import (
    MAPPED,
    METADATA_SERVICE,
    NODE_LOCAL_DNS,
    format_address,
    is_not_a_call,
)
from otterize_pcap.anonymise.known_words import KNOWN_LABELS, NAMING_ANNOTATIONS
from otterize_pcap.anonymise.name_map import KEPT, WORD
from otterize_pcap.connections.names import RecordedPayload, read_names
from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.pcap_files import Wanted, read_files
from otterize_pcap.packets.decode import Decoded, Decoder
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.records.containers import open_capture
from otterize_pcap.records.stream import Record
from otterize_pcap.snapshot.attachments import KEYS
from otterize_pcap.table.read import ReadOptions
from tests.anonymise.anonymised import CAPTURES, Given, Made, made

each_capture = pytest.mark.parametrize("given", CAPTURES, ids=str)
LONG_ENOUGH = 8
"""Bytes of payload that are looked for: shorter ones are found by chance."""
EVERYBODYS = frozenset({METADATA_SERVICE, NODE_LOCAL_DNS})
# What documents are made of, and somebody's names too.
FORMAT = frozenset({"True", "batch", "controller", "dropped", "false", "istio-proxy", "tcp"})
NAMED = frozenset({"name", "namespace", "generateName", "nodeName", "uid", "hostname", "image"})
TEXT_WORD = re.compile(r"[^\s\"',\[\]{}=:/@]+")
# An address with its surroundings, so that 10.0.0.1 is not found in 110.0.0.12.
ADDRESS = re.compile(r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]+")


def records(made_of: Made) -> Iterator[tuple[Record, Record]]:
    """Each packet of a fixture, and what it became."""
    for before, after in made_of.recordings():
        with before.open("rb") as old, after.open("rb") as new:
            olds, news = open_capture(old, "old").reader, open_capture(new, "new").reader
            while (record := olds.next()) is not None:
                other = news.next()
                assert other is not None
                yield record, other
            assert news.next() is None


def addresses_of(decoded: Decoded) -> set[bytes]:
    """The addresses of a packet and of the tunnels around it, as long as they are on the wire."""
    packet = decoded.packet
    ends = {packet.source, packet.destination}
    ends |= {end for tunnel in packet.tunnels for end in (tunnel.low, tunnel.high)}
    return {on_the_wire(end) for end in ends if not is_not_a_call(end) and end not in EVERYBODYS}


@cache
def on_the_wire(end: bytes) -> bytes:
    """An address as packets have it."""
    return ip_address(format_address(end)).packed


def in_both(payload: bytes, packet: bytes) -> list[bytes]:
    """The pieces of a payload that a packet holds; a number among zeros says nothing."""
    # What one has of the other, that has of it: there are fewer pieces of the shorter one.
    short, long = sorted((payload, packet), key=len)
    pieces = (short[at : at + LONG_ENOUGH] for at in range(len(short) - LONG_ENOUGH + 1))
    return [piece for piece in pieces if piece in long and piece.count(0) < LONG_ENOUGH // 2]


@each_capture
def test_no_address_in_packets(given: Given) -> None:
    """No packet holds, in binary, an address that it had before, nor does a DNS answer."""
    decoder = Decoder(TunnelPorts())
    for before, after in records(made(given, keep_dns=True)):
        decoded = decoder.decode(before)
        if isinstance(decoded, Decoded):
            assert not [address for address in addresses_of(decoded) if address in after.data]


@each_capture
def test_no_payload_in_packets(given: Given) -> None:
    """Without DNS, no eight bytes of a packet's payload are in what it became.

    Eight bytes of our own at most stand for it.
    """
    decoder, other = Decoder(TunnelPorts()), Decoder(TunnelPorts())
    for before, after in records(made(given, keep_dns=False)):
        decoded, left = decoder.decode(before), other.decode(after)
        if isinstance(decoded, Decoded):
            assert in_both(decoded.payload, after.data) == []
        if isinstance(left, Decoded):
            assert len(left.payload) <= LONG_ENOUGH


def texts(made_of: Made) -> Iterator[str]:
    """All text that was written: documents, node files, and the names of files."""
    for path in made_of.directory.rglob("*"):
        yield str(path.relative_to(made_of.directory))
        if path.is_file() and path.suffix != ".pcapng":
            yield path.read_text(encoding="utf-8")


def words_in(value: object, key: str = "") -> Iterator[str]:
    """Every name in a document of Kubernetes objects, and the keys and values of labels."""
    if isinstance(value, dict):
        for name, part in value.items():
            # A workload's selector, unlike a Service's, has its labels one level further down.
            is_label = isinstance(part, str)
            if is_label and key in ("labels", "selector", "matchLabels", "annotations"):
                yield str(name)
                if key != "annotations":
                    yield part
            else:
                yield from words_in(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from words_in(part, key)
    elif isinstance(value, str) and key in NAMED:
        yield value


def says_nothing(name: str) -> bool:
    """Whether a name is made of words that everybody's clusters have, or of numbers and letters."""
    known = KNOWN_LABELS | NAMING_ANNOTATIONS | set(KEYS)
    return name in known or all(
        word in KEPT or word.isdigit() or len(word) == 1 for word in WORD.findall(name)
    )


def names_of(given: Given) -> set[str]:
    """The names in a fixture's snapshots, in its manifest and of its files."""
    found: set[str] = set()
    for path in (
        *given.snapshots,
        given.capture / "snapshot.json",
        given.capture / "manifest.json",
    ):
        if path.exists():
            found.update(words_in(json.loads(path.read_text(encoding="utf-8"))))
    found.update(path.name.partition(".pcap")[0] for path in find_captures(given.capture).captures)
    return {name for name in found - FORMAT if not says_nothing(name)}


@each_capture
def test_no_name_in_text(given: Given) -> None:
    """No name of an object, label, node or image stands in any file, or is a file's name."""
    written = {
        word for text in texts(made(given, keep_dns=True)) for word in TEXT_WORD.findall(text)
    }
    names = names_of(given)
    assert len(names) > 1
    assert sorted(written & names) == []


@each_capture
def test_no_address_in_text(given: Given) -> None:
    """No address of a fixture's documents and node files stands in any file as text."""
    given_texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in (
            *given.snapshots,
            given.capture / "snapshot.json",
            *given.capture.glob("node/*/*"),
        )
        if path.exists()
    ]
    before = {address for text in given_texts for address in read_addresses(text)}
    after = {
        address for text in texts(made(given, keep_dns=True)) for address in read_addresses(text)
    }
    assert before
    assert not before & after


def read_addresses(text: str) -> Iterator[str]:
    """The addresses in a text that could tell of anybody."""
    for word in ADDRESS.findall(text):
        try:
            address = ip_address(word)
        except ValueError:
            continue
        packed = address.packed if address.version == 6 else MAPPED + address.packed
        if not is_not_a_call(packed) and packed not in EVERYBODYS:
            yield str(address)


@each_capture
def test_no_domain_in_packets(given: Given) -> None:
    """No label of a name that DNS or TLS said is in any packet, as DNS and TLS would say it."""
    wanted = Wanted(find_captures(given.capture).captures, {})
    tables = read_files(wanted, ReadOptions(collect_names=True)).recordings
    names = read_names(
        RecordedPayload(payload, table.files[payload.part])
        for _, table in tables
        for payload in table.payloads
    )
    said = {name for answer in names.answers for name in (answer.name, *answer.aliases)}
    said |= {name for times in names.server_names.values() for _, name in times}
    labels = {label for name in said for label in name.split(".") if not says_nothing(label)}
    for path in made(given, keep_dns=True).directory.rglob("*.pcapng"):
        content = path.read_bytes().lower()
        for label in labels:
            assert bytes((len(label),)) + label.encode() not in content
