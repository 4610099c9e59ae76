"""Lines of `otterize connections`: written fast, and as the formats' own writers would."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import MAPPED, format_address, format_endpoint
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.naming import printable
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.render.connections import CSV_COLUMNS, RENDERERS
from otterize_pcap.timestamps import format_time

ADDRESSES = st.binary(min_size=16, max_size=16) | st.binary(min_size=4, max_size=4).map(
    lambda last: MAPPED + last
)
ENDPOINTS = st.tuples(ADDRESSES, st.integers(0, 65535))
COUNTS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
TIMES = st.integers(0, 2**62)
NAMES = st.text(st.characters(exclude_characters="\x00/", codec="utf-8"), min_size=1)
LISTED = st.builds(
    ListedConnection,
    protocol=st.sampled_from([*PROTOCOL_NAMES, 255]),
    client=ENDPOINTS,
    server=ENDPOINTS,
    rule=st.sampled_from([rule.value for rule in Rule]),
    outcome=st.sampled_from(["established", "unanswered"]),
    syns=st.integers(0, 2**32 - 1),
    packets=COUNTS,
    bytes=COUNTS,
    first_ns=TIMES,
    last_ns=TIMES,
    tunnels=st.lists(st.sampled_from(["vxlan", "geneve", "ipip"]), max_size=3).map(tuple),
    file=NAMES,
    packet=st.integers(1, 2**40),
)


def protocol(shown: ListedConnection) -> str:
    """The protocol's name, or its number."""
    return PROTOCOL_NAMES.get(shown.protocol, str(shown.protocol))


def document(shown: ListedConnection) -> dict[str, object]:
    """What JSON says of one connection."""
    return {
        "protocol": protocol(shown),
        "client": {"ip": format_address(shown.client[0]), "port": shown.client[1]},
        "server": {"ip": format_address(shown.server[0]), "port": shown.server[1]},
        "rule": shown.rule,
        "outcome": shown.outcome,
        "syn": shown.syns,
        "packets": shown.packets,
        "bytes": shown.bytes,
        "first": format_time(shown.first_ns),
        "last": format_time(shown.last_ns),
        "tunnels": shown.tunnels,
        "file": shown.file,
        "packet": shown.packet,
    }


def fields(shown: ListedConnection) -> list[str]:
    """What CSV says of one connection."""
    return [
        protocol(shown),
        format_address(shown.client[0]),
        str(shown.client[1]),
        format_address(shown.server[0]),
        str(shown.server[1]),
        shown.rule,
        shown.outcome,
        str(shown.syns),
        *map(str, (*shown.packets, *shown.bytes)),
        format_time(shown.first_ns),
        format_time(shown.last_ns),
        " ".join(shown.tunnels),
        printable(shown.file),
        str(shown.packet),
    ]


@given(st.lists(LISTED, min_size=1, max_size=4))
def test_json_is_that_of_the_library(listed: list[ListedConnection]) -> None:
    """Each object stands on a line of its own, byte for byte as `json.dumps` writes it."""
    expected = ",\n".join(json.dumps(document(shown)) for shown in listed)
    assert "".join(RENDERERS["json"](listed)) == f"[\n{expected}\n]\n"


@given(st.lists(LISTED, max_size=4))
def test_csv_is_read_back(listed: list[ListedConnection]) -> None:
    """A reader of RFC 4180 gets every field as it was, unprintable names of files escaped."""
    text = "".join(RENDERERS["csv"](listed))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == CSV_COLUMNS.split(",")
    assert rows == [fields(shown) for shown in listed]


@given(LISTED)
def test_text_has_both_endpoints(shown: ListedConnection) -> None:
    """A line for eyes names both ends as `address:port`, IPv6 in brackets."""
    (line,) = RENDERERS["text"]([shown])
    assert line.split()[1:4] == [
        format_endpoint(shown.client),
        "->",
        format_endpoint(shown.server),
    ]
    assert line.split()[0] == protocol(shown)
