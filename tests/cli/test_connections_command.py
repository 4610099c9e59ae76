"""`otterize connections`: the table itself, in every form, byte for byte."""

import csv
import io
import json
from functools import partial
from pathlib import Path

import pytest

from otterize_pcap.cli import connections as show
from otterize_pcap.connections.clocks import measure_offsets
from otterize_pcap.connections.connect import connect
from otterize_pcap.connections.facts import NoSnapshot
from otterize_pcap.connections.legs import Recording
from otterize_pcap.errors import UnsupportedLinkType
from otterize_pcap.files.bare_recordings import read_recordings
from otterize_pcap.render.connections import shown_connection
from otterize_pcap.table.read import FAST_PATH, ReadOptions
from tests.capture_bytes import (
    ACK,
    CLIENT,
    SERVER,
    SYN,
    ethernet,
    geneve,
    ipv4,
    ipv6,
    pcap,
    tcp,
    udp,
    vxlan,
)
from tests.conftest import FIXTURES, Otterize
from tests.connections.one_by_one import survey

HANDSHAKE = [
    ethernet(ipv4(tcp(40000, 80, SYN, seq=9))),
    ethernet(ipv4(tcp(80, 40000, SYN | ACK, seq=70, ack=10), source=SERVER, target=CLIENT)),
    ethernet(ipv4(tcp(40000, 80, ACK, seq=10, ack=71))),
]
INNER = ethernet(ipv6(udp(50000, 9999, b"x"), 17))
FRAMES = [*HANDSHAKE, ethernet(ipv4(vxlan(INNER), 17)), ethernet(bytes(28), 0x0806)]

TEXT = """\
TCP  10.0.0.1:40000        -> 10.0.0.2:80           established S30  \
2023-11-14T22:13:20.000000000Z  packets 2/1  bytes 80/40  a.pcap#1
UDP  [fd00::1]:50000       -> [fd00::2]:9999        unanswered  S36  \
2023-11-14T22:13:20.003000000Z  packets 1/0  bytes 49/0  a.pcap#4  in vxlan
"""
JSON = """\
[
{"protocol": "TCP", "client": {"ip": "10.0.0.1", "port": 40000}, \
"server": {"ip": "10.0.0.2", "port": 80}, "rule": "S30", "outcome": "established", "syn": 1, \
"packets": [2, 1], "bytes": [80, 40], "first": "2023-11-14T22:13:20.000000000Z", \
"last": "2023-11-14T22:13:20.002000000Z", "tunnels": [], "file": "a.pcap", "packet": 1},
{"protocol": "UDP", "client": {"ip": "fd00::1", "port": 50000}, \
"server": {"ip": "fd00::2", "port": 9999}, "rule": "S36", "outcome": "unanswered", "syn": 0, \
"packets": [1, 0], "bytes": [49, 0], "first": "2023-11-14T22:13:20.003000000Z", \
"last": "2023-11-14T22:13:20.003000000Z", "tunnels": ["vxlan"], "file": "a.pcap", "packet": 4}
]
"""
CSV = """\
protocol,client_ip,client_port,server_ip,server_port,rule,outcome,syn,packets_to_server,\
packets_to_client,bytes_to_server,bytes_to_client,first,last,tunnels,file,packet\r
TCP,10.0.0.1,40000,10.0.0.2,80,S30,established,1,2,1,80,40,\
2023-11-14T22:13:20.000000000Z,2023-11-14T22:13:20.002000000Z,,a.pcap,1\r
UDP,fd00::1,50000,fd00::2,9999,S36,unanswered,0,1,0,49,0,\
2023-11-14T22:13:20.003000000Z,2023-11-14T22:13:20.003000000Z,vxlan,a.pcap,4\r
"""


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """One TCP connection, one datagram in a tunnel, one ARP request."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(FRAMES))
    return path


@pytest.mark.usefixtures("capture")
@pytest.mark.parametrize("legs", [[], ["--legs"]], ids=["connections", "legs"])
@pytest.mark.parametrize(
    ("form", "expected"),
    [("text", TEXT), ("json", JSON), ("csv", CSV)],
)
def test_each_form(otterize: Otterize, form: str, expected: str, legs: list[str]) -> None:
    """What no join touches looks the same joined and as legs, in every form."""
    done = otterize("connections", "a.pcap", "--format", form, *legs)
    assert done.stdout == expected
    assert done.stderr == "a.pcap: 5 packets, 2 legs\n"
    assert done.returncode == 0


@pytest.mark.usefixtures("capture")
def test_verbose_says_what_is_no_connection(otterize: Otterize) -> None:
    """`-v` has a line for every reason for which a packet is in no connection."""
    done = otterize("connections", "a.pcap", "-v")
    assert done.stderr == "a.pcap: 5 packets, 2 legs\n  1 packet skipped: not IP (ARP)\n"


def test_ends_have_names_with_a_snapshot(otterize: Otterize) -> None:
    """Each line ends with whose the ends are and what became of it, as an edge's are."""
    capture = FIXTURES / "tutorial-before"
    lines = {}
    for form in ("text", "csv", "json"):
        bare = otterize("connections", capture, "--format", form, "-q").stdout
        named = otterize("connections", capture, "-n", "shop", "--format", form, "-q").stdout
        given = ("--snapshot", capture / "snapshot.json")
        assert otterize("connections", capture, *given, "--format", form, "-q").stdout == named
        lines[form] = list(zip(bare.splitlines(), named.splitlines(), strict=True))
    names = [("kafka.shop", "zookeeper.shop"), *[("checkout.shop", "kafka.shop")] * 2]
    for (client, server), (bare, named) in zip(names, lines["text"], strict=True):
        assert named == f"{bare}  {client} -> {server}  resolved"
    for (client, server), (bare, named) in zip(names, lines["csv"][1:], strict=True):
        assert named == f"{bare},{client},{server},resolved"
    assert lines["csv"][0][1] == f"{lines['csv'][0][0]},client,server,fate"
    for (client, server), (bare, named) in zip(names, lines["json"][1:-1], strict=True):
        says = {"clientName": client, "serverName": server, "fate": "resolved"}
        assert json.loads(named.rstrip(",")) == json.loads(bare.rstrip(",")) | says


def test_namespace_keeps_its_clients(otterize: Otterize) -> None:
    """`-n` keeps the same connections that `intents list` counts; nobody's are an empty table."""
    capture = FIXTURES / "tutorial-after"
    kept = otterize("connections", capture, "-n", "tutorial", "--format", "csv", "-q").stdout
    assert {row["client"] for row in csv.DictReader(io.StringIO(kept))} == {"client.tutorial"}
    none = otterize("connections", capture, "-n", "nobody", "--format", "json", "-q")
    assert none.stdout == "[]\n"


@pytest.mark.parametrize("given", [("-n", "shop"), ("--snapshot", "snapshot.json")])
def test_legs_have_no_names(otterize: Otterize, given: tuple[str, str], tmp_path: Path) -> None:
    """A leg is no connection; asking for both is a usage error."""
    (tmp_path / "snapshot.json").write_text("{}")
    done = otterize("connections", FIXTURES / "tutorial-before", "--legs", *given)
    assert (done.returncode, done.stdout) == (2, "")


def test_strict_fails_on_damage(otterize: Otterize, tmp_path: Path) -> None:
    """As in every command that reads captures."""
    (tmp_path / "cut.pcap").write_bytes(pcap(HANDSHAKE)[:-1])
    assert otterize("connections", "cut.pcap", "-q").returncode == 0
    assert otterize("connections", "cut.pcap", "-q", "--strict").returncode == 6


@pytest.mark.usefixtures("capture")
def test_stdin_and_quiet(otterize: Otterize) -> None:
    """A capture may come through a pipe; `-q` leaves stderr empty."""
    done = otterize("connections", "-", "-q", stdin=pcap(HANDSHAKE))
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert "  -#1\n" in done.stdout


def test_a_capture_directory(otterize: Otterize) -> None:
    """A directory's files are read by node; joining leaves fewer connections than legs."""
    joined = otterize("connections", FIXTURES / "tutorial-before", "--format", "json", "-q")
    legs = otterize("connections", FIXTURES / "tutorial-before", "--format", "json", "-q", "--legs")
    assert len(json.loads(joined.stdout)) < len(json.loads(legs.stdout))


def test_empty_capture(otterize: Otterize) -> None:
    """No connections are an empty table, not an error."""
    done = otterize("connections", "-", "--format", "json", stdin=pcap([]))
    assert (done.stdout, done.returncode) == ("[]\n", 0)


def test_csv_quotes_file_names(otterize: Otterize, tmp_path: Path) -> None:
    """A comma or a quote in a file name stays in its field."""
    name = 'a,"b".pcap'
    (tmp_path / name).write_bytes(pcap(HANDSHAKE))
    done = otterize("connections", name, "--format", "csv", "-q")
    _, row = csv.reader(io.StringIO(done.stdout))
    assert row[-2:] == [name, "1"]


@pytest.mark.usefixtures("capture")
def test_bound_on_connections(otterize: Otterize) -> None:
    """--max-connections is an error with its way out, not a silent loss."""
    done = otterize("connections", "a.pcap", "--max-connections", "1")
    assert (done.stdout, done.returncode) == ("", 3)
    assert done.stderr == (
        "otterize: more than 1 connection; raise --max-connections, or read the capture in parts\n"
    )


@pytest.mark.usefixtures("capture")
def test_vxlan_port_and_threads(otterize: Otterize) -> None:
    """The options reach the reader."""
    done = otterize("connections", "a.pcap", "--vxlan-port", "80", "--threads", "2", "-q")
    assert done.stdout == TEXT


def test_geneve_port(otterize: Otterize, tmp_path: Path) -> None:
    """Geneve on another port is opened where it is said to be."""
    path = tmp_path / "g.pcap"
    path.write_bytes(pcap([ethernet(ipv4(geneve(INNER, port=7777), 17))]))
    assert "in geneve" not in otterize("connections", path, "-q").stdout
    assert "in geneve" in otterize("connections", path, "--geneve-port", "7777", "-q").stdout


CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "pcaps"
CAPTURES = sorted(path.parent for path in FIXTURES.glob("*/truth.json"))
CAPTURES += sorted(CORPUS.glob("*")) if CORPUS.is_dir() else []


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:40])
def test_connections_by_shape_are_those_of_each_row(path: Path) -> None:
    """What is listed by shape is what looking at every row gives."""
    try:
        tables = read_recordings([path], ReadOptions()).recordings
    except UnsupportedLinkType:
        return
    listed = list(show.table_connections(tables))
    recordings = [
        Recording(table.files, node, tuple(table.rows()), table.counts.first_ns)
        for node, table in tables
    ]
    offsets = measure_offsets(recordings)
    surveyed = partial(survey, recordings, NoSnapshot(), {}, offsets)
    each = connect(recordings, NoSnapshot(), (), offsets, surveyed)
    assert listed == list(map(shown_connection, each))


@pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")
def test_lone_rows_come_by_time(tmp_path: Path) -> None:
    """A capture need not be in order of time; what is shown is."""
    path = tmp_path / "a.pcap"
    late, early = (
        pcap([ethernet(ipv4(tcp(port, 80, SYN, seq=port)))], start=start * 1_000_000_000)
        for port, start in ((1, 30), (2, 20))
    )
    path.write_bytes(late + early[24:])
    shown = show.table_connections(read_recordings([path], ReadOptions()).recordings)
    assert [line.client[1] for line in shown] == [2, 1]
