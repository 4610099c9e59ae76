"""Files on their way into a capture directory: merged parts, rings, pulls, sizes and durations."""

import hashlib
import struct
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.capture_dir import PacketCounters
from otterize_pcap.cli.quantities import parse_duration, parse_size, split_list
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.capture.merge_pcap_parts import can_merge, merge_parts
from otterize_pcap.cluster.capture.node_state import parse_counters, parse_progress, total_counters
from otterize_pcap.cluster.capture.pull import PodFile, PullAbandonedError, PullEnd, pull_file
from otterize_pcap.cluster.capture.ring_contents import read_contents
from otterize_pcap.errors import ClusterError, UsageError
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.packets.ports import TunnelPorts
from tests.capture_bytes import cooked2, ipv4, tcp
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, read_manifest
from tests.cluster.fake_kubelet import ScriptedRuntime

Packet = tuple[int, int, bytes]


def pcap(packets: list[Packet], *, snaplen: int = 256, order: str = "<", link: int = 276) -> bytes:
    """A pcap file of (seconds, fraction, content)."""
    out = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)
    for seconds, fraction, content in packets:
        out += struct.pack(order + "IIII", seconds, fraction, len(content), len(content)) + content
    return out


def packets_of(content: bytes, order: str = "<") -> list[Packet]:
    """The packets of a pcap file."""
    found, at = [], 24
    while at < len(content):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", content, at)
        found.append((seconds, fraction, content[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


PACKETS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.binary(max_size=40)), max_size=30
).map(sorted)


@pytest.mark.parametrize("order", ["<", ">"])
def test_merge_cuts_payload_off(tmp_path: Path, order: str) -> None:
    """With a cut, packets end with their headers; times and lengths on the wire stay."""
    packet = cooked2(ipv4(tcp(40000, 8080, payload=b"secret")))
    (tmp_path / "0").write_bytes(pcap([(1, 2, packet)], order=order))

    merged = merge_parts([tmp_path / "0"], tmp_path / "out", PayloadCut(TunnelPorts()))

    content = (tmp_path / "out").read_bytes()
    assert packets_of(content, order) == [(1, 2, packet.removesuffix(b"secret"))]
    assert struct.unpack_from(order + "II", content, 32) == (len(packet) - 6, len(packet))
    assert merged.bytes == len(content)
    assert merged.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("profile", "kept"), [("calls", False), ("headers", True)])
def test_a_single_part_is_cut_too(
    api: FakeApi, run: Run, scripted: ScriptedRuntime, tmp_path: Path, profile: str, kept: bool
) -> None:
    """Where only one part came about, `calls` keeps no payload of it either, `headers` does."""
    packet = cooked2(ipv4(tcp(40000, 8080, payload=b"secret")))
    scripted.files = {f"{profile}.pcap": pcap([(1, 2, packet)])}

    result = run(
        api, "capture", "--duration", "1s", "--profile", profile, "-o", str(tmp_path / "out")
    )

    assert result.exit_code == 0, result.output
    node = read_manifest(tmp_path / "out").nodes[0]
    content = (tmp_path / "out" / node.files[0].path).read_bytes()
    assert (b"secret" in content) == kept
    assert node.files[0].bytes == len(content)
    assert node.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert [path.suffix for path in (tmp_path / "out" / "pcap").iterdir()] == [".pcap"] * 2


@settings(max_examples=60)
@given(parts=st.lists(PACKETS, min_size=1, max_size=4), order=st.sampled_from("<>"))
def test_merge_is_all_packets_by_time(parts: list[list[Packet]], order: str) -> None:
    """Merging yields every packet once, by time, as one capture would have written them."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        paths = [place / str(number) for number in range(len(parts))]
        for number, (path, packets) in enumerate(zip(paths, parts, strict=True)):
            path.write_bytes(pcap(packets, snaplen=256 + number, order=order))
        assert can_merge(paths)

        merged = merge_parts(paths, place / "out")

        content = (place / "out").read_bytes()
    everything = [packet for packets in parts for packet in packets]
    found = packets_of(content, order)
    assert sorted(found) == sorted(everything)
    assert [packet[:2] for packet in found] == sorted(packet[:2] for packet in everything)
    assert (merged.bytes, merged.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert struct.unpack_from(order + "I", content, 16) == (255 + len(parts),)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_merge_of_a_cut_part_keeps_the_rest(tmp_path: Path, cut: int) -> None:
    """A part that was cut off anywhere loses its last packets and nothing else."""
    whole = [(1, 0, b"a" * 10), (3, 0, b"c" * 10)]
    (tmp_path / "0").write_bytes(pcap([(2, 0, b"b" * 10), (4, 0, b"d" * 40)])[:-cut])
    (tmp_path / "1").write_bytes(pcap(whole))

    merge_parts([tmp_path / "0", tmp_path / "1"], tmp_path / "out")

    found = packets_of((tmp_path / "out").read_bytes())
    assert [packet for packet in found if packet in whole] == whole


@pytest.mark.parametrize(
    "other",
    [b"", b"not a pcap file, but long enough", pcap([], link=1), pcap([], order=">")],
    ids=["empty", "nonsense", "link-type", "byte-order"],
)
def test_unlike_parts_are_not_merged(tmp_path: Path, other: bytes) -> None:
    """Files that are no pcap, or of another link type or byte order, are not mixed."""
    (tmp_path / "0").write_bytes(pcap([]))
    (tmp_path / "1").write_bytes(other)

    assert not can_merge([tmp_path / "0", tmp_path / "1"])


def test_ring_contents_are_counted(tmp_path: Path) -> None:
    """Packets and the first time are read from a file; a cut tail is not counted."""
    (tmp_path / "f").write_bytes(pcap([(7, 500_000, b"x" * 9), (8, 0, b"y" * 9)]) + b"\1" * 16)
    (tmp_path / "g").write_bytes(b"nonsense")

    contents = read_contents(tmp_path / "f")

    assert (contents.packets, contents.first) == (2, 7.5)
    assert read_contents(tmp_path / "g").first is None


def test_counters_of_all_parts_are_summed() -> None:
    """Tcpdump's last words count, one packet or many; what no part stated stays unknown."""
    stats = (
        "part calls\ntcpdump: listening on any\n12 packets captured\n15 packets received by "
        "filter\n0 packets dropped by kernel\npart dns\n1 packet captured\n1 packet received by "
        "filter\n3 packets dropped by kernel\npart acks\n"
    )

    counters = parse_counters(stats)

    assert counters["dns"] == PacketCounters(1, 1, 3)
    assert total_counters(counters) == PacketCounters(13, 16, 3)
    assert total_counters(parse_counters("")) == PacketCounters(None, None, None)


def test_progress_is_the_last_line() -> None:
    """The last progress line counts."""
    log = (
        "capture: recording since 1.0\n"
        "capture: recording 1s bytes=96 packets=0 dropped=0\n"
        "capture: recording 2s bytes=1096 packets=10 dropped=2\n"
    )

    assert parse_progress(log) == (1096, 10, 2)
    assert parse_progress("capture: recording since 1.0\n") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("90", 90), ("5m", 300), ("1h30m", 5400), ("2h0m5s", 7205)],
)
def test_durations(text: str, seconds: int) -> None:
    """Durations as kubectl's users write them."""
    assert parse_duration(text, "--duration") == seconds


@pytest.mark.parametrize("text", ["", "0s", "s", "1.5h", "-3s", "5 m", "1w", "\uff13s"])
def test_no_durations(text: str) -> None:
    """What is no duration is a usage error that names the option."""
    with pytest.raises(UsageError, match="--watch"):
        parse_duration(text, "--watch")


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), ("500k", 500_000), ("100Mi", 100 << 20), ("2Gi", 2 << 30)]
)
def test_sizes(text: str, count: int) -> None:
    """Sizes in the units of Kubernetes quantities."""
    assert parse_size(text, "--max-size") == count


@pytest.mark.parametrize("text", ["", "0", "Mi", "1.5Gi", "10MB", "-1"])
def test_no_sizes(text: str) -> None:
    """What is no size is a usage error that names the option."""
    with pytest.raises(UsageError, match="--max-size"):
        parse_size(text, "--max-size")


def test_lists_may_be_repeated_and_separated() -> None:
    """An option may be repeated and may hold commas."""
    assert split_list(["b,a", " c", "a"]) == ("a", "b", "c")
    assert split_list(None) == ()


@pytest.fixture
def source(api: FakeApi, scripted: ScriptedRuntime) -> PodFile:
    """A file in a pod of the fake cluster."""
    content = bytes(range(256)) * 1000
    scripted.files = {"calls.pcap": content}
    pod = {"metadata": {"name": "p", "namespace": "default", "labels": {}}}
    api.add("pods", pod)
    api.kubelet.containers["p"] = scripted.start(pod)
    digest = hashlib.sha256(content).hexdigest()
    return PodFile("default", "p", "/capture/calls.pcap", len(content), digest)


def test_pull_reports_every_byte_once(
    api: FakeApi, cluster: Cluster, source: PodFile, tmp_path: Path
) -> None:
    """Progress adds up to the file's size, however often the stream was cut."""
    api.faults.exec_cuts = [1, 0, 70_000, 65_536, 3]
    seen: list[int] = []

    pull_file(cluster, source, tmp_path / "f", seen.append, PullEnd(threading.Event(), 60))

    assert sum(seen) == source.size
    assert (tmp_path / "f").read_bytes() == bytes(range(256)) * 1000


def test_pull_gives_up_where_nothing_comes(
    api: FakeApi,
    cluster: Cluster,
    source: PodFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream that is cut at once, again and again, ends in an error that says how far it got."""
    api.faults.exec_cuts = [0] * 100
    end = PullEnd(threading.Event(), 60)
    monkeypatch.setattr(end.abandoned, "wait", lambda _seconds: False)

    with pytest.raises(ClusterError, match="nothing more arrives after 0 of 256000 bytes"):
        pull_file(cluster, source, tmp_path / "f", lambda _: None, end)

    assert not (tmp_path / "f").exists()


def test_pull_can_be_abandoned(cluster: Cluster, source: PodFile, tmp_path: Path) -> None:
    """An abandoned pull ends in the middle, and the file never gets its name."""
    abandoned = threading.Event()
    end = PullEnd(abandoned, 60)

    with pytest.raises(PullAbandonedError):
        pull_file(cluster, source, tmp_path / "f", lambda _: abandoned.set(), end)

    assert not (tmp_path / "f").exists()
