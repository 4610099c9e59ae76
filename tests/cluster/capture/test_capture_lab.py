"""`otterize capture` end to end in network namespaces: the manifest's script under real tcpdump.

Two nodes, a wire between them, a VXLAN over it as flannel makes it, connection tracking on. The
containers get exactly the capabilities and the read-only root that the manifest gives them.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fake_cluster import Run, StartApi, read_manifest
from tests.cluster.lab_nodes import NODES, Lab, lab_api, two_nodes
from tests.cluster.lab_runtime import NamespaceRuntime, make_image, unavailable

WHY_NOT = unavailable()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes that talk through a VXLAN."""
    with two_nodes() as nodes:
        yield nodes


def dump(capture: Path, *expression: str) -> list[str]:
    """The packets of a capture, a line each."""
    command = ["tcpdump", "-Z", "root", "-nn", "-r", str(capture), *expression]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def times(capture: Path, *expression: str) -> list[float]:
    """When each packet was recorded, in seconds."""
    command = ["tcpdump", "-Z", "root", "-nn", "-tt", "-r", str(capture), *expression]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The lines between say what is inside a tunnel.
    return [float(found) for found in re.findall(r"^\d+\.\d+", printed, re.MULTILINE)]


@pytest.mark.parametrize("flavour", ["debian", "busybox"])
def test_calls_are_captured(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, flavour: str
) -> None:
    """Handshakes, the quiet old connection, datagrams, DNS and conntrack arrive from both nodes."""
    api = lab_api(lab, start_api, tmp_path, flavour)
    out = tmp_path / "out"

    result = run(api, "capture", "--duration", "3s", "-o", str(out))

    assert result.exit_code == 0, result.output
    manifest = read_manifest(out)
    assert [(node.status, len(node.files), node.packets.dropped) for node in manifest.nodes] == [
        ("captured", 1, 0),
        ("captured", 1, 0),
    ]
    for node, (_, address, _) in NODES.items():
        capture = out / "pcap" / f"{node}.pcap"
        saved = out / "node" / node
        assert len(dump(capture, "tcp[13] & 0x12 = 2 and dst host 10.244.2.1")) > 4
        assert len(dump(capture, "ip6[6] = 6 and ip6[53] & 0x12 = 2")) > 4
        # The same inside the tunnel.
        assert len(dump(capture, "udp[2:2] = 8472 and udp[39] = 6 and udp[63] & 0x12 = 2")) > 4
        assert len(dump(capture, "tcp[13] & 7 = 0 and src host 10.244.1.1")) > 4
        assert len(dump(capture, "udp dst port 53")) > 4
        # Whole answers: a byte this far back can only be compared where it was captured.
        assert dump(capture, "udp src port 53 and udp[520] >= 0")
        assert f"inet {address}" in (saved / "addresses").read_text()
        timeouts = (saved / "conntrack-timeouts").read_text()
        assert "net.netfilter.nf_conntrack_udp_timeout = " in timeouts
        # What every new network namespace has.
        assert (saved / "ip_local_port_range").read_text().split() == ["32768", "60999"]
        packets = times(capture)
        assert packets == sorted(packets)
        # Payload of the first second only, inside the tunnel and out of it.
        data = "(tcp[13] & 7 = 0 and greater 200 and port 8080)"
        tunnelled = "(udp[2:2] = 8472 and udp[39] = 6 and udp[63] & 7 = 0 and greater 250)"
        for expression in (data, tunnelled):
            bulk = times(capture, expression)
            assert bulk
            assert max(bulk) - min(packets) < 3
    tracked = (out / "node" / "node2" / "conntrack-end").read_text()
    assert re.search(r"dst=10\.244\.2\.1 .*\[ASSURED\]", tracked)
    assert api.listed("jobs") == []


def test_container_has_only_the_manifests_rights(
    lab: Lab, start_api: StartApi, tmp_path: Path
) -> None:
    """The lab's container is as confined as the manifest says, or the tests above prove little."""
    del start_api
    image = make_image(tmp_path / "image", "debian")
    runtime = NamespaceRuntime(tmp_path / "pods", image, lab.namespaces)
    pod = {
        "metadata": {"name": "p", "annotations": {"capture.otterize.com/node": "node1"}},
        "spec": {
            "containers": [
                {
                    "env": [],
                    "command": ["/bin/sh", "-c"],
                    "args": [
                        "cat /proc/self/status; echo >/bin/x; echo >/capture/x && echo written"
                    ],
                }
            ]
        },
    }

    container = runtime.start(pod)
    container.wait()

    log = container.log()
    assert "CapEff:\t00000000000020c0" in log
    assert "CapBnd:\t00000000000020c0" in log
    assert "NoNewPrivs:\t1" in log
    assert "Read-only file system" in log
    assert "written" in log


def test_full_profile_keeps_the_newest_in_a_ring(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path
) -> None:
    """A ring under more traffic than it holds keeps whole packets and counts what it lost."""
    api = lab_api(lab, start_api, tmp_path, "busybox")
    pump = lab.spawn("node1", "call", "bulk")
    out = tmp_path / "out"

    result = run(
        api, "capture", "--duration", "3s", "--profile", "full", "--max-size", "4Mi",
        "--node", "node2", "--interface", "eth0", "-o", str(out),
    )  # fmt: skip
    pump.kill()
    pump.communicate()

    assert result.exit_code == 0, result.output
    (node,) = read_manifest(out).nodes
    assert node.reason is not None
    assert "the ring overwrote " in node.reason
    assert sum(file.bytes for file in node.files) < 4_300_000
    firsts = [min(times(out / file.path)) for file in node.files]
    assert firsts == sorted(firsts)


def test_size_limit_is_told(lab: Lab, start_api: StartApi, run: Run, tmp_path: Path) -> None:
    """Headers of bulk traffic reach the size limit: exit code 0, an early end, and why."""
    api = lab_api(lab, start_api, tmp_path, "debian")
    pump = lab.spawn("node1", "call", "bulk")
    out = tmp_path / "out"
    began = time.monotonic()

    result = run(
        api, "capture", "--duration", "10m", "--profile", "headers", "--max-size", "1Mi",
        "--snaplen", "4096",
        "--node", "node2", "-o", str(out),
    )  # fmt: skip
    pump.kill()
    pump.communicate()

    assert result.exit_code == 0, result.output
    assert time.monotonic() - began < 200
    (node,) = read_manifest(out).nodes
    assert node.reason is not None
    assert "the size limit ended it after " in node.reason
