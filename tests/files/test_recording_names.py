"""Which file is whose: names, times, and what somebody says."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.files.bare_recordings import read_recordings
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.files.recording_names import is_capture_name, read_name
from otterize_pcap.files.recordings import are_parts
from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import SECOND, START, ethernet, ipv4, pcap, tcp
from tests.conftest import ROOT, Otterize
from tests.strategies import laws

FRAME = ethernet(ipv4(tcp(1000, 80, payload=b"x")))


def minute(number: int, packets: int = 3) -> bytes:
    """A part with packets of one connection in the first second of a minute."""
    return pcap([FRAME] * packets, start=START + number * 60 * SECOND)


def read(directory: Path, *nodes: tuple[str, str]) -> ReadFiles:
    """The recordings of a directory."""
    return read_recordings([directory], ReadOptions(file_nodes=nodes))


def nodes_of(read_files: ReadFiles) -> dict[str, list[str]]:
    """The names of each node's files, in the order in which they were read."""
    return {
        node: [Path(file).name for file in table.files] for node, table in read_files.recordings
    }


ROTATED = [
    pytest.param("node-a", ["node-a.pcap", "node-a.pcap1", "node-a.pcap2"], id="tcpdump -C"),
    pytest.param("node-a", ["node-a.pcap8", "node-a.pcap9", "node-a.pcap10"], id="-C -W, sorts"),
    pytest.param("n", ["n-20231114-2213.pcap", "n-20231114-2214.pcap"], id="-G, date"),
    pytest.param("n", ["n_2023-11-14T22:13:20.pcap", "n_2023-11-14T22:14:20.pcap"], id="-G, ISO"),
    pytest.param("n", ["n-1700000000.pcap.gz", "n-1700000060.pcap.gz"], id="-G, epoch, -z gzip"),
    pytest.param("n", ["n-221320.pcap", "n-221420.pcap"], id="-G, hour"),
    pytest.param(
        "node-a",
        ["node-a_00001_20231114221320.pcapng", "node-a_00002_20231114221420.pcapng"],
        id="dumpcap -b",
    ),
    pytest.param(
        "node-a",
        ["node-a_20231114221320_00001.pcap", "node-a_20231114221420_00002.pcap"],
        id="dumpcap -b nametimenum",
    ),
    pytest.param("log", ["log.pcap.1700000000", "log.pcap.1700000060"], id="Suricata"),
    pytest.param("n", ["n.pcap", "n.pcap.1.xz", "n.pcap.2.xz"], id="logrotate"),
    pytest.param("n", ["n.pcap-20231114", "n.pcap-20231115"], id="logrotate, dateext"),
    pytest.param("n", ["n.pcap", "n.1.pcap", "n.2.pcap"], id="otterize capture"),
    pytest.param(
        "cn-hangzhou.10.0.1.23",
        ["cn-hangzhou.10.0.1.23.pcap", "cn-hangzhou.10.0.1.23.1.pcap"],
        id="parts of a node named by an address",
    ),
    pytest.param("10.0.1.23", ["10.0.1.23.pcap0", "10.0.1.23.pcap1"], id="an address, -C"),
]


def write(path: Path, content: bytes) -> None:
    """Write a capture, compressed as its name says."""
    import gzip  # noqa: PLC0415
    import lzma  # noqa: PLC0415

    packed: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".xz": lzma.compress,
    }
    path.write_bytes(packed.get(path.suffix, bytes)(content))


@pytest.mark.parametrize(("node", "names"), ROTATED)
def test_parts_that_follow_one_another(node: str, names: list[str], tmp_path: Path) -> None:
    """Parts of one recording, by any of the usual names, are one; their times order them."""
    for number, name in enumerate(names):
        write(tmp_path / name, minute(number))
    found = read(tmp_path)
    assert nodes_of(found) == {node: names}
    [(_, table)] = found.recordings
    assert table.counts.packets == 3 * len(names)


@pytest.mark.parametrize(("_node", "names"), ROTATED)
def test_files_that_overlap_are_apart(_node: str, names: list[str], tmp_path: Path) -> None:
    """Recordings of the same time are of several nodes, however alike their names are."""
    for number, name in enumerate(names):
        write(tmp_path / name, pcap([FRAME] * 9, start=START + number * SECOND // 500))
    found = read(tmp_path)
    assert sorted(map(len, nodes_of(found).values())) == [1] * len(names)
    assert len(nodes_of(found)) == len(names)
    assert all(table.counts.packets == 9 for _, table in found.recordings)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["10.0.1.23.pcap", "10.0.1.24.pcap"], id="addresses"),
        pytest.param(["cn-hangzhou.10.0.1.23.pcap", "cn-hangzhou.10.0.1.24.pcap"], id="Alibaba"),
        pytest.param(["ip-10-0-1-23.pcap", "ip-10-0-1-24.pcap"], id="AWS"),
        pytest.param(
            ["ip-10-0-1-23.ec2.internal.pcap", "ip-10-0-1-24.ec2.internal.pcap"], id="EC2"
        ),
        pytest.param(["worker-1.pcap", "worker-2.pcap"], id="workers"),
        pytest.param(["gke-p-12345678-abcd.pcap", "gke-p-12345678-efgh.pcap"], id="GKE"),
    ],
)
def test_nodes_recorded_one_after_the_other_are_apart(names: list[str], tmp_path: Path) -> None:
    """Names of nodes are no parts', even where one was recorded after the other."""
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(minute(number))
    assert nodes_of(read(tmp_path)) == {name.removesuffix(".pcap"): [name] for name in names}


def test_known_nodes_are_no_parts() -> None:
    """A snapshot's node names are whole, whatever they end in."""
    assert read_name("pool-12345.pcap", {"pool-12345"}).stem == "pool-12345"
    assert read_name("pool-12345.pcap").stem == "pool"
    assert read_name("pool-12345-20231114.pcap", {"pool-12345"}).whole == "pool-12345"


def test_somebody_says_which_node_a_file_is_of(tmp_path: Path) -> None:
    """`--node` joins files, and keeps others apart, against their names and times."""
    for number, name in enumerate(("a.pcap", "b.pcap", "n.pcap0", "n.pcap1")):
        (tmp_path / name).write_bytes(minute(number))
    said = (("a.pcap", "one"), (str(tmp_path / "b.pcap"), "one"), ("n.pcap1", "two"))
    assert nodes_of(read(tmp_path, *said)) == {
        "one": ["a.pcap", "b.pcap"],
        "n": ["n.pcap0"],
        "two": ["n.pcap1"],
    }


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("a.pcap", "--node a.pcap: expected FILE=NAME, for example b.pcap=node-b"),
        ("=x", "--node =x: expected FILE=NAME, for example b.pcap=node-b"),
        ("z.pcap=x", "--node z.pcap=x: no such capture file is read; those read: a.pcap"),
    ],
)
def test_node_option_that_means_no_file(
    otterize: Otterize, tmp_path: Path, said: str, message: str
) -> None:
    """A mistyped file is told, not passed over."""
    (tmp_path / "a.pcap").write_bytes(minute(0))
    done = otterize("connections", tmp_path, "--node", said)
    assert (done.returncode, done.stderr.strip()) == (2, f"otterize: {message}")


def test_any_number_of_parts(tmp_path: Path) -> None:
    """A recording may have more parts than the process may have open files."""
    for number in range(150):
        (tmp_path / f"n.pcap{number}").write_bytes(minute(number))
    # Of that process alone: this one may have more open.
    bounded = ("/bin/sh", "-c", 'ulimit -n 40 && exec "$@"', "sh", sys.executable)
    done = subprocess.run(
        [*bounded, "-m", "otterize_pcap", "connections", str(tmp_path), "--format", "csv"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert ": 450 packets" in done.stderr


@laws
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=6))
def test_order_of_files_does_not_matter(spans: list[tuple[int, int]]) -> None:
    """Whether files follow one another is the same in any order."""
    times = [(min(span), max(span)) for span in spans]
    expected = are_parts(times)
    assert all(are_parts(order) == expected for order in itertools.permutations(times[:4])) or (
        len(times) > 4
    )
    assert are_parts([*times, None]) == expected


@pytest.mark.parametrize("name", ["a.txt", "snapshot.json", "pcap", "a.pcapx", "notes.md"])
def test_names_of_other_files(name: str) -> None:
    """What is not named like a capture."""
    assert not is_capture_name(name)
