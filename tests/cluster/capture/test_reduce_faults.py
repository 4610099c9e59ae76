"""What goes wrong while nodes reduce: no packet is lost, and the manifest says what it is."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture import reducing
from otterize_pcap.errors import PartialCaptureError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.map_capture import graph_capture
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    Run,
    StartApi,
    assert_clean,
    capture_pods,
    read_manifest,
    soon,
)
from tests.cluster.lab_nodes import Lab, two_nodes
from tests.cluster.lab_runtime import unavailable
from tests.cluster.reducers import program, reducing_api
from tests.reduced.test_reduce import PLAIN

WHY_NOT = unavailable()
in_the_lab = pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}")
QUICK = "from otterize_pcap.files import reduce_recording as r; r.PERIOD_S = 0.5"
"""Blocks of half a second."""
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes that talk through a VXLAN."""
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are pulled all the time."""
    monkeypatch.setattr(reducing, "PERIOD_S", 0.5)


@pytest.mark.lab
@in_the_lab
@pytest.mark.usefixtures("_often")
def test_program_that_fails_leaves_packets(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path
) -> None:
    """After its first block it fails each time: what it made is kept, the rest comes as packets."""
    api = reducing_api(lab, start_api, tmp_path, "debian")
    out = tmp_path / "out"
    failing = f"""{QUICK}
def fail(*_):
    if list(r.Path().glob("table-*")):
        print("no more", file=sys.stderr, flush=True)
        r.os._exit(3)
make = r.Reducer._reduce
r.Reducer._reduce = lambda *words: (fail(), make(*words))[1]"""

    result = run(
        api, "capture", "--duration", "9s", "--node", "node2", "-o", str(out),
        "--reduce-binary", str(program(tmp_path / "otterize", python=failing)),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    (node,) = read_manifest(out).nodes
    assert node.status == "captured"
    assert node.reason == (
        "the node did not reduce all of it (exit code 3: no more): the rest came as packets"
    )
    assert [file.path for file in node.files] == ["pcap/node2.conntable", "pcap/node2.pcap"]
    assert packets_of(out) == node.packets.captured


def packets_of(directory: Path) -> int:
    """The packets of a capture directory."""
    (capture,) = open_captures([directory])
    coverage = graph_capture(capture, PLAIN).coverage
    assert coverage is not None
    return sum(file.packets for file in coverage.files)


@pytest.mark.lab
@in_the_lab
@pytest.mark.usefixtures("_often")
def test_evicted_pod_leaves_its_tables(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path
) -> None:
    """What it had made until then is in the directory, and in the graph."""
    api = reducing_api(lab, start_api, tmp_path, "busybox")
    out = tmp_path / "out"
    table = out / "pcap" / "node2.conntable"
    evicted = soon(
        lambda: api.kubelet.evict(capture_pods(api)[0], "Pod used too much memory."),
        when=lambda: table.exists() and table.stat().st_size > 0,
    )

    result = run(
        api, "capture", "--duration", "120s", "--node", "node2", "-o", str(out),
        "--reduce-binary", str(program(tmp_path / "otterize", python=QUICK)),
    )  # fmt: skip
    evicted.join()

    assert isinstance(result.exception, PartialCaptureError), result.output
    assert_clean(api)
    (node,) = read_manifest(out).nodes
    assert node.status == "failed"
    assert node.reason == (
        "Evicted: Pod used too much memory.; what it had reduced until then is kept"
    )
    assert [file.path for file in node.files] == ["pcap/node2.conntable"]
    assert packets_of(out) == node.packets.captured


@pytest.mark.lab
@in_the_lab
def test_program_that_arrives_changed_is_not_run(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its SHA-256 is taken in the pod, before it runs."""
    api = reducing_api(lab, start_api, tmp_path, "busybox")
    out = tmp_path / "out"
    ran = tmp_path / "ran"
    binary = program(tmp_path / "otterize")
    changed = b"#!/bin/sh\ntouch ran\n".ljust(binary.stat().st_size)
    monkeypatch.setattr(reducing, "_pieces", lambda _: iter([changed]))

    result = run(
        api, "capture", "--duration", "2s", "--node", "node2", "-o", str(out),
        "--reduce-binary", str(binary),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    (node,) = read_manifest(out).nodes
    assert node.reason is not None
    assert "the program that reduces is not the one that was sent (SHA-256)" in node.reason
    assert [file.path for file in node.files] == ["pcap/node2.pcap"]
    assert not list(tmp_path.glob("pods/*/ran"))
    assert not ran.exists()


@pytest.mark.lab
@in_the_lab
def test_packets_wait_within_the_disk(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path
) -> None:
    """A program that is too slow holds tcpdump, and the kernel counts what it drops."""
    api = reducing_api(lab, start_api, tmp_path, "debian")
    pump = lab.spawn("node1", "call", "bulk")
    out = tmp_path / "out"
    slow = """from otterize_pcap.files import make_blocks as m
import time
make = m.BlockMaker.block
m.BlockMaker.block = lambda *words: (time.sleep(1), make(*words))[1]"""
    most = 0

    def measure() -> bool:
        nonlocal most
        files = list(tmp_path.glob("pods/*/*.pcap*"))
        most = max(most, sum(size_of(file) for file in files))
        return (out / "manifest.json").exists()

    watched = soon(lambda: None, when=measure)
    result = run(
        api, "capture", "--duration", "12s", "--profile", "headers", "--snaplen", "65535",
        "--node", "node2", "--disk", "64Mi", "-o", str(out),
        "--reduce-binary", str(program(tmp_path / "otterize", python=slow)),
    )  # fmt: skip
    pump.kill()
    pump.communicate()
    watched.join()

    assert result.exit_code == 0, result.output
    (node,) = read_manifest(out).nodes
    assert node.status == "captured"
    assert [file.path for file in node.files] == ["pcap/node2.conntable"]
    assert node.packets.dropped
    assert 32 * MEBIBYTE < most < 68 * MEBIBYTE
    assert packets_of(out) == node.packets.captured


def size_of(file: Path) -> int:
    """A file's size, 0 where it is gone."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_binary_for_another_processor_is_refused(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Before anything is created: nodes say what they are."""
    binary = tmp_path / "otterize"
    binary.write_bytes(b"\x7fELF\x02\x01".ljust(16, b"\0") + struct.pack("<HH", 2, 183))

    result = run(api, "capture", "--reduce-binary", str(binary), "-o", str(tmp_path / "out"))

    assert result.exit_code != 0
    assert str(result.exception) == (
        f"{binary} is built for arm64, and node1, node2 are not; choose nodes with "
        "--node-selector kubernetes.io/arch=arm64, or give an --image that has otterize for each"
    )
    assert api.listed("jobs") == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--reduce"],
            (
                "--reduce needs otterize on the nodes, and the default image has none; give "
                "--reduce-binary FILE (the one-file binary), or --image with one that has it "
                "(scripts/capture-image/Dockerfile)"
            ),
        ),
        (["--disk", "1Gi"], "--disk bounds what waits to be reduced; give it with --reduce"),
        (
            ["--reduce", "--image", "x", "--disk", "1Mi"],
            "--disk '1Mi' is smaller than 64Mi, which the buffers of tcpdump may fill at once",
        ),
        (
            ["--reduce", "--image", "x", "--profile", "full"],
            "--profile full keeps packets whole, and --reduce keeps none; use --profile headers",
        ),
    ],
    ids=["nothing to reduce with", "disk alone", "small disk", "full"],
)
def test_options_that_make_no_sense(api: FakeApi, run: Run, words: list[str], message: str) -> None:
    """They are said before the cluster is asked."""
    result = run(api, "capture", *words)
    assert str(result.exception) == message


def test_job_of_reducing_has_its_limits(api: FakeApi, run: Run) -> None:
    """The dry run shows them, and the addresses of nodes; the image's own program is run."""
    result = run(
        api, "capture", "--reduce", "--image", "registry/otterize-reduce:1", "--disk", "64Mi",
        "--dry-run",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    for line in (
        "- name: CAPTURE_REDUCER\n          value: otterize\n",
        '- name: CAPTURE_REDUCER_SHA256\n          value: ""\n',
        '- name: CAPTURE_DISK_BYTES\n          value: "67108864"\n',
        '- name: CAPTURE_TUNNEL_ENDS\n          value: "172.31.250.11"\n',
        "memory: 640Mi\n",
    ):
        assert line in result.stdout, line
